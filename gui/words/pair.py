"""A pair of heads in words: how far its composition stands out, what its paths carry, and how to pin one."""

from __future__ import annotations

from engine.work.circuit_results import Composition, PairFigures, PathEffect, PathProof, VirtualHead
from engine.work.requests import Pair, PairKind
from engine.work.results import Analysis
from gui.numbers import percent
from gui.widgets.pair_table import PairRow
from gui.widgets.token_text import spoken, visible
from gui.wording import NOT_MEASURED, number

HOW_TO_PIN = "Click an edge of the diagram or a cell of the matrix to pin a pair of heads."
NO_PAIRS = "This model has no pair of heads that could compose: it takes two layers."
END_TROUBLE = "The ends of the stream are no heads: path patching is for pairs of heads."
READS = {"q": "queries", "k": "keys", "v": "values", "unembed": "logits"}
KINDS: tuple[PairKind, ...] = ("q", "k", "v")
LEAST = 0.05  # of the ceiling: what is under it is not suggested


def pair_rows(pair: Pair, composition: Composition | None, proof: PathProof | None) -> list[PairRow]:
    """One row for each kind of composition of two heads, as far as it is measured."""
    rows = []
    for kind in KINDS:
        figures = None if composition is None else composition.figures(Pair(pair.writer, pair.reader, kind))
        effect, control, restored = _measured(proof, kind)
        rows.append(
            PairRow(
                kind,
                used=effect,
                control=control,
                restored=restored,
                possible=None if figures is None else figures.fraction,
                used_text=NOT_MEASURED if effect is None else share_words(effect),
                possible_text=NOT_MEASURED if figures is None else f"{figures.fraction:.2f}",
                figures=figures_words(figures),
                tip="\n".join([figures_words(figures), *path_words(proof, kind)]),
            )
        )
    return rows


def figures_words(figures: PairFigures | None) -> str:
    """Every number of one kind of composition."""
    if figures is None:
        return f"composition {NOT_MEASURED}"
    z = f"z {NOT_MEASURED}" if figures.z != figures.z else f"z {number(figures.z, signed=True)}"
    rank = "" if figures.rank is None else f" · rank {figures.rank:,} of {figures.of:,}"
    return f"score {figures.score:.3f} · random {figures.baseline:.3f} · {z} · ceiling {figures.ceiling:.3f}{rank}"


def path_words(proof: PathProof | None, kind: PairKind) -> list[str]:
    """Everything that was patched for one kind, a line each."""
    if proof is None:
        return []
    lines = [f"Exact path patching of {proof.writer} into {proof.reader}'s {READS[kind]}"]
    others = f"control: the other heads of layer {proof.writer.layer}"
    for name, effects in ((str(proof.writer), proof.effects), (others, proof.control)):
        for one in (one for one in effects if one.kind == kind):
            value = NOT_MEASURED if one.value is None else share_words(one.value)
            ends = f"clean {number(one.clean)}, corrupt {number(one.corrupt)}"
            lines.append(f"{name}, {one.direction}, {one.metric}: {value} of the way ({ends})")
    return lines


def share_words(value: float) -> str:
    return percent(value) if value >= 0 else f"−{percent(-value)}"


def how_words(proof: PathProof) -> str:
    """What the bars, the thin bars and the ticks are."""
    others = f"thin: the other heads of layer {proof.writer.layer} instead; " if proof.control else ""
    return (
        f"Used: how far its attention goes with the path to that of the corrupt run, {proof.how}; {others}"
        "tick: what the clean path alone brings back. Possible: share of the ceiling, from weights."
    )


def virtual_words(found: VirtualHead, analysis: Analysis, place: int) -> str:
    """Where two heads look as one, and what their values would carry."""
    source = int(found.pattern[place].argmax())
    here, there = (spoken(analysis.tokens[at].text) for at in (place, source))
    moves = ", ".join(visible(one.text) for one in found.ov.moves[source].promotes[:3])
    lowers = ", ".join(visible(one.text) for one in found.ov.moves[source].suppresses[:3])
    copying = NOT_MEASURED if found.ov.copying is None else number(found.ov.copying, signed=True)
    return (
        f"Pattern product: from {here} to {there} ({source}) with {number(float(found.pattern[place, source]))}.\n"
        f"OV product on {there}: would raise {moves} and lower {lowers}; copying by eigenvalues {copying}.\n"
        "It acts only as far as the pair is used through values."
    )


def strongest(composition: Composition) -> list[tuple[Pair, PairFigures]]:
    """For each kind the pair of heads that comes nearest to its ceiling, the nearest first."""
    found = []
    for kind in KINDS:
        pair = _strongest(composition, kind)
        figures = None if pair is None else composition.figures(pair)
        if pair is not None and figures is not None and figures.fraction >= LEAST:
            found.append((pair, figures))
    return sorted(found, key=lambda one: -one[1].fraction)


def _strongest(composition: Composition, kind: PairKind) -> Pair | None:
    fraction = composition.kinds[kind].fraction
    best, found = 0.0, None
    for row, writer in enumerate(composition.writers):
        if not composition.head_rows[row]:
            continue
        for column, reader in enumerate(composition.readers):
            value = float(fraction[row, column])
            if value > best:
                best, found = value, Pair(writer, reader, kind)
    return found


def _measured(proof: PathProof | None, kind: PairKind) -> tuple[float | None, float | None, float | None]:
    """Of the attention: what goes with the path, with the control's, and what the clean path brings back."""
    if proof is None:
        return None, None, None
    return (
        _value(proof.effects, kind, "noising"),
        _value(proof.control, kind, "noising"),
        _value(proof.effects, kind, "denoising"),
    )


def _value(effects: tuple[PathEffect, ...], kind: PairKind, direction: str) -> float | None:
    found = (one.value for one in effects if (one.kind, one.direction, one.metric) == (kind, direction, "attention"))
    return next(found, None)
