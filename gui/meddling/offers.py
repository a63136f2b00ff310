"""What can be done to a head, an edge, a position or a cell: the one list behind context menus and the key M.

Pure: an offer holds the intervention that it would add; without one it says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.circuits.interventions.values import (
    Ablate,
    ChangePositions,
    Forbid,
    ForcePattern,
    Intervention,
    KeepOnly,
    MoveNote,
    Part,
    PatchPath,
    ScrambleOV,
    Swap,
    Swapped,
)
from engine.model.config import HeadRef
from engine.work.requests import Pair
from gui.meddling import painting
from gui.state import ExplorerState
from gui.widgets.token_text import spoken

NEEDS_PROMPT_B = "Put a prompt B of as many tokens beside this one first (Ctrl+K)."
TOO_LONG = f"Patterns are painted on prompts of up to {painting.LONGEST} tokens."
PARTS: dict[Part, str] = {"q": "queries", "k": "keys", "v": "values"}
SWAPS: dict[Swapped, str] = {
    "z": "output",
    "q": "queries",
    "k": "keys",
    "v": "values",
    "pattern": "attention pattern",
}


@dataclass(frozen=True)
class Place:
    """What is to be meddled with: a pair of heads, a cell (token and source), a position (token), and a head."""

    head: HeadRef | None = None
    token: int | None = None
    source: int | None = None
    pair: Pair | None = None


@dataclass(frozen=True)
class Offer:
    """One entry; offers of one `group` stand together under its name. `tip` says more, or why there is no `value`."""

    group: str
    text: str
    value: Intervention | None
    tip: str = ""


def place_of(state: ExplorerState) -> Place:
    """What the pointer is on; without a pointer what is pinned, the most particular first."""
    hover, pinned = state.hover, state.selection
    if hover.pair is not None or (hover.head is not None and hover.token is None):
        return Place(head=hover.head, pair=hover.pair)
    if hover.token is not None:
        return Place(head=hover.head or state.held_head, token=hover.token, source=hover.source)
    return Place(head=state.held_head, token=pinned.token, source=pinned.source, pair=pinned.pair)


def offers(place: Place, state: ExplorerState) -> list[Offer]:
    """Everything that can be done there, the most particular first."""
    found: list[Offer] = []
    if place.pair is not None and place.pair.kind in PARTS and len(place.pair.heads) == 2:
        found += _pair_offers(place.pair, state)
    if place.head is not None and place.token is not None and place.source is not None:
        found += _cell_offers(place.head, place.token, place.source, state)
    if place.head is not None and place.token is not None:
        found += _position_offers(place.head, place.token, state)
    heads = place.pair.heads if place.pair is not None else ()
    for head in dict.fromkeys((*heads, *((place.head,) if place.head is not None else ()))):
        found += _head_offers(head, state)
    return found


def _pair_offers(pair: Pair, state: ExplorerState) -> Iterator[Offer]:
    writer, reader = pair.heads
    group, words = f"{writer} → {reader}", PARTS[_part(pair)]
    other = state.selection.other
    path = PatchPath((writer,), reader, _part(pair), other) if other else None
    tip = f"The {words} of {reader} read {writer} as on prompt B; everything else stays."
    yield Offer(group, f"Patch this path from prompt B, by the {words}", path, tip if other else NEEDS_PROMPT_B)
    if pair.kind == "k":
        yield _moved_note(group, writer, reader, state)
    keep = KeepOnly((writer, reader))
    yield Offer(group, "Keep only these two heads", keep, "The complement test: is the pair enough by itself?")


def _part(pair: Pair) -> Part:
    return {"q": "q", "k": "k"}.get(pair.kind, "v")  # type: ignore[return-value]  # kinds of pairs of heads


def _moved_note(group: str, writer: HeadRef, reader: HeadRef, state: ExplorerState) -> Offer:
    """Where the earlier copy of the token is known, its note stands right behind it."""
    behaviour, text = state.findings.behaviour, "Move the note one token on"
    earlier = behaviour.earlier[-1] if behaviour is not None and behaviour.earlier else None
    if behaviour is None or earlier is None or earlier + 2 >= behaviour.destination:
        return Offer(group, text, None, "There is no earlier copy of this token with room behind it.")
    move = MoveNote((writer,), (reader,), earlier + 1, earlier + 2)
    tip = f"The keys of {reader} find at {earlier + 2} what {writer} wrote at {earlier + 1}, and the other way round."
    return Offer(group, f"{text}: {earlier + 1} to {earlier + 2}", move, tip)


def _cell_offers(head: HeadRef, token: int, source: int, state: ExplorerState) -> Iterator[Offer]:
    group = f"{head}, {_named(token, state)} → {_named(source, state)}"
    pattern = state.findings.pattern_of(head)
    if source > token or pattern is None or token >= len(pattern):
        return
    fits = len(pattern) <= painting.LONGEST
    alone = painting.painted(head, painting.only(pattern, (token, source))) if fits else None
    never = painting.painted(head, painting.brushed(pattern, [(token, source)], 0.0)) if fits else None
    tip = "The other rows stay as they are now." if fits else TOO_LONG
    yield Offer(group, "Look here only", alone, tip)
    yield Offer(group, "Never look here", never, tip if not fits else "The rest of the row is brought back to 1.")


def _position_offers(head: HeadRef, token: int, state: ExplorerState) -> Iterator[Offer]:
    group, at, other = f"{head} at {_named(token, state)}", (token,), state.selection.other
    yield Offer(group, "Remove it at this token only", Ablate((head,), positions=at), "Elsewhere it goes on.")
    yield Offer(group, "Replace it by its mean here", Ablate((head,), positions=at, kind="mean"))
    swap = Swap("z", (head,), other, at) if other else None
    yield Offer(group, "Its output here from prompt B", swap, "Activation patching." if other else NEEDS_PROMPT_B)


def _head_offers(head: HeadRef, state: ExplorerState) -> Iterator[Offer]:
    group = f"Head {head}"
    yield Offer(group, "Remove it", Ablate((head,)), "It writes nothing (R does the same).")
    yield Offer(group, "Replace it by its mean", Ablate((head,), kind="mean"), "Over 32 random prompts.")
    yield Offer(group, "Take it from random prompts", Ablate((head,), kind="resample"), "Resample ablation.")
    kept = "Remove it, keep all patterns", "Only what travels through values is lost (pattern-preserving ablation)."
    yield Offer(group, kept[0], Ablate((head,), preserve="pattern"), kept[1])
    kept = "Remove it, keep all values", "Only what later heads attend to may change (value-preserving ablation)."
    yield Offer(group, kept[0], Ablate((head,), preserve="value"), kept[1])
    yield Offer(group, "Keep this head only", KeepOnly((head,)), "Every other head is removed.")
    attends = f"{group} attends to"
    yield Offer(attends, "the token before", ForcePattern(head, "previous"))
    yield Offer(attends, "what followed before", ForcePattern(head, "induction"), "As a perfect induction head.")
    yield Offer(attends, "all tokens alike", ForcePattern(head, "uniform"))
    yield Offer(attends, "random tokens", ForcePattern(head, "random"))
    yield Offer(attends, "not the token before", Forbid((head,)), "The rest of each row shares what was there.")
    circuits = f"{group} circuits"
    yield Offer(circuits, "Scramble what it copies", ScrambleOV(head), "A random rotation between W_V and W_O.")
    positions = ChangePositions("remove", heads=(head,))
    yield Offer(
        circuits,
        "Take positions from its queries and keys",
        positions,
        "It sees tokens, and no longer where they stand.",
    )
    yield from _swaps(head, state)


def _swaps(head: HeadRef, state: ExplorerState) -> Iterator[Offer]:
    other, group = state.selection.other, f"Head {head} from prompt B"
    for part, words in SWAPS.items():
        value = Swap(part, (head,), other) if other else None
        yield Offer(group, f"Its {words}", value, "Activation patching." if other else NEEDS_PROMPT_B)


def _named(position: int, state: ExplorerState) -> str:
    analysis = state.findings.analysis
    if analysis is None or position >= len(analysis.tokens):
        return str(position)
    return f"{spoken(analysis.tokens[position].text)} ({position})"
