"""How a token is written on the screen: spaces, line ends and control characters made visible. No widgets."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from engine.work.results import Token

CONTINUED = "⋯"  # a token that continues a character begun by the one before it
_MARKS = {" ": "·", "\n": "↵", "\t": "⇥", "\r": "\\r"}
_NAMES = {"\n": "line break", "\t": "tab", "\r": "carriage return", "\xa0": "hard space"}
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and marks that draw nothing
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))  # choose the form of the character before them


@lru_cache(maxsize=4096)
def visible(text: str) -> str:
    """`text` with every blank, control and zero-width character shown: " Orla" becomes "·Orla"."""
    return "".join(_mark(character) for character in text) if text else CONTINUED


def _mark(character: str) -> str:
    mark = _MARKS.get(character)
    if mark is not None:
        return mark
    category = unicodedata.category(character)
    if category == "Zs":
        return "·"
    if category in ("Cf", "Zl", "Zp") or _draws_nothing(character):
        return f"‹{ord(character):04X}›"
    return f"\\x{ord(character):02x}" if category == "Cc" else character


def _draws_nothing(character: str) -> bool:
    return character in _UNSEEN or any(ord(character) in selectors for selectors in _SELECTORS)


def spoken(text: str) -> str:
    """A token inside a sentence: “keeper”; what has no letters of its own is named: “line break”."""
    if not text:
        return "a part of the character before it"
    bare = text.strip(" ")
    if not bare:
        return "“space”" if len(text) == 1 else f"“{len(text)} spaces”"
    return f"“{_NAMES.get(bare, visible(bare))}”"


def is_special(token: Token) -> bool:
    """Whether it stands for no text, such as BOS: these are written in angle brackets."""
    return token.text.startswith(("⟨", "<|", "<s>")) and token.position == 0
