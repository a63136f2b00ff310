"""The ideas behind the program, one short paragraph each, and where each can be seen (resources/reader/ideas.json).

Departures from the text that the program follows are marked, with what was measured instead; the figures stand in
docs/experiments.md and docs/default-model.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_IDEAS = Path(__file__).resolve().parents[2] / "resources" / "reader" / "ideas.json"


@dataclass(frozen=True)
class Link:
    """Where a paragraph leads: a workspace, and what is shown there. Empty fields leave things as they are."""

    words: str
    workspace: str = ""
    panel: str = ""
    step: str = ""  # of the walk
    experiment: str = ""
    model: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Paragraph:
    """`says` is what the text says where it departs from what is true, `measured` what was found; `departs` are the
    numbers of the departures that this settles."""

    title: str
    text: str
    link: Link
    says: str = ""
    measured: str = ""
    departs: tuple[int, ...] = ()


def _read() -> tuple[Paragraph, ...]:
    rows = json.loads(_IDEAS.read_text(encoding="utf-8"))
    return tuple(
        Paragraph(**{**row, "link": Link(**row["link"]), "departs": tuple(row.get("departs", ()))}) for row in rows
    )


PARAGRAPHS = _read()
