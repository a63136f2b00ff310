"""The page of one head in words and rows: two readings of every score, removal, circuits, text."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.model.config import HeadRef
from engine.work.circuit_results import Composition, Firings, HeadStudy
from engine.work.requests import Pair, PairKind
from engine.work.results import Analysis, HeadScores, RoleScores
from gui.numbers import percent
from gui.widgets.bar_list import BarRow
from gui.widgets.token_text import spoken
from gui.wording import NOT_MEASURED, number, probe

APART = 0.3  # two readings of a score that differ by more are said to disagree
NAMES = {"induction": "induction", "previous_token": "previous", "duplicate_token": "same token"}
KINDS: tuple[PairKind, ...] = ("q", "k", "v")
MOST_OFFSETS = 8
MOST_NEAR = 2  # of each kind and direction


def score_rows(row: HeadScores | None, here: HeadScores | None, scores: RoleScores | None) -> list[BarRow]:
    """A bar for each score on random repeats, with the prompt's beside it."""
    if row is None or scores is None:
        return []
    rows = []
    for name, label in NAMES.items():
        value, there = getattr(row, name), None if here is None else getattr(here, name)
        places = sorted((getattr(other, name) or 0.0 for other in scores.heads), reverse=True)
        rank = places.index(value or 0.0) + 1
        tip = f"{label} {number(value)}, {rank} of {len(places)} heads; chance {number(row.chance)}; {probe(scores)}"
        tip += f"; on this prompt {number(there) if there is not None else NOT_MEASURED}"
        rows.append(BarRow(label, value or 0.0, f"{number(value)} ({rank} of {len(places)})", there, tip=tip))
    return rows


def disagreement(row: HeadScores | None, here: HeadScores | None) -> str:
    """Which readings differ between random repeats and this prompt."""
    if row is None or here is None:
        return ""
    apart = [
        f"{label} {number(getattr(row, name))} on random repeats, {number(getattr(here, name))} here"
        for name, label in NAMES.items()
        if _far(getattr(row, name), getattr(here, name))
    ]
    return f"The two readings disagree: {'; '.join(apart)}." if apart else ""


def _far(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) > APART


def removal_words(study: HeadStudy | None, row: HeadScores | None) -> str:
    """What zero ablation does here and on random repeats."""
    there = row.ablation_delta_loss if row is not None else None
    repeats = NOT_MEASURED if there is None else f"{number(there, signed=True)} nats"
    if study is None:
        return f"Second copy of random repeats: {repeats}."
    rise = NOT_MEASURED if study.loss_rise is None else f"{number(study.loss_rise, signed=True)} nats a token"
    chance = f"{percent(study.best.value)} → {percent(study.chance_without)}"
    return f"Chance of {spoken(study.best.text)} {chance}; loss of this prompt {rise}, of random repeats {repeats}."


def copying_words(study: HeadStudy | None) -> str:
    """How near its OV circuit comes to copying."""
    if study is None:
        return ""
    ov = study.ov
    score = NOT_MEASURED if ov.copying is None else number(ov.copying, signed=True)
    positive = int((ov.eigenvalues.real > 0).sum())
    rates = f"top-1 {NOT_MEASURED}"
    if ov.top1 is not None and ov.top5 is not None:
        rates = f"the token itself is raised most for {percent(ov.top1)}, among five for {percent(ov.top5)}"
    source = "read off the run's stream" if ov.from_stream else "read off token embeddings"
    return (
        f"Copying {score}: {positive} of {len(ov.eigenvalues)} eigenvalues have a positive real part; {rates} of "
        f"{ov.n_tokens:,} tokens. Below, {source}."
    )


def looks_for_words(study: HeadStudy | None, analysis: Analysis) -> str:
    """What positions, distances and token embeddings by themselves make it attend to."""
    if study is None:
        return ""
    parts = []
    if study.positional is not None:
        stripe = float(np.diagonal(study.positional, -1).mean()) if len(study.positional) > 1 else math.nan
        parts.append(f"Positions alone give the token before {number(stripe)} of the attention")
    if study.by_offset is not None:
        parts.append(f"By distance alone it likes a key {int(study.by_offset.argmax())} back best")
    scores = study.token_scores
    if len(scores) > 1:
        row = scores[-1, :-1]
        best = int(np.nanargmax(row))
        here, there = spoken(analysis.tokens[len(scores) - 1].text), spoken(analysis.tokens[best].text)
        parts.append(f"by token embeddings alone {here} likes {there} best ({number(float(row[best]), signed=True)})")
    return "; ".join(parts) + "."


def offset_rows(by_offset: NDArray[np.float32]) -> list[BarRow]:
    """A bar for each of the first distances, the one liked best marked."""
    shown = by_offset[:MOST_OFFSETS]
    best = int(shown.argmax())
    return [
        BarRow(
            f"{place} back",
            float(value),
            number(float(value), signed=True),
            role="previous" if place == best else "none",
            highlight=place == best,
            tip="Mean score over the prompt's tokens of a key so many places back, by embeddings alone.",
        )
        for place, value in enumerate(shown)
    ]


def neighbours(composition: Composition, head: HeadRef) -> list[tuple[Pair, float]]:
    """The strongest pairs with this head, as reader and as writer, a few of each kind."""
    name = str(head)
    found: list[tuple[Pair, float]] = []
    for kind in KINDS:
        table = composition.kinds[kind].fraction
        into = [
            (Pair(writer, name, kind), float(table[row, composition.columns[name]]))
            for row, writer in enumerate(composition.writers)
            if composition.head_rows[row]
        ]
        out_of = [
            (Pair(name, reader, kind), float(table[composition.rows[name], column]))
            for column, reader in enumerate(composition.readers)
        ]
        for side in (into, out_of):
            known = [item for item in side if math.isfinite(item[1])]
            found += sorted(known, key=lambda item: -item[1])[:MOST_NEAR]
    return sorted(found, key=lambda item: -item[1])[: 3 * MOST_NEAR]


def _marked(text: str, marks: str) -> str:
    """The word between two marks, its leading space before them."""
    word = text.lstrip(" ")
    return f"{text[: len(text) - len(word)]}{marks[0]}{word}{marks[1]}"


def firing_words(firings: Firings | None) -> str:
    """The strongest places, what attends between » «, what is attended to between ‹ ›."""
    if firings is None:
        return "reading …"
    if not firings.firings:
        return "This model cannot read the text that ships with the program."
    lines = []
    for one in firings.firings[:5]:
        texts = list(one.texts)
        texts[one.source] = _marked(texts[one.source], "‹›")
        texts[one.destination] = _marked(texts[one.destination], "»«")
        lines.append(f"{number(one.attention)}  {''.join(texts).replace(chr(10), '⏎')}")
    mean = "" if firings.mean is None else f", mean of the strongest {number(firings.mean)}"
    lines.append(f"»who« attends to ‹whom›; {firings.n_tokens:,} tokens of {firings.text}{mean}.")
    return "\n".join(lines)
