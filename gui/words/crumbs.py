"""What is pinned, as a path: each crumb says one choice and what lets go of all that was chosen after it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gui.state import ExplorerState
from gui.widgets.token_text import spoken

KINDS = {"q": "queries", "k": "keys", "v": "values", "unembed": "logits"}


@dataclass(frozen=True)
class Crumb:
    """`changes` are for `ExplorerState.select`."""

    text: str
    tip: str
    changes: Mapping[str, Any]


def crumbs_of(state: ExplorerState) -> list[Crumb]:
    """Prompt, token, source, head, pair, as far as they are pinned; nothing where nothing is."""
    shown, analysis = state.selection, state.findings.analysis
    if analysis is None:
        return []
    tokens, found = analysis.tokens, list[tuple[str, str]]()
    if shown.token is not None and shown.token < len(tokens):
        found.append(("token", f"{spoken(tokens[shown.token].text)} ({shown.token})"))
    if shown.source is not None and shown.source < len(tokens):
        found.append(("source", f"to {spoken(tokens[shown.source].text)} ({shown.source})"))
    if shown.head is not None:
        found.append(("head", f"head {shown.head}"))
    if shown.pair is not None:
        found.append(("pair", f"{shown.pair.writer} → {shown.pair.reader} by {KINDS[shown.pair.kind]}"))
    if not found:
        return []
    names = [name for name, _ in found]
    crumbs = [Crumb("Prompt", "Lets go of everything that is pinned.", dict.fromkeys(names))]
    for place, (name, text) in enumerate(found):
        after = names[place + 1 :]
        tip = f"Lets go of what was pinned after {text}." if after else f"Pinned: {text}. Click or Esc lets go."
        crumbs.append(Crumb(text, tip, dict.fromkeys(after or [name])))
    return crumbs
