"""A note that is moved on its own edge takes the attention with it, and nothing else does."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.circuits.patching.metrics import TokenLogit
from engine.circuits.patching.moved_note import MovedNote, moved_note, moved_pointer
from engine.circuits.patching.paths import HeadInput, exact_paths
from engine.circuits.scores.probes import random_repeat
from engine.model.config import HeadRef, ModelConfig
from engine.model.handbuilt import VOCABULARY, k_composition, q_composition
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.shapes import KINDS, random_model, random_tokens

L = 7
QUERY = 2 * L - 2
K = QUERY - L  # the earlier copy
TOKENS = random_repeat(range(1, VOCABULARY), L, samples=3, seed=0, bos=0)  # (3, 15)
FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)


def with_another_head(model: Transformer) -> Transformer:
    """The same circuit, and a head 0.1 that writes from random tokens into the positions, where no key reads."""
    twin = Transformer(ModelConfig(**(model.config.to_dict() | {"heads": 2, "kv_heads": 2}))).requires_grad_(False)
    old, new = dict(model.named_parameters()), dict(twin.named_parameters())
    generator, h, d = torch.Generator().manual_seed(0), model.config.d_head, model.config.d_model
    for name, weight in new.items():
        weight.zero_()
        rows, columns = old[name].shape
        weight[:rows, :columns] = old[name]
    new["layers.0.attention.W_V"][:VOCABULARY, h:] = torch.randn(VOCABULARY, h, generator=generator)
    new["layers.0.attention.W_O"][h:, 3 * VOCABULARY : d - 1] = torch.randn(
        h, d - 1 - 3 * VOCABULARY, generator=generator
    )
    return twin.double()


def assert_attention(x: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(x, torch.tensor([expected] * 3).double(), rtol=0, atol=1e-4)


def test_that_attention_and_prediction_follow_the_note() -> None:
    moved = moved_note(k_composition().double(), TOKENS, [FIRST], SECOND, K, QUERY)
    assert moved.positions == (K, K + 1, K + 2)
    assert_attention(moved.attention_before, [0, 1, 0])
    assert_attention(moved.attention_after, [0, 0, 1])
    assert torch.equal(moved.top_before, TOKENS[:, K + 1])
    assert torch.equal(moved.top_after, TOKENS[:, K + 2])
    right = moved.logits_after.gather(1, TOKENS[:, K + 2, None])
    torch.testing.assert_close(right, torch.full((3, 1), 12.0).double(), rtol=0, atol=1e-3)


def test_that_a_note_moved_to_the_earlier_copy_makes_it_copied_itself() -> None:
    moved = moved_note(k_composition().double(), TOKENS, [FIRST], SECOND, K, QUERY, to=K)
    assert_attention(moved.attention_after, [1, 0, 0])
    assert torch.equal(moved.top_after, TOKENS[:, K])


def test_that_another_heads_output_carries_no_note() -> None:
    model = with_another_head(k_composition())
    other = moved_note(model, TOKENS, [HeadRef(0, 1)], SECOND, K, QUERY)
    torch.testing.assert_close(other.attention_after, other.attention_before, rtol=0, atol=1e-12)
    torch.testing.assert_close(other.logits_after, other.logits_before, rtol=0, atol=1e-9)
    together = moved_note(model, TOKENS, [FIRST, HeadRef(0, 1)], SECOND, K, QUERY)
    assert_attention(together.attention_after, [0, 0, 1])


def test_that_in_a_pointer_circuit_the_pointer_moves_the_attention_and_no_key_does() -> None:
    model = q_composition().double()
    moved = moved_pointer(model, TOKENS, [FIRST], SECOND, K, QUERY)
    assert_attention(moved.attention_before, [0, 1, 0])
    assert_attention(moved.attention_after, [0, 0, 1])
    assert torch.equal(moved.top_after, TOKENS[:, K + 2])
    assert_attention(moved_note(model, TOKENS, [FIRST], SECOND, K, QUERY).attention_after, [0, 1, 0])
    without = moved_pointer(k_composition().double(), TOKENS, [FIRST], SECOND, K, QUERY)
    assert_attention(without.attention_after, [0, 1, 0])


def dense(model: Transformer, tokens: Tensor, sender: HeadRef, receiver: HeadRef) -> tuple[Tensor, Tensor]:
    """Swap what a head of layer 0 writes at positions 4 and 5 in all that layer 1 reads, and take one head's keys."""
    plain, seen = Capture(lambda _name: True), Capture(lambda name: name == "1.k")
    model(tokens, plain)
    stream, frame = model.begin(tokens)
    rows = slice(6 * sender.head, 6 * (sender.head + 1))
    wrote = plain.kept["0.z"][:, :, sender.head] @ model.layers[0].attention.W_O[rows]  # (B, T, d)
    stream = plain.kept["1.resid_pre"].clone()
    stream[:, [4, 5]] += wrote[:, [5, 4]] - wrote[:, [4, 5]]
    model.resume(stream, frame, 1, seen)
    kept = Capture(lambda name: name == "1.pattern")

    def tap(name: str, x: Tensor) -> Tensor:
        if name == "1.k":
            x = x.clone()
            x[:, :, receiver.head] = seen.kept["1.k"][:, :, receiver.head]
        return kept(name, x)

    logits = model(tokens, tap)
    return kept.kept["1.pattern"][:, receiver.head, 9, 3:6], logits[:, 9]


