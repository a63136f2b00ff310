"""The logit lens ends at the model's own prediction, and each step has its own norm."""

from __future__ import annotations

import pytest
import torch

from engine.circuits import budget
from engine.circuits.attribution.logit_attribution import Target, attribute
from engine.circuits.attribution.logit_lens import lens_taps, logit_lens
from engine.circuits.attribution.stream import Stream
from engine.model.taps import Capture
from tests.engine.captured import everything, near
from tests.engine.shapes import KINDS, random_model, random_tokens

ASKED = torch.tensor([3, 17, 3])


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_lens_ends_at_the_prediction(kind: str) -> None:
    model = random_model(kind)
    kept = Capture(lens_taps(model).__contains__)
    logits = model(random_tokens(model), kept)[1]  # (T, V)
    steps = list(logit_lens(Stream(model, kept.kept, 1), ASKED, top=4))
    assert [step.layer for step in steps] == [0, 1, 2]
    near(steps[-1].logits, logits[:, ASKED], 1e-10)
    assert torch.equal(steps[-1].top, logits.topk(4).indices)
    order = logits.argsort(-1, descending=True)
    for position in range(14):
        assert order[position, steps[-1].ranks[position, 1] - 1] == 17


def test_that_each_step_has_its_own_scale() -> None:
    """Frozen-scale sums of the attribution agree with the lens at the end only."""
    model = random_model("gpt2-like")
    stream = Stream(model, everything(model, random_tokens(model)))
    first, _, last = logit_lens(stream, torch.tensor([3]))
    x = stream.tap("0.resid_pre")
    x = x - x.mean(-1, keepdim=True)
    normed = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * model.norm_final.weight + model.norm_final.bias
    near(first.logits[:, 0], normed @ model.unembedding[:, 3], 1e-10)
    split = attribute(stream, Target(3))
    frozen = split.values.cumsum(0)  # (S, T), the last but one without the bias
    near(frozen[-1], last.logits[:, 0])
    assert (frozen[1] + split.values[-1] - first.logits[:, 0]).abs().max() > 0.1


def test_that_chosen_positions_and_small_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("llama-like")
    stream = Stream(model, everything(model, random_tokens(model)))
    whole = list(logit_lens(stream, ASKED))
    monkeypatch.setattr(budget, "_limit", 1_000)  # two positions at a time
    for step, expected in zip(logit_lens(stream, ASKED, torch.tensor([13, 2, 5])), whole, strict=True):
        near(step.logits, expected.logits[[13, 2, 5]], 1e-12)
        assert torch.equal(step.ranks, expected.ranks[[13, 2, 5]])
        near(step.top_logits, expected.top_logits[[13, 2, 5]], 1e-12)
    assert step.top.shape == (3, 10)
    *_, unasked = logit_lens(stream, torch.tensor([], dtype=torch.int64))
    assert unasked.ranks.shape == (14, 0)
