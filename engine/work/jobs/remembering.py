"""Answers that are not computed twice: a job so marked looks among the recent answers of the open model first."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from engine.work.state import EngineState
from engine.work.task import Task

Asked = TypeVar("Asked")
Found = TypeVar("Found")
Job = Callable[[Asked, EngineState, Task], Found]


def remembered(job: Job[Asked, Found]) -> Job[Asked, Found]:
    """A job whose answers are kept by model and request."""

    @wraps(job)
    def recalled(request: Asked, state: EngineState, task: Task) -> Found:
        key = (state.require().info.hash, request)
        known: Found | None = state.recent.get(key)
        if known is None:
            known = job(request, state, task)
            state.recent.put(key, known)
        return known

    return recalled
