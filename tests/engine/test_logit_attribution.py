"""Every logit is the sum of its sources, and a head's part the sum over the tokens that it came from (V6)."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.circuits.attribution.logit_attribution import (
    Target,
    attribute,
    attribute_by_source,
    attribution_taps,
    by_source_taps,
)
from engine.circuits.attribution.stream import Stream
from engine.model.config import HeadRef
from engine.model.handbuilt import k_composition
from engine.model.taps import Capture
from tests.engine.captured import REPEAT, SHAPES, everything, near
from tests.engine.shapes import heads_apart, random_model, random_tokens


def captured(kind: str, changes: dict[str, Any]) -> Stream:
    model = random_model(kind, **changes)
    taps = attribution_taps(model) | by_source_taps(model, HeadRef(1, 2))
    kept = Capture(taps.__contains__)
    model(random_tokens(model), kept)
    return Stream(model, kept.kept, 1)


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
def test_that_the_sources_sum_to_every_logit(kind: str, changes: dict[str, Any]) -> None:  # V6
    stream = captured(kind, changes)
    logits = stream.tap("logits")
    for token in range(19):
        split = attribute(stream, Target(token))
        near(split.total, logits[:, token])
        assert split.remainder.abs().max() < 1e-9
    has_bias = stream.model.config.norm == "layer"
    assert split.names == (*stream.names(), "bias") if has_bias else stream.names()


@pytest.mark.parametrize("kind", ["absolute-bare", "gpt2-like", "neox-like", "llama-like"])
def test_that_leads_are_split_too_and_centring_changes_none(kind: str) -> None:  # V6
    stream = captured(kind, {})
    logits, own = stream.tap("logits"), torch.arange(14)
    lead = attribute(stream, Target(own, 3))
    near(lead.total, logits[own, own] - logits[:, 3])
    near(lead.measured, lead.total)
    near(attribute(stream, Target(own, own.flip(0))).total, logits[own, own] - logits[own, own.flip(0)])
    over_mean, other = attribute(stream, Target(own, "mean")), attribute(stream, Target(3, "mean"))
    near(over_mean.total, logits[own, own] - logits.mean(-1))
    near(over_mean.measured, over_mean.total)
    near(over_mean.values - other.values, lead.values)


def test_that_a_heads_part_is_its_write_read_through_the_final_norm() -> None:
    """Only this head's write, its mean taken off, times the scale of the whole stream."""
    stream = captured("gpt2-like", {})
    model, kept = stream.model, stream.kept
    write = heads_apart(model, kept["1.z"], layer=1)[1, :, 2]  # (T, d)
    normed = (write - write.mean(-1, keepdim=True)) * kept["final.scale"][1] * model.norm_final.weight
    split = attribute(stream, Target(7))
    near(split.values[split.names.index("1.2")], normed @ model.unembedding[:, 7], 1e-11)
    near(split.values[-1], (model.norm_final.bias @ model.unembedding[:, 7]).expand(14), 1e-12)


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
def test_that_a_heads_part_is_the_sum_over_its_source_tokens(kind: str, changes: dict[str, Any]) -> None:  # V6
    stream, head = captured(kind, changes), HeadRef(1, 2)
    whole = attribute(stream, Target(5, "mean"))
    split = attribute_by_source(stream, head, Target(5, "mean"))
    near(split.values.sum(-1), whole.values[whole.names.index("1.2")])
    assert split.remainder.abs().max() < 1e-9
    assert split.values.triu(1).count_nonzero() == 0


def test_that_each_source_token_carries_its_share_of_the_value_bias() -> None:
    stream = captured("absolute-bare", {"attention_bias": True, "kv_heads": 2})
    model, x = stream.model, stream.parts(1).sum(0)  # (T, d)
    attention, pattern = model.layers[1].attention, stream.tap("1.pattern")[2]
    value = x @ attention.W_V[:, 6:12] + attention.b_V[6:12]  # (T, h)
    expected = pattern * (value @ attention.W_O[12:18] @ model.W_U[:, 5])
    near(attribute_by_source(stream, HeadRef(1, 2), Target(5)).values, expected, 1e-10)


def test_that_a_meddled_run_shows_in_the_remainder() -> None:
    model = random_model("absolute-bare")
    push = model.W_U[:, 4].clone()
    kept = everything(model, random_tokens(model), lambda name, x: x + push if name == "1.resid_post" else x)
    near(attribute(Stream(model, kept), Target(4)).remainder, (push @ push).expand(14))


def test_that_all_of_the_prediction_is_the_induction_heads() -> None:
    model = k_composition().double()
    stream, token = Stream(model, everything(model, REPEAT)), int(REPEAT[0, 15])
    split = attribute(stream, Target(token))
    column = dict(zip(split.names, split.values[:, 14].tolist(), strict=True))
    assert column.pop("1.0") == pytest.approx(12, abs=1e-4)
    assert column == {"embed": 0.0, "pos": 0.0, "0.0": 0.0}  # the previous-token head has no direct effect
    sources = attribute_by_source(stream, HeadRef(1, 0), Target(token)).values[14]
    assert sources[4] == pytest.approx(12, abs=1e-4)  # where the token followed the first time
    assert sources.sum() - sources[4] < 1e-9
