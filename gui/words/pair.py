"""A pair of heads in words: how far its composition stands out, and how to pin one."""

from __future__ import annotations

from engine.work.circuit_results import Composition, PairFigures
from engine.work.requests import Pair
from gui.wording import NOT_MEASURED, number

HOW_TO_PIN = "Click an edge of the diagram or a cell of the matrix to pin a pair of heads."
READS = {"q": "queries", "k": "keys", "v": "values", "unembed": "logits"}


def figures_words(kind: str, figures: PairFigures | None) -> str:
    """Every number of one kind of composition."""
    if figures is None:
        return f"{kind.upper()}: {NOT_MEASURED}"
    z = NOT_MEASURED if figures.z != figures.z else f"z {number(figures.z, signed=True)}"
    rank = "" if figures.rank is None else f", rank {figures.rank:,} of {figures.of:,}"
    return (
        f"{kind.upper()}: score {figures.score:.3f}, random {figures.baseline:.3f}, {z}; "
        f"ceiling {figures.ceiling:.3f}{rank}"
    )


def strongest(composition: Composition) -> Pair | None:
    """The pair of heads that comes nearest to its ceiling by keys."""
    table = composition.kinds["k"]
    best, found = 0.0, None
    for row, writer in enumerate(composition.writers):
        if not composition.head_rows[row]:
            continue
        for column, reader in enumerate(composition.readers):
            value = float(table.fraction[row, column])
            if value > best:
                best, found = value, Pair(writer, reader, "k")
    return found
