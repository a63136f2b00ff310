"""The engine in a script: open a model and ask what the window asks.

    session = Session("default")
    found = session.ask(Analyze(Prompt("the cat sat. the cat")))

Requests are in `engine.work.requests`, answers in `engine.work.results` and `engine.work.circuit_results`. Every figure
of the window says with "Show the code" which request it comes from.
"""

from __future__ import annotations

from typing import Any

from engine.work.jobs.perform import perform
from engine.work.recent import RecentRuns
from engine.work.requests import LoadModel, Request
from engine.work.results import ModelInfo
from engine.work.state import EngineState
from engine.work.task import Task


class Session:
    """One open model; what was asked before is remembered. `model`: a name that `main.py models` lists, or a path."""

    def __init__(self, model: str) -> None:
        self._state, self._task = EngineState(None, RecentRuns()), Task()
        self.model: ModelInfo = self.ask(LoadModel(model))

    def ask(self, request: Request) -> Any:
        """The answer. Raises ValueError, in one line, for what cannot be answered."""
        return perform(request, self._state, self._task)
