"""What the command line needs Qt for: pictures of the window or of one of its views, without a display."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.model.config import HeadRef
from engine.work.requests import Pair, PairKind, Prompt
from engine.work.results import Analysis
from gui.export import Drawing, save_figure
from gui.provenance import provenance_of
from gui.state import exists
from gui.studio import Studio
from gui.workspaces import WORKSPACES

PANEL_VIEWS = sorted(
    {name for one in WORKSPACES.values() for column in one.columns for cell in column.cells for name in cell.panels}
)
VIEWS = ("window", *WORKSPACES, "tokens", *PANEL_VIEWS)
KINDS: dict[str, PairKind] = {"q": "q", "k": "k", "v": "v"}
ENDINGS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Pins:
    """What `--select` asks for."""

    head: HeadRef | None = None
    token: int | None = None
    pair: Pair | None = None
    chart: str = ""

    @classmethod
    def parse(cls, text: str) -> Pins:
        """Read `head=1.3,token=13,pair=0.2>1.0:k,chart=Seeds`. Raises ValueError with a line for the user."""
        found: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = part.partition("=")
            if name not in ("head", "token", "pair", "chart") or not equals:
                raise ValueError(f"--select is written head=1.3,token=13,pair=0.2>1.0:k,chart=Seeds, not {text[:60]!r}")
            found[name] = value
        token = found.get("token")
        if token is not None and not token.isdecimal():
            raise ValueError(f"a token is chosen by its position, a whole number, not {token[:20]!r}")
        head = HeadRef.parse(found["head"]) if "head" in found else None
        pair = _pair(found["pair"]) if "pair" in found else None
        return cls(head, int(token) if token is not None else None, pair, found.get("chart", ""))

    def check(self, analysis: Analysis) -> None:
        """Raises ValueError when the model or the prompt has no such place."""
        if self.head is not None and not exists(self.head, analysis):
            size = f"{analysis.model.layers} layers of {analysis.model.heads} heads"
            raise ValueError(f"there is no head {self.head}: the model has {size}, counted from 0")
        for end in self.pair.heads if self.pair is not None else ():
            if not exists(end, analysis):
                raise ValueError(f"there is no head {end} to pin a pair with in this model")
        if self.token is not None and self.token >= len(analysis.tokens):
            raise ValueError(f"there is no token {self.token}: the last one is {len(analysis.tokens) - 1}")


def _pair(text: str) -> Pair:
    """Read `0.2>1.0:k`. Raises ValueError with a line for the user."""
    writer, arrow, rest = text.partition(">")
    reader, colon, kind = rest.partition(":")
    if not (arrow and colon) or kind not in KINDS:
        raise ValueError(f"a pair is written 0.2>1.0:k, with q, k or v, not {text[:40]!r}")
    return Pair(str(HeadRef.parse(writer)), str(HeadRef.parse(reader)), KINDS[kind])


def list_views() -> tuple[str, ...]:
    """The names that `render --view` takes."""
    return VIEWS


def render(
    model: str,
    prompt: str,
    view: str | None,
    select: str,
    size: tuple[int, int],
    theme: Literal["dark", "light"],
    out: str,
    corrupt: str | None = None,
) -> int:
    """Draw a view into a PNG or SVG file. Raises ValueError or OSError, in one line, on bad input."""
    name, path, pins = view or "window", Path(out), Pins.parse(select)
    if name not in VIEWS:
        raise ValueError(f"there is no view {name[:40]!r}, only {', '.join(VIEWS)}")
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"a picture is written as .png, .svg or .pdf, not as {path.name!r}")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from gui.app import make_application  # imported here: app itself draws through this module when it has no display

    make_application()
    studio = Studio(theme, size)
    try:
        analysis = studio.show(model, Prompt(prompt))
        pins.check(analysis)
        studio.bring(name)
        studio.state.select(head=pins.head, token=pins.token, pair=pins.pair, chart=pins.chart, other=corrupt)
        studio.settle()
        problem = studio.state.findings.other_problem
        if problem is not None:
            raise ValueError(problem.title)
        save_figure(Drawing.of(studio.view(name, size)), path, provenance=provenance_of(studio.state))
    finally:
        studio.close()
    return 0


def bench(only: Sequence[str]) -> dict[str, Any]:
    """The timings that need Qt, all or those named. Raises ValueError on a name that is not measured."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from gui.bench import run  # numbers and pyqtgraph are loaded for this only

    return run(only)
