"""The sources sum to the stream, and so do its parts that stem from tokens, positions, biases and MLPs (V3, V5)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.circuits import budget
from engine.circuits.attribution.stream import Stream, part_taps, source_taps, split_parts
from engine.circuits.budget import TooLarge
from engine.model.taps import Capture, chain
from engine.model.transformer import Transformer
from tests.engine.captured import BIASED, SHAPES, everything, near
from tests.engine.shapes import heads_apart, random_model, random_tokens


def residuals(model: Transformer, kept: dict[str, Tensor]) -> list[Tensor]:
    """The stream before every layer, and the final one."""
    last = model.config.layers - 1
    return [kept[f"{number}.resid_pre"] for number in range(last + 1)] + [kept[f"{last}.resid_post"]]


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
def test_that_the_sources_sum_to_the_stream_before_every_layer(kind: str, changes: dict[str, Any]) -> None:  # V3
    model = random_model(kind, **changes)
    kept = everything(model, random_tokens(model))
    for row in (0, 1):
        stream = Stream(model, kept, row)
        for layer, expected in enumerate(residuals(model, kept)):
            parts = stream.parts(layer)
            assert len(parts) == len(stream.names(layer))
            near(parts.sum(0), expected[row])
    near(stream.parts().sum(0), expected[1])  # no layer means the final stream


def test_that_sources_stand_in_model_order_under_their_names() -> None:
    model = random_model("gpt2-like")
    layers = [[f"{n}.0", f"{n}.1", f"{n}.2", f"{n}.3", f"bias.{n}", f"mlp.{n}"] for n in (0, 1)]
    stream = Stream(model, everything(model, random_tokens(model)))
    assert list(stream.names()) == ["embed", "pos", *layers[0], *layers[1]]
    assert list(stream.names(1)) == ["embed", "pos", *layers[0]]
    assert stream.names(0) == ("embed", "pos")
    bare = random_model("shortformer-bare")
    assert Stream(bare, {"embed": torch.zeros(1, 1, 24)}).names(1) == ("embed", "0.0", "0.1", "0.2", "0.3")


def test_that_each_source_is_what_its_component_wrote() -> None:
    model = random_model("gpt2-like", kv_heads=2)
    kept = everything(model, random_tokens(model))
    stream, apart = Stream(model, kept, 1), heads_apart(model, kept["1.z"], layer=1)
    near(stream.part("1.2"), apart[1, :, 2], 1e-12)
    assert torch.equal(stream.part("mlp.1"), kept["1.mlp_out"][1])
    assert torch.equal(stream.part("bias.1")[3], model.layers[1].attention.b_O)
    assert torch.equal(stream.part("embed"), kept["embed"][1])


@pytest.mark.parametrize("layer", [1, None])
def test_that_the_named_taps_are_enough(layer: int | None) -> None:
    model = random_model("gpt2-like")
    sources, parts = Capture(source_taps(model, layer).__contains__), Capture(part_taps(model).__contains__)
    model(random_tokens(model), chain(sources, parts))
    stream = Stream(model, sources.kept)
    assert len(stream.parts(layer)) == len(stream.names(layer))
    assert len(list(split_parts(model, parts.kept))) == 3


def test_that_what_was_not_kept_is_named() -> None:
    model = random_model("gpt2-like")
    kept = Capture(source_taps(model, 1).__contains__)
    model(random_tokens(model), kept)
    with pytest.raises(ValueError, match=r"'1\.z'"):
        Stream(model, kept.kept).part("1.0")
    with pytest.raises(ValueError, match="no prompt 2 in a run of 2"):
        Stream(model, kept.kept, 2)


def test_that_all_sources_at_once_must_fit_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("absolute-bare")
    stream = Stream(model, everything(model, random_tokens(model)))
    monkeypatch.setattr(budget, "_limit", 10_000)
    with pytest.raises(TooLarge, match="one by one"):
        stream.parts()
    assert stream.part("1.3").shape == (14, 24)


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
def test_that_the_parts_sum_to_the_stream_before_every_layer(kind: str, changes: dict[str, Any]) -> None:  # V3
    model = random_model(kind, **changes)
    kept = everything(model, random_tokens(model))
    for parts, expected in zip(split_parts(model, kept), residuals(model, kept), strict=True):
        near(parts.total, expected)
    if model.config.positions != "absolute":
        assert parts.position.count_nonzero() == 0
    assert (parts.mlp.count_nonzero() == 0) == (model.config.d_mlp == 0)


def test_that_tokens_and_positions_follow_the_path_expansion() -> None:  # V5
    """Direct path, first-order heads, and virtual heads with the product of both patterns, written out."""
    model = random_model("absolute-bare")
    tokens = random_tokens(model)
    kept = everything(model, tokens)
    circuits = [
        [
            layer.attention.W_V[:, 6 * head : 6 * head + 6] @ layer.attention.W_O[6 * head : 6 * head + 6]
            for head in range(4)
        ]
        for layer in model.layers
    ]  # W_OV (d, d) of every head
    patterns = [kept[f"{number}.pattern"] for number in (0, 1)]

    def expanded(x: Tensor) -> Tensor:
        total = x
        for head in range(4):
            total = total + patterns[0][:, head] @ x @ circuits[0][head] + patterns[1][:, head] @ x @ circuits[1][head]
        for second in range(4):
            for first in range(4):
                virtual = patterns[1][:, second] @ patterns[0][:, first]  # (B, T, T)
                total = total + virtual @ x @ circuits[0][first] @ circuits[1][second]
        return total

    *_, final = split_parts(model, kept)
    near(final.token, expanded(model.W_E[tokens]))
    near(final.position, expanded(model.W_pos[:14].expand(2, 14, 24)))
    near((expanded(model.W_E[tokens]) + expanded(model.W_pos[:14].expand(2, 14, 24))) @ model.W_U, kept["logits"])


@pytest.mark.parametrize("changes", [{}, BIASED | {"kv_heads": 2}, BIASED | {"norm": "rms"}])
@pytest.mark.parametrize("how", ["removed", "permuted", "shifted"])
def test_that_replaced_positions_are_a_run_with_patterns_and_scales_held(how: str, changes: dict[str, Any]) -> None:
    model = random_model("absolute-bare", **changes)
    tokens = random_tokens(model)
    kept = everything(model, tokens)
    places = {
        "removed": torch.zeros(14, 24).double(),
        "permuted": model.W_pos[:14].flip(0),
        "shifted": model.W_pos[1:15],
    }

    def held(name: str, x: Tensor) -> Tensor:
        if name == "pos":
            return places[how].expand_as(x)
        return kept[name] if name.endswith(("pattern", "scale")) else x

    again = everything(model, tokens, held)
    splits = zip(split_parts(model, kept, places[how]), split_parts(model, kept), strict=True)
    for (replaced, original), expected in zip(splits, residuals(model, again), strict=True):
        near(replaced.total, expected)
        assert torch.equal(replaced.token, original.token) and torch.equal(replaced.bias, original.bias)
    assert (replaced.position.count_nonzero() == 0) == (how == "removed")


@pytest.mark.parametrize("kind", ["shortformer-bare", "llama-like", "alibi-bare"])
def test_that_only_positions_in_the_stream_can_be_replaced(kind: str) -> None:
    model = random_model(kind)
    kept = everything(model, random_tokens(model))
    with pytest.raises(ValueError, match="not in the stream"):
        next(split_parts(model, kept, torch.zeros(14, 24)))


def test_that_value_biases_follow_patterns_that_do_not_sum_to_one() -> None:
    """Folding a value bias into the output bias is right only while patterns sum to one; painted ones need not."""
    model = random_model("absolute-bare", **BIASED)

    def halved(name: str, x: Tensor) -> Tensor:
        return x / 2 if name.endswith("pattern") else x

    kept = everything(model, random_tokens(model), halved)
    for parts, expected in zip(split_parts(model, kept), residuals(model, kept), strict=True):
        near(parts.total, expected)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(SHAPES),
    st.integers(1, 3),
    st.sampled_from([(1, 1), (2, 1), (3, 3), (4, 2)]),
    st.integers(1, 5).map(lambda half: 2 * half),
    st.integers(1, 9),
)
def test_that_any_shape_splits_without_loss(
    shape: tuple[str, dict[str, Any]], layers: int, heads: tuple[int, int], d_head: int, length: int
) -> None:
    kind, changes = shape
    sizes = {"layers": layers, "heads": heads[0], "kv_heads": heads[1], "d_head": d_head, "rotary_dim": 2}
    model = random_model(kind, seed=length, **(changes | sizes))
    kept = everything(model, random_tokens(model, rows=1, length=length))
    *_, final = split_parts(model, kept)
    near(final.total, kept[f"{layers - 1}.resid_post"])
    near(Stream(model, kept).parts().sum(0), kept[f"{layers - 1}.resid_post"][0])
