"""What a line of typing may mean: a command, a head, heads by a score, pairs by composition. Pure; runs nothing."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.model.config import HeadRef
from engine.work.circuit_results import Composition
from engine.work.requests import Pair
from engine.work.results import HeadScores
from gui.findings import Findings
from gui.roles import role_of

MOST = 24
SCORES = {
    "induction": "induction",
    "previous": "previous_token",
    "duplicate": "duplicate_token",
    "copying": "copying_eigenvalue",
    "removed": "ablation_delta_loss",
}
TESTS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
COMPARED = re.compile(rf"({'|'.join(SCORES)})\s*(>=|<=|>|<)\s*(-?\d*\.?\d+)")
COMPOSES = re.compile(r"composes with (\d+\.\d+)")
HELP = "try 1.4, induction > 0.4, composes with 0.3, or a word of a command"


@dataclass(frozen=True)
class Entry:
    """One line of the list. Exactly one of the three says what choosing it does; none: it is only to be read."""

    title: str
    detail: str = ""
    command: str = ""
    head: HeadRef | None = None
    pair: Pair | None = None


@dataclass(frozen=True)
class Known:
    """A command that can be chosen now: its name, words and key."""

    name: str
    text: str
    tip: str
    key: str


def entries(query: str, commands: Sequence[Known], found: Findings) -> list[Entry]:
    """What fits, the best first; where nothing does, one line that says what can be typed."""
    text = " ".join(query.lower().split())
    compared, composes = COMPARED.fullmatch(text), COMPOSES.fullmatch(text)
    if compared is not None:
        name, test, limit = compared.groups()
        listed = _by_score(SCORES[name], TESTS[test], float(limit), found)
    elif composes is not None:
        listed = _by_composition(composes[1], found.of_model("composition"))
    else:
        listed = [*_heads(text, found), *_commands(text, commands)]
    return listed[:MOST] or [Entry(f"Nothing fits “{query.strip()}”", HELP)]


def _heads(text: str, found: Findings) -> list[Entry]:
    """`1.4` is that head, `1.` every head of layer 1."""
    if found.analysis is None or not re.fullmatch(r"\d+\.\d*", text):
        return []
    model, rows = found.analysis.model, _rows(found)
    heads = [HeadRef(layer, head) for layer in range(model.layers) for head in range(model.heads)]
    return [_entry(head, rows.get(head)) for head in heads if str(head).startswith(text)]


def _by_score(name: str, test: Callable[[float, float], bool], limit: float, found: Findings) -> list[Entry]:
    rows = _rows(found)
    if not rows:
        return [Entry("Head scores are not measured yet", "wait a moment, then type again")]
    known = {head: getattr(row, name) for head, row in rows.items()}
    kept = [(value, head) for head, value in known.items() if value is not None and test(value, limit)]
    return [_entry(head, rows[head], f"{name.replace('_', ' ')} {value:.2f}") for value, head in sorted(kept)[::-1]]


def _by_composition(name: str, composition: Composition | None) -> list[Entry]:
    if composition is None:
        return [Entry("Composition is not measured yet", "Enter shows the circuit, where it is", "workspace.circuit")]
    names = [(one, name) for one in composition.writers] + [(name, one) for one in composition.readers]
    pairs = [Pair(writer, reader, kind) for kind in composition.kinds for writer, reader in names]
    found = ((composition.figures(pair), pair) for pair in pairs if len(pair.heads) == 2)
    measured = [(figures.fraction, pair) for figures, pair in found if figures is not None]
    return [
        Entry(f"{pair.writer} → {pair.reader}, {pair.kind.upper()}", f"{fraction:.2f} of the ceiling", pair=pair)
        for fraction, pair in sorted(measured)[::-1]
    ]


def _commands(text: str, commands: Sequence[Known]) -> list[Entry]:
    """Commands that have every word; those whose name begins so come first."""
    words = text.split()
    fitting = [one for one in commands if all(word in f"{one.text} {one.tip}".lower() for word in words)]
    fitting.sort(key=lambda one: not one.text.lower().startswith(text))
    return [Entry(one.text, one.key or one.tip, command=one.name) for one in fitting]


def _rows(found: Findings) -> dict[HeadRef, HeadScores]:
    scores = found.fitting_scores
    return {row.ref: row for row in scores.heads} if scores is not None else {}


def _entry(head: HeadRef, row: HeadScores | None, detail: str = "") -> Entry:
    return Entry(f"Head {head}", detail or ("" if row is None else role_of(row).title), head=head)
