"""Which panels a workspace shows, and how they stand when nobody has moved them. Plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """Panels in one place, as tabs where there are several; `share` of the column's height."""

    panels: tuple[str, ...]
    share: int = 1


@dataclass(frozen=True)
class Column:
    """Cells from top to bottom; `share` of the width."""

    cells: tuple[Cell, ...]
    share: int = 1


@dataclass(frozen=True)
class Workspace:
    """An arrangement of the same panels as everywhere, from left to right."""

    name: str
    title: str
    tip: str
    columns: tuple[Column, ...]


EXPLORE = Workspace(
    "explore",
    "Explore",
    "Every head on your prompt, one of them large, and what comes next.",
    (
        Column((Cell(("heads",), 10), Cell(("roles",), 11)), 48),
        Column((Cell(("head",)),), 56),
        Column((Cell(("prediction",), 2), Cell(("interventions",), 1)), 28),
    ),
)
CIRCUIT = Workspace(
    "circuit",
    "Circuit",
    "Which heads feed which: the composition diagram, a pair of heads, and the page of one head.",
    (
        Column((Cell(("diagram",), 3), Cell(("pair",), 2)), 46),
        Column((Cell(("head",), 1), Cell(("matrix",), 1)), 30),
        Column((Cell(("page",)),), 34),
    ),
)
EVIDENCE = Workspace(
    "evidence",
    "Evidence",
    "Why a head looks where it looks, why a token is predicted, and what happens when one meddles with it.",
    (
        Column((Cell(("head",), 1), Cell(("attention",), 1)), 44),
        Column((Cell(("logits",)),), 40),
        Column((Cell(("interventions",), 1), Cell(("sweep",), 1)), 34),
    ),
)
WALK = Workspace(
    "walkthrough",
    "Walk",
    "How did it know? The two-head circuit on your prompt, step by step, and a verdict that can say no.",
    (Column((Cell(("walk",)),), 68), Column((Cell(("verdict",)),), 32)),
)
LESSONS = Workspace(
    "lessons",
    "Lessons",
    "The ideas one by one, each with a link to where it can be seen, and experiments to guess at.",
    (
        Column((Cell(("reader",)),), 40),
        Column((Cell(("gallery",)),), 46),
        Column((Cell(("head",), 1), Cell(("prediction",), 1)), 34),
    ),
)
EMERGENCE = Workspace(
    "emergence",
    "Emergence",
    "How the circuit formed: one slider through the checkpoints of a training run, and every panel follows.",
    (
        Column((Cell(("timeline", "live")),), 46),
        Column((Cell(("heads",), 1), Cell(("diagram",), 1)), 44),
        Column((Cell(("prediction",), 3), Cell(("interventions",), 2)), 30),
    ),
)
WORKSPACES = {workspace.name: workspace for workspace in (EXPLORE, CIRCUIT, EVIDENCE, WALK, LESSONS, EMERGENCE)}
