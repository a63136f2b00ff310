"""Is the shift by one where the note is written? Move the note, on its own edge, and see whether attention follows.

k is the earlier copy of the query's token. In induction by K-composition the note "my previous token was A" stands at
k + 1 and is read by a later head's keys; in a pointer circuit the note "it stood at k" is read by that head's query.
Only what the one receiver reads is changed, its norm recomputed: values, other heads and the stream stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.circuits.interventions.edges import HeadInput, PatchInputs, check, outputs, received
from engine.circuits.interventions.transplants import note_moved
from engine.circuits.interventions.values import Part
from engine.circuits.interventions.variants import Walk, repeated, widened
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.transformer import Transformer

Change = Callable[[dict[str, Tensor], Tensor], Tensor]


@dataclass(frozen=True)
class MovedNote:
    """What the receiver attends to and what is predicted, before and after.

    `positions` are k, k + 1, k + 2; attention (B, 3) is from the query to these; logits (B, V) are those at the query.
    """

    positions: tuple[int, int, int]
    attention_before: Tensor
    attention_after: Tensor
    logits_before: Tensor
    logits_after: Tensor

    @property
    def top_before(self) -> Tensor:
        """(B) token ids."""
        return self.logits_before.argmax(-1)

    @property
    def top_after(self) -> Tensor:
        """(B) token ids."""
        return self.logits_after.argmax(-1)


def moved_note(
    model: Transformer,
    tokens: Tensor,
    senders: Collection[HeadRef],
    receiver: HeadRef,
    k: int,
    query: int,
    to: int | None = None,
    together: Collection[HeadRef] = (),
) -> MovedNote:
    """Swap what the senders together write at k + 1 and at `to` (k + 2 unless told), as the receiver's keys read it.

    tokens (B, T), k and query the same in all rows. Controls: senders that carry no note; `to=k`. `together` are heads
    of the receiver's layer that share its job: their keys read the notes moved as well, and the prediction may follow.
    Raises ValueError where it cannot be measured: k + 2 must stand before the query.
    """
    note, to = k + 1, k + 2 if to is None else to
    _require_room(tokens, k, query, to)

    def swap(kept: dict[str, Tensor], change: Tensor) -> Tensor:
        return note_moved(model, kept, senders, note, to, change)

    return _compared(model, tokens, senders, outputs(senders), _inputs(receiver, together, "k"), swap, k, query)


def moved_pointer(
    model: Transformer,
    tokens: Tensor,
    senders: Collection[HeadRef],
    receiver: HeadRef,
    k: int,
    query: int,
    together: Collection[HeadRef] = (),
) -> MovedNote:
    """At the query, let each sender move k + 1 with the attention it pays to k, as the receiver's query reads it.

    The pointer to k becomes one to k + 1. tokens (B, T); raises ValueError as `moved_note`.
    """
    _require_room(tokens, k, query, k + 1)

    def shift(kept: dict[str, Tensor], change: Tensor) -> Tensor:
        for layer, head in senders:
            paid = kept[f"{layer}.pattern"][:, head, query, k, None]  # (B, 1)
            values = kept[f"{layer}.v"][:, :, head]  # (B, T, h)
            W_O = Weights(model, folded=False).head(HeadRef(layer, head)).W_O  # (h, d)
            change[:, query] += paid * (values[:, k + 1] - values[:, k]) @ W_O
        return change

    names = frozenset(f"{layer}.{name}" for layer, _ in senders for name in ("pattern", "v"))
    return _compared(model, tokens, senders, names, _inputs(receiver, together, "q"), shift, k, query)


def _inputs(receiver: HeadRef, together: Collection[HeadRef], part: Part) -> list[HeadInput]:
    """The receiver first. Raises ValueError for heads of another layer, which would read a run already changed."""
    others = [head for head in together if head != receiver]
    if any(head.layer != receiver.layer for head in others):
        raise ValueError(f"a note is moved for heads of one layer together: those of layer {receiver.layer}")
    return [HeadInput(head, part) for head in (receiver, *others)]


def _require_room(tokens: Tensor, k: int, query: int, to: int) -> None:
    if not 0 <= k < query < tokens.shape[1] or to < 0:
        raise ValueError(f"the earlier copy ({k}) must stand before the query ({query}), and both in the prompt")
    if max(k + 2, to) >= query:
        raise ValueError(f"not measured: the note would move to {max(k + 2, to)} and the query stands at {query}")


def _compared(
    model: Transformer,
    tokens: Tensor,
    senders: Collection[HeadRef],
    names: frozenset[str],
    receivers: Sequence[HeadInput],
    change: Change,
    k: int,
    query: int,
) -> MovedNote:
    """The run as it is and with a change on the receiver's edge, as two variants; `names` are what the change needs."""
    receiver = receivers[0]
    for sender in senders:
        check(model.config, [sender], receivers)
    pattern = f"{receiver.head.layer}.pattern"
    walk = Walk(model, tokens, names | {pattern}).to(receiver.head.layer)
    moved = change(walk.kept, torch.zeros_like(walk.stream))  # (B, T, d)
    changes = torch.cat((torch.zeros_like(moved), moved))  # (2B, T, d)
    stream, frame = repeated(walk.stream, 2), widened(walk.frame, 2)
    patch = PatchInputs({each: received(model, each, stream, changes, frame) for each in receivers})
    run = walk.branch(stream, patch)
    attention = run.kept[pattern][:, receiver.head.head, query, k : k + 3]  # (2B, 3)
    logits = run.final[:, query] @ model.unembedding  # (2B, V)
    return MovedNote((k, k + 1, k + 2), *attention.chunk(2), *logits.chunk(2))
