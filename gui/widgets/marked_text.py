"""A sentence with bold and coloured words, laid out and drawn by hand.

Qt's rich text does not reach the weight axis of a variable font, and it swallows the space that a token begins with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter

from gui.theme import Role, Theme, ui_font

_TAG = re.compile(r"<(/?)(b|previous|induction|duplicate|negative|positive|accent)>")
_WORD = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True)
class Piece:
    """Words of one weight and one colour ("none": the text's own)."""

    text: str
    strong: bool = False
    role: Role = "none"


@dataclass(frozen=True)
class PlacedWord:
    """A word and where its base line begins; it never breaks inside."""

    text: str
    piece: Piece
    at: QPointF


def pieces(marked: str) -> tuple[Piece, ...]:
    """Reads <b> and the role tags; the rest is plain text in which &lt; &gt; and &amp; are escaped."""
    found: list[Piece] = []
    strong, roles, at = False, list[Role](), 0
    for tag in _TAG.finditer(marked):
        found.append(Piece(unescape(marked[at : tag.start()]), strong, roles[-1] if roles else "none"))
        at = tag.end()
        if tag[2] == "b":
            strong = not tag[1]
        elif tag[1]:
            roles = roles[:-1]
        else:
            roles.append(tag[2])  # type: ignore[arg-type]  # the pattern holds role names only
    found.append(Piece(unescape(marked[at:]), strong, roles[-1] if roles else "none"))
    return tuple(piece for piece in found if piece.text)


class MarkedText:
    """Pieces wrapped at a width; `end` is where the last line ends, for what comes after it."""

    def __init__(self, content: tuple[Piece, ...], px: float, width: float) -> None:
        self._fonts = {strong: ui_font(px, 600 if strong else 400) for strong in (False, True)}
        self._metrics = {strong: QFontMetricsF(font) for strong, font in self._fonts.items()}
        self.line_height = max(metrics.height() for metrics in self._metrics.values()) * 1.15
        self.words: list[PlacedWord] = []
        self.lines = 1
        self.end = 0.0
        for unit in _unbreakable(content):
            self._place(unit, width)

    @property
    def height(self) -> float:
        return self.lines * self.line_height

    def _place(self, unit: list[tuple[str, Piece]], width: float) -> None:
        whole = sum(self._advance(text, piece) for text, piece in unit)
        if self.end > 0 and self.end + whole > width:
            self.lines += 1
            self.end = 0.0
            unit = [(unit[0][0].lstrip(" "), unit[0][1]), *unit[1:]]
        top = (self.lines - 1) * self.line_height
        base = top + (self.line_height + self._metrics[False].ascent() - self._metrics[False].descent()) / 2
        for text, piece in unit:
            self.words.append(PlacedWord(text, piece, QPointF(self.end, base)))
            self.end += self._advance(text, piece)

    def _advance(self, text: str, piece: Piece) -> float:
        return self._metrics[piece.strong].horizontalAdvance(text)

    def font(self, piece: Piece) -> QFont:
        return self._fonts[piece.strong]

    def draw(self, painter: QPainter, corner: QPointF, theme: Theme) -> None:
        for word in self.words:
            role = word.piece.role
            painter.setFont(self.font(word.piece))
            painter.setPen(QColor(theme.text if role == "none" else theme.role(role)))
            painter.drawText(corner + word.at, word.text)

    def last_line(self, corner: QPointF, width: float) -> QRectF:
        """The last line's box from the end of its words to `width`."""
        top = corner.y() + (self.lines - 1) * self.line_height
        return QRectF(corner.x() + self.end, top, max(0.0, width - self.end), self.line_height)


def _unbreakable(content: tuple[Piece, ...]) -> list[list[tuple[str, Piece]]]:
    """Words with the spaces before them; what touches without a space stays together across pieces."""
    units: list[list[tuple[str, Piece]]] = []
    for piece in content:
        for word in _WORD.findall(piece.text):
            if units and not word[0].isspace() and not units[-1][-1][0][-1].isspace():
                units[-1].append((word, piece))
            else:
                units.append([(word, piece)])
    return units
