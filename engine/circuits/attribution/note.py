"""What a head wrote at one position, "the note": how large, from where, made of what, and which token it names.

In induction by K-composition the previous-token head's note after A must name A, so that a later A's query finds it;
a pointer's note is made of positions and names no token. A note is read in two ways: as a key, by a later head's QK
circuit with every token of the vocabulary as the query; and by its likeness to what the head writes for each token.

T positions, V vocabulary, d d_model, h d_head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.attribution.stream import FrozenHeads, Parts, Stream, part_taps, split_parts
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.transformer import Rotation, Transformer

NOTHING = 1e-6  # share of the largest possible product that float32 rounding alone can leave


def note_taps(model: Transformer, head: HeadRef) -> frozenset[str]:
    """What a run must keep for this head's notes; memory as for `part_taps` up to its layer."""
    own = {f"{head.layer}.{name}" for name in ("pattern", "norm_1.scale", "v", "z", "resid_pre")}
    return part_taps(model, head.layer) | own


@dataclass(frozen=True)
class Note:
    """What `head` wrote at `position`, and what it is made of.

    `written` (d); `before` (d) is the stream that its layer read. `attention` (T) and `source_writes` (T, d) say from
    where: the latter sum to `written`. `parts` (d each) say from what: token embeddings, absolute positions, biases,
    MLPs; `remainder` (d) is what they leave: rounding, unless the run was meddled with. `constant` (d), a share of the
    bias part, is what the head writes whatever it attends to.
    """

    head: HeadRef
    position: int
    written: Tensor
    before: Tensor
    attention: Tensor
    source_writes: Tensor
    parts: Parts
    constant: Tensor

    @property
    def norm(self) -> float:
        return float(self.written.norm())

    @property
    def norm_before(self) -> float:
        return float(self.before.norm())

    @property
    def norm_after(self) -> float:
        """Of the stream with this note alone added; the other heads of the layer write at the same time."""
        return float((self.before + self.written).norm())

    @property
    def projection(self) -> float | None:
        """The note's signed length along the stream before it: negative where it erases. None on an empty stream."""
        return float(self.written @ self.before) / self.norm_before if self.norm_before else None

    @property
    def remainder(self) -> Tensor:
        return self.written - self.parts.total

    def share(self, portion: Tensor) -> float | None:
        """How much of the note a portion of it (d) is, along the note: shares of all portions sum to 1, and may be
        negative or over 1. None for an empty note."""
        square = float(self.written @ self.written)
        return float(portion @ self.written) / square if square else None


def read_note(stream: Stream, head: HeadRef, position: int) -> Note:
    """What a head wrote at a position of a run that kept `note_taps`. Memory that of `split_parts`, and T d.

    Raises ValueError for a position outside the prompt.
    """
    before = stream.tap(f"{head.layer}.resid_pre")  # (T, d)
    if not 0 <= position < len(before):
        raise ValueError(f"position {position} is outside this prompt of {len(before)} tokens")
    kept = stream.alone()
    heads = FrozenHeads(stream.model, kept, head.layer)
    W_O = heads.W_O[head.head]  # (h, d)
    origins = next(islice(split_parts(stream.model, kept), head.layer, None))
    token, place, bias, mlp = (heads.move(part)[0, position, head.head] @ W_O for part in origins)  # (d) each
    constant = heads.constant[0, position, head.head] @ W_O  # (d)
    attention = heads.pattern[0, head.head, position]  # (T)
    values = stream.tap(f"{head.layer}.v")[:, head.head]  # (T, h)
    return Note(
        head,
        position,
        written=stream.tap(f"{head.layer}.z")[position, head.head] @ W_O,
        before=before[position],
        attention=attention,
        source_writes=attention[:, None] * (values @ W_O),
        parts=Parts(token, place, bias + constant, mlp),
        constant=constant,
    )


@dataclass(frozen=True)
class Naming:
    """How each token of the vocabulary answers to a note: `scores` (V), the higher the better, NaN where undefined."""

    scores: Tensor

    @property
    def best(self) -> int | None:
        """The token that the note names; None where it names none, because every token answers alike."""
        return int(self.scores.nan_to_num(-math.inf).argmax()) if self._tells() else None

    def rank(self, token: int) -> int | None:
        """The place of a token among all, 1 the best; ties count against it. None where nothing tells them apart."""
        own = self.scores[token]
        return int((self.scores >= own).sum()) if self._tells() and not own.isnan() else None

    def _tells(self) -> bool:
        known = self.scores[~self.scores.isnan()]
        return len(known) > 0 and bool(known.max() > known.min())


def named_by_match(
    model: Transformer, note: Note, reader: HeadRef, offset: int | None = None, embedding: Tensor | None = None
) -> Naming:
    """The score that a later head gives the note as a key, with each token's embedding as the query; memory 2 V.

    `embedding` (n, d) are chosen tokens' rows, effective ones for example; None is W_E.

    No positions take part, save that with rotary ones `offset` (query minus key position, e.g. that of the token's next
    occurrence) is needed. Norm weights are folded, the norms' scales left out (the key's one changes no rank).
    Raises ValueError for a reader that does not come after the head, or a missing offset.
    """
    if reader.layer <= note.head.layer:
        raise ValueError(f"head {reader} cannot read what head {note.head} wrote: its layer does not come later")
    weights, tokens = Weights(model).head(reader), model.W_E if embedding is None else embedding
    key = note.written @ weights.W_K  # (h)
    if model.config.positions == "rotary":
        if offset is None:
            raise ValueError("with rotary positions a match depends on the distance: give the offset of the query")
        key = Rotation(model.config, torch.tensor([[-offset]]), key).turn(key[None, None, None])[0, 0, 0]  # (h)
    root = math.sqrt(model.config.d_head)
    limit = tokens.norm(dim=-1) * weights.W_Q.norm() * weights.W_K.norm() * note.norm / root  # (V)
    scores = tokens @ (weights.W_Q @ key) / root  # (V)
    return Naming(scores.where(scores.abs() > NOTHING * limit, 0.0))


def named_by_likeness(model: Transformer, note: Note, embedding: Tensor | None = None) -> Naming:
    """The cosine of the note with x_A W_V W_O, what its head writes for each token A's embedding; V h in portions.

    `embedding` as for `named_by_match`.

    The value bias (`constant`) is taken off first, and with LayerNorm the mean, which no reader sees. Cosines are NaN
    for an empty note and for tokens for which the head writes nothing.
    """
    weights = Weights(model).head(note.head)
    direction = note.written - note.constant  # (d)
    direction = direction - direction.mean() if model.config.norm == "layer" else direction  # as folded W_O is
    answers, gram = weights.W_O @ direction, weights.W_O @ weights.W_O.T  # (h), (h, h)
    tokens = model.W_E if embedding is None else embedding
    step = budget.portion(3 * answers.nbytes, len(tokens))
    cosines = []
    for block in tokens.split(step):
        reads = block @ weights.W_V  # (n, h)
        norms = ((reads @ gram) * reads).sum(-1).clamp(min=0).sqrt()  # (n)
        limit = block.norm(dim=-1) * weights.W_V.norm() * weights.W_O.norm()  # (n)
        norms = norms.where(norms > NOTHING * limit, torch.nan)
        cosines.append(reads @ answers / (norms * direction.norm()))  # (n)
    return Naming(torch.cat(cosines))
