"""What a head wrote: its size, its sources, its parts, and the token that it names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.circuits.attribution.note import Note, named_by_likeness, named_by_match, note_taps, read_note
from engine.circuits.attribution.stream import Stream
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.handbuilt import k_composition, q_composition
from engine.model.taps import Capture
from engine.model.transformer import Rotation, Transformer
from tests.engine.captured import REPEAT, SHAPES, everything, near
from tests.engine.change_of_basis import change_of_basis
from tests.engine.shapes import heads_apart, random_model, random_tokens

FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)


def note_of(model: Transformer, head: HeadRef, position: int, tokens: Tensor, sample: int = 0) -> Note:
    kept = Capture(note_taps(model, head).__contains__)
    model(tokens, kept)
    return read_note(Stream(model, kept.kept, sample), head, position)


@pytest.fixture(params=["as built", "in another basis"])
def rebased(request: pytest.FixtureRequest) -> Any:
    turned = request.param == "in another basis"
    return lambda model: change_of_basis(model.double(), seed=3) if turned else model.double()


def test_that_the_previous_token_head_names_the_token_before(rebased: Any) -> None:
    model = rebased(k_composition())
    note = note_of(model, FIRST, 4, REPEAT)  # after token 3
    assert note.norm == pytest.approx(1, abs=1e-9)
    match, likeness = named_by_match(model, note, SECOND), named_by_likeness(model, note)
    assert (match.best, match.rank(3), likeness.best, likeness.rank(3)) == (3, 1, 3, 1)
    assert match.scores[3] == pytest.approx(25, abs=1e-6)
    assert likeness.scores[3] == pytest.approx(1, abs=1e-9)
    assert note.share(note.parts.token) == pytest.approx(1, abs=1e-9)
    assert note.share(note.parts.position) == pytest.approx(0, abs=1e-9)
    assert note.share(note.source_writes[3]) == pytest.approx(1, abs=1e-6)
    assert note.projection == pytest.approx(0, abs=1e-9)  # a block of its own
    assert note.norm_after == pytest.approx((note.norm_before**2 + 1) ** 0.5, abs=1e-9)


def test_that_a_pointer_is_made_of_positions_and_names_no_token(rebased: Any) -> None:
    model = rebased(q_composition())
    note = note_of(model, FIRST, 14, REPEAT)  # token 3 again, first at 3
    assert note.share(note.parts.position) == pytest.approx(1, abs=1e-9)
    assert note.share(note.parts.token) == pytest.approx(0, abs=1e-9)
    assert note.attention[3] == pytest.approx(1, abs=1e-4)
    for naming in (named_by_match(model, note, SECOND), named_by_likeness(model, note)):
        assert naming.best is None and naming.rank(3) is None


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
@pytest.mark.parametrize("head", [HeadRef(0, 1), HeadRef(1, 2)])
def test_that_a_note_is_the_sum_of_its_sources_and_of_its_parts(
    kind: str, changes: dict[str, Any], head: HeadRef
) -> None:
    model = random_model(kind, **changes)
    tokens = random_tokens(model)
    kept = everything(model, tokens)
    note = note_of(model, head, 9, tokens, sample=1)
    near(note.written, heads_apart(model, kept[f"{head.layer}.z"], head.layer)[1, 9, head.head], 1e-12)
    near(note.source_writes.sum(0), note.written)
    assert note.remainder.abs().max() < 1e-9
    shares = [note.share(part) for part in note.parts]
    assert sum(share for share in shares if share is not None) == pytest.approx(1, abs=1e-9)
    before = kept[f"{head.layer}.resid_pre"][1, 9]
    assert note.projection == pytest.approx(float(note.written @ before / before.norm()))
    assert note.norm_after == pytest.approx(float((before + note.written).norm()))


@pytest.mark.parametrize(("kind", "changes"), [s for s in SHAPES if "llama" not in s[0] and "neox" not in s[0]])
def test_that_a_match_is_a_query_of_tokens_against_the_note(kind: str, changes: dict[str, Any]) -> None:
    model, reader = random_model(kind, **changes), HeadRef(1, 3)
    note = note_of(model, HeadRef(0, 1), 9, random_tokens(model))
    attention, norm = model.layers[1].attention, model.layers[1].norm_1
    group = 4 // model.config.kv_heads
    W_Q = attention.W_Q[:, 18:24]
    W_K = attention.W_K[:, 6 * (3 // group) : 6 * (3 // group) + 6]

    def read(x: Tensor, weight: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True) if norm.kind == "layer" else x
        return (x if norm.kind == "none" else x * norm.weight) @ weight

    expected = read(model.W_E, W_Q) @ read(note.written, W_K) / 6**0.5
    naming = named_by_match(model, note, reader)
    near(naming.scores, expected, 1e-10)
    assert naming.best == int(expected.argmax())
    assert [naming.rank(token) for token in expected.argsort(descending=True).tolist()] == list(range(1, 20))


@pytest.mark.parametrize("kind", ["llama-like", "neox-like"])
def test_that_a_rotary_match_turns_by_the_distance(kind: str) -> None:
    """The key turned by -5 is what query 7 positions and key 2 positions on would see."""
    model, reader = random_model(kind), HeadRef(1, 3)
    note = note_of(model, HeadRef(0, 1), 9, random_tokens(model))
    with pytest.raises(ValueError, match="give the offset"):
        named_by_match(model, note, reader)
    weights = Weights(model).head(reader)
    query, key = model.W_E @ weights.W_Q, (note.written @ weights.W_K)[None]

    def turned(x: Tensor, place: int) -> Tensor:
        return Rotation(model.config, torch.tensor([[place]]), x).turn(x[None, None])[0, 0]

    expected = (turned(query, 7) @ turned(key, 2).T)[:, 0] / 6**0.5
    near(named_by_match(model, note, reader, offset=5).scores, expected, 1e-10)
    assert (named_by_match(model, note, reader, offset=0).scores - expected).abs().max() > 0.01


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
def test_that_likeness_is_the_cosine_with_what_a_token_alone_would_write(kind: str, changes: dict[str, Any]) -> None:
    model, head = random_model(kind, **changes), HeadRef(0, 1)
    note = note_of(model, head, 9, random_tokens(model))
    attention, norm = model.layers[0].attention, model.layers[0].norm_1
    shared = 1 // (4 // model.config.kv_heads)
    x = model.W_E - model.W_E.mean(-1, keepdim=True) if norm.kind == "layer" else model.W_E
    x = x if norm.kind == "none" else x * norm.weight
    writes = x @ attention.W_V[:, 6 * shared : 6 * shared + 6] @ attention.W_O[6:12]  # (V, d)
    bias = attention.b_V[6 * shared : 6 * shared + 6] if model.config.attention_bias else torch.zeros(6).double()
    if norm.kind == "layer":
        bias = bias + norm.bias @ attention.W_V[:, 6 * shared : 6 * shared + 6]
    varying = note.written - bias @ attention.W_O[6:12]
    if norm.kind == "layer":
        writes, varying = writes - writes.mean(-1, keepdim=True), varying - varying.mean()
    near(named_by_likeness(model, note).scores, torch.cosine_similarity(writes, varying[None]), 1e-10)


def test_that_a_removed_head_leaves_an_empty_note() -> None:
    model = random_model("absolute-bare")

    def removed(name: str, x: Tensor) -> Tensor:
        return x * (torch.arange(4) > 0)[:, None] if name == "0.z" else x

    note = read_note(Stream(model, everything(model, random_tokens(model), removed)), FIRST, 9)
    assert note.norm == 0
    assert note.share(note.parts.token) is None
    assert note.remainder.norm() > 0.1  # it would have written something
    for naming in (named_by_match(model, note, SECOND), named_by_likeness(model, note)):
        assert naming.best is None and naming.rank(3) is None


def test_that_only_later_heads_read_a_note_and_only_within_the_prompt() -> None:
    model = random_model("absolute-bare")
    note = note_of(model, SECOND, 9, random_tokens(model))
    with pytest.raises(ValueError, match="does not come later"):
        named_by_match(model, note, HeadRef(1, 3))
    with pytest.raises(ValueError, match="outside this prompt of 14"):
        note_of(model, FIRST, 14, random_tokens(model))
