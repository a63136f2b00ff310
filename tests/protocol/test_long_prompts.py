"""Prompts too long for the memory budget: less is kept at a time, and every number stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.circuits import budget
from engine.circuits.scores.losses import token_losses
from engine.model.config import HeadRef, ModelConfig
from engine.model.loaders import native
from engine.model.tokenizer import PromptError
from engine.model.transformer import Transformer
from engine.work.jobs.analyze import analyze
from engine.work.jobs.examine_head import examine_head
from engine.work.jobs.load import load_model
from engine.work.recent import RecentRuns
from engine.work.requests import Analyze, ExamineHead, LoadModel, Prompt, removing
from engine.work.state import EngineState
from engine.work.task import Task
from tests.protocol.tiny_models import bytes_tokenizer


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture
def small_budget() -> Iterator[None]:
    budget.set_limit(16)
    yield
    budget.set_limit(budget.DEFAULT_MEGABYTES)


@pytest.fixture
def many_heads(tmp_path: Path) -> Path:
    """A random model of so many heads that the patterns of 200 tokens are over 16 MB."""
    tokenizer = bytes_tokenizer()
    config = ModelConfig(layers=8, heads=32, kv_heads=32, d_model=32, d_head=4, vocabulary=tokenizer.size, context=256)
    torch.manual_seed(0)
    model = Transformer(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    native.save(tmp_path / "model.safetensors", model, tokenizer)
    return tmp_path


def opened(path: Path) -> EngineState:
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(str(path)), state, Task())
    return state


def test_that_over_the_memory_budget_pictures_stay_and_any_head_is_made_again(
    small_budget: None, many_heads: Path
) -> None:
    state, prompt = opened(many_heads), Prompt("ab" * 100)
    removal = removing((HeadRef(2, 1),))
    short = analyze(Analyze(prompt, removal), state, Task())
    budget.set_limit(512)
    whole = opened(many_heads)
    full = analyze(Analyze(prompt, removal), whole, Task())
    assert short.patterns is None and full.patterns is not None
    assert np.array_equal(short.thumbnails, full.thumbnails)
    assert np.array_equal(short.losses, full.losses, equal_nan=True)
    for head in (HeadRef(0, 0), HeadRef(2, 1), HeadRef(7, 31)):
        again = examine_head(ExamineHead(prompt, head, removal), state, Task())  # from the kept stream
        fresh = examine_head(ExamineHead(prompt, head, removal), whole, Task())  # through the layers below
        assert np.allclose(again.pattern, fresh.pattern, atol=1e-6)
        assert np.allclose(again.pattern, full.patterns[head.layer, head.head], atol=1e-3)
        assert again.belongs_to(short)
    assert not again.belongs_to(analyze(Analyze(prompt), state, Task()))


def test_that_logits_in_blocks_give_the_same_numbers_as_all_at_once(small_budget: None, many_heads: Path) -> None:
    state, prompt = opened(many_heads), Prompt("the cat sat on the mat and the cat sat")
    model = state.require().model
    analysis = analyze(Analyze(prompt), state, Task())
    ids = torch.tensor([[token.id for token in analysis.tokens]])
    logits = model(ids)
    assert np.allclose(analysis.losses, token_losses(logits, ids)[0], atol=1e-5, equal_nan=True)
    assert [guess.id for guess in analysis.position_predictions] == logits[0].argmax(-1).tolist()
    assert analysis.predictions[0].logit == pytest.approx(float(logits[0, -1].max()), abs=1e-5)


def test_that_a_prompt_too_long_for_the_memory_budget_is_cut_and_says_so(small_budget: None, many_heads: Path) -> None:
    state = opened(many_heads)  # 32 heads: 16 MB hold three matrices of 209 tokens
    analysis = analyze(Analyze(Prompt("ab" * 125)), state, Task())
    assert len(analysis.tokens) == 209
    assert analysis.notice is not None and "memory budget of 16 MB" in analysis.notice
    with pytest.raises(PromptError, match="memory budget"):
        analyze(Analyze(Prompt("ab" * 125, truncate=False)), state, Task())
