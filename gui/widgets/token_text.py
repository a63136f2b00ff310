"""How a token is written on the screen: spaces, line ends and control characters made visible. No widgets."""

from __future__ import annotations

import unicodedata

from engine.work.results import Token

CONTINUED = "⋯"  # a token that continues a character begun by the one before it
_MARKS = {" ": "·", "\n": "↵", "\t": "⇥", "\r": "\\r"}


def visible(text: str) -> str:
    """`text` with every blank and control character shown: " Orla" becomes "·Orla"."""
    return "".join(_mark(character) for character in text) if text else CONTINUED


def _mark(character: str) -> str:
    mark = _MARKS.get(character)
    if mark is not None:
        return mark
    category = unicodedata.category(character)
    if category == "Zs":
        return "·"
    return f"\\x{ord(character):02x}" if category == "Cc" else character


def quoted(text: str) -> str:
    """A token inside a sentence: “ Orla”; the quotes keep a leading space visible."""
    return f"“{text if text.isprintable() else visible(text)}”" if text else "a part of the character before it"


def is_special(token: Token) -> bool:
    """Whether it stands for no text, such as BOS: these are written in angle brackets."""
    return token.text.startswith(("⟨", "<|", "<s>")) and token.position == 0