@pytest.mark.parametrize("kind", KINDS)
def test_that_any_note_is_moved_as_dense_arithmetic_says(kind: str) -> None:
    """The norm recomputed over the changed stream, shared keys changed for one head only, everything else the same."""
    model = random_model(kind)
    tokens = random_tokens(model, length=10)
    moved = moved_note(model, tokens, [HeadRef(0, 1)], HeadRef(1, 2), k=3, query=9)
    attention, logits = dense(model, tokens, HeadRef(0, 1), HeadRef(1, 2))
    torch.testing.assert_close(moved.attention_after, attention, rtol=0, atol=1e-9)
    torch.testing.assert_close(moved.logits_after, logits, rtol=0, atol=1e-9)
    torch.testing.assert_close(moved.logits_before, model(tokens)[:, 9], rtol=0, atol=1e-9)
    assert (moved.attention_after - moved.attention_before).abs().max() > 1e-4


def test_that_a_pointer_is_moved_by_the_attention_that_is_paid_to_it() -> None:
    model = random_model("shortformer-bare")
    tokens, sender, receiver = random_tokens(model, length=10), HeadRef(0, 1), HeadRef(1, 2)
    kept = Capture(lambda name: name in ("0.pattern", "0.v", "1.q"))
    model(tokens, kept)
    paid = kept.kept["0.pattern"][:, 1, 9, 3]  # (B)
    values = kept.kept["0.v"][:, :, 1]  # (B, T, h)
    change = paid[:, None] * (values[:, 4] - values[:, 3]) @ model.layers[0].attention.W_O[6:12]  # (B, d)
    change = change @ model.layers[1].attention.W_Q[:, 12:18]  # (B, h)

    def tap(name: str, x: Tensor) -> Tensor:
        if name == "1.q":
            x = x.clone()
            x[:, 9, 2] += change
        return x

    moved: MovedNote = moved_pointer(model, tokens, [sender], receiver, k=3, query=9)
    torch.testing.assert_close(moved.logits_after, model(tokens, tap)[:, 9], rtol=0, atol=1e-9)


@pytest.mark.parametrize("move", [moved_note, moved_pointer])
def test_that_a_note_without_room_to_move_is_not_measured(move: type[object]) -> None:
    model = k_composition()
    for k, query, reason in (
        (3, 5, "^not measured: the note would move to 5 and the query stands at 5$"),
        (4, 5, "^not measured"),
        (5, 5, "must stand before"),
        (-1, 5, "must stand before"),
        (3, 15, "both in the prompt"),
    ):
        with pytest.raises(ValueError, match=reason):
            move(model, TOKENS, [FIRST], SECOND, k, query)
    with pytest.raises(ValueError, match="no path"):
        move(model, TOKENS, [SECOND], SECOND, K, QUERY)
    with pytest.raises(ValueError, match=r"no head 1\.4"):
        move(model, TOKENS, [FIRST], HeadRef(1, 4), K, QUERY)


def test_that_an_edge_moved_into_the_same_place_is_the_edge_that_path_patching_knows() -> None:
    """Tokens exchanged at two places exchange what is noted there: here both ways give the same keys."""
    model, query = k_composition().double(), 6
    tokens = torch.tensor([[0, 1, 2, 3, 4, 5, 1]])  # A at 1 and at 6; notes at 2 and 3 are A and B
    swapped = torch.tensor([[0, 2, 1, 3, 4, 5, 1]])  # notes at 2 and 3 are B and A
    metric = TokenLogit(model, torch.tensor([3]), position=query)
    edge = next(exact_paths(model, tokens, swapped, [[FIRST]], [HeadInput(SECOND, "k")], metric, positions=[2, 3]))
    moved = moved_note(model, tokens, [FIRST], SECOND, k=1, query=query)
    assert float(edge.values) == pytest.approx(float(moved.logits_after[0, 3]), abs=1e-9)
    expected = 12 * math.exp(25) / (math.exp(25) + math.exp(12) + 5)
    assert float(edge.values) == pytest.approx(expected, abs=1e-6)


def test_that_heads_that_share_the_job_can_be_told_together_and_only_those_of_one_layer() -> None:
    model = random_model("shortformer-bare", seed=3)
    tokens = random_tokens(model, 2, 9)
    alone = moved_note(model, tokens, [FIRST], SECOND, 2, 7)
    itself = moved_note(model, tokens, [FIRST], SECOND, 2, 7, together=[SECOND])
    both = moved_note(model, tokens, [FIRST], SECOND, 2, 7, together=[HeadRef(1, 1)])
    torch.testing.assert_close(itself.logits_after, alone.logits_after, rtol=0, atol=1e-12)
    torch.testing.assert_close(both.attention_after, alone.attention_after, rtol=0, atol=1e-12)
    assert not torch.allclose(both.logits_after, alone.logits_after)
    with pytest.raises(ValueError, match="one layer together"):
        moved_note(model, tokens, [FIRST], SECOND, 2, 7, together=[HeadRef(0, 1)])
