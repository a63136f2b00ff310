"""The folded view is the same function as the raw weights, and the model itself never changes (V9)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.circuits.weights.view import Weights, layer_of
from engine.model.config import HeadRef
from engine.model.transformer import Transformer
from tests.engine.shapes import KINDS, random_model, random_tokens


def written_out(model: Transformer, tokens: Tensor, folded: bool) -> Tensor:
    """Log-probabilities (B, T, V) from a view, layer by layer, with attention written out and norms reduced to scales.

    Only for absolute positions. MLPs run as they are: they read the stream through their own norm.
    """
    view, config = Weights(model, folded), model.config
    places = model.W_pos[: tokens.shape[1]]
    if folded and config.norm == "layer":
        places = places - places.mean(-1, keepdim=True)
    x = view.embedding[tokens] + places
    for number in range(config.layers):
        seen = scaled(x, model)
        heads = view.layer(number)
        q, k, v = (
            seen[:, None] @ W + b[:, None]
            for W, b in zip((heads.W_Q, heads.W_K, heads.W_V), (heads.b_Q, heads.b_K, heads.b_V), strict=True)
        )  # (B, H, T, h)
        scores = q @ k.transpose(-1, -2) / config.d_head**0.5
        pattern = (scores + torch.full_like(scores, -torch.inf).triu(1)).softmax(-1)
        x = x + (pattern @ v @ heads.W_O).sum(1) + view.output_bias(number)
        if config.d_mlp:
            layer = layer_of(model, number)
            x = x + layer.mlp(layer.norm_2(x, "", lambda _name, y: y), "", lambda _name, y: y)
    logits = scaled(x, model) @ view.unembedding + view.unembedding_bias
    centred = logits - logits.mean(-1, keepdim=True)  # what centring W_U over the vocabulary does
    return centred.log_softmax(-1)


def scaled(x: Tensor, model: Transformer) -> Tensor:
    """The norm without weight and bias."""
    if model.config.norm == "none":
        return x
    if model.config.norm == "layer":
        x = x - x.mean(-1, keepdim=True)
    return x * (x.pow(2).mean(-1, keepdim=True) + model.config.norm_epsilon).rsqrt()


CHANGES = {"norm": "layer", "attention_bias": True, "output_bias": True}


@pytest.mark.parametrize("changes", [{}, CHANGES, CHANGES | {"norm": "rms"}, CHANGES | {"kv_heads": 2}])
def test_that_folding_and_centring_leave_the_probabilities_alone(changes: dict[str, object]) -> None:  # V9
    model = random_model("absolute-bare", **changes)
    tokens = random_tokens(model)
    expected = model(tokens).log_softmax(-1)
    torch.testing.assert_close(written_out(model, tokens, folded=True), expected, rtol=0, atol=1e-9)
    single = model.float()
    torch.testing.assert_close(written_out(single, tokens, folded=True).double(), expected, rtol=0, atol=1e-4)


def test_that_folding_holds_beside_mlps() -> None:  # V9
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    torch.testing.assert_close(
        written_out(model, tokens, folded=True), model(tokens).log_softmax(-1), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_view_changes_nothing_in_the_model(kind: str) -> None:
    model = random_model(kind)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    for is_folded in (True, False):
        view = Weights(model, is_folded)
        _ = view.embedding, view.unembedding, view.unembedding_bias
        for number in range(model.config.layers):
            view.layer(number), view.output_bias(number)
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_folded", [True, False])
def test_that_one_head_is_a_slice_of_its_layer(kind: str, is_folded: bool) -> None:
    view = Weights(random_model(kind), is_folded)
    whole = view.layer(1)
    for number in range(4):
        one = view.head(HeadRef(1, number))
        for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"):
            torch.testing.assert_close(getattr(one, name), getattr(whole, name)[number], rtol=0, atol=1e-14)


def test_that_the_raw_view_is_the_file() -> None:
    model = random_model("llama-like")
    view, attention = Weights(model, folded=False), model.layers[0].attention
    head = view.head(HeadRef(0, 3))
    assert torch.equal(head.W_Q, attention.W_Q[:, 18:24])
    assert torch.equal(head.W_K, attention.W_K[:, 6:12])  # two heads share a key-value head
    assert torch.equal(head.W_V, attention.W_V[:, 6:12])
    assert torch.equal(head.W_O, attention.W_O[18:24])
    assert torch.equal(view.embedding, model.W_E)


def test_that_rms_norm_centres_nothing() -> None:
    model = random_model("llama-like")
    assert torch.equal(Weights(model).embedding, model.W_E)
    assert Weights(model).head(HeadRef(0, 0)).W_Q.mean(0).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["absolute-bare", "shortformer-layer-norm"])
def test_that_position_reads_are_what_queries_and_keys_see(kind: str) -> None:
    model = random_model(kind)
    raw, places = Weights(model, folded=False).head(HeadRef(0, 1)), model.W_pos
    queries, keys = Weights(model).position_reads(HeadRef(0, 1))
    torch.testing.assert_close(queries, places @ raw.W_Q, rtol=0, atol=1e-12)
    torch.testing.assert_close(keys, places @ raw.W_K, rtol=0, atol=1e-12)


def test_that_rotary_models_have_no_positional_circuit() -> None:
    with pytest.raises(ValueError, match="positions are rotary"):
        Weights(random_model("llama-like")).position_reads(HeadRef(0, 0))
