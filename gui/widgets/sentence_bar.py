"""The one sentence at the bottom of the window: what the model did, by which heads, how sure, and one button.

The sentence is never cut: the quiet words beside it give way first, then it wraps, then the bar grows.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget
from typing_extensions import override

from gui.theme import BODY, DARK, SECONDARY, Role, Theme, ui_font
from gui.widgets.marked_text import MarkedText, Piece, pieces

_EN_SPACE = "\u2002"


class SentenceBar(QWidget):
    """Takes text with the tags <b> and, for colours, <induction>, <previous>, <duplicate>, <negative>, <accent>."""

    buttonClicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._content: tuple[Piece, ...] = ()
        self._secondary = ""
        self._text = MarkedText((), BODY, 1.0)
        self._button = QPushButton(self)
        self._button.hide()
        self._button.clicked.connect(self.buttonClicked)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("What the model did")
        self.set_theme(DARK)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._button.setFont(ui_font(theme.px(BODY)))
        self._arrange()

    def set_sentence(
        self,
        sentence: str,
        lead: str = "",
        lead_role: Role = "none",
        secondary: str = "",
        button: str = "",
    ) -> None:
        """`sentence` is marked text (escape the user's own words with html.escape); the others are plain."""
        before = (Piece(lead, True, lead_role), Piece(_EN_SPACE)) if lead else ()
        content = (*before, *pieces(sentence))
        if (content, secondary, button) == (self._content, self._secondary, self._button.text()):
            return  # said again with every answer of the engine
        self._content, self._secondary = content, secondary
        self._button.setText(button)
        self._button.setVisible(bool(button))
        self._arrange()
        self.setAccessibleDescription(f"{self.plain_text()} {secondary}".strip())
        self.setToolTip(secondary)

    def button(self) -> str:
        """The words on the button; "" when there is none."""
        return self._button.text()

    def plain_text(self) -> str:
        """Lead and sentence as shown, without the secondary words."""
        return "".join(piece.text for piece in self._content).replace(_EN_SPACE, " ")

    # ------------------------------------------------------------ layout
    def _arrange(self) -> None:
        theme = self._theme
        self._button.adjustSize()
        self._text = MarkedText(self._content, theme.px(BODY), self._room())
        needed = round(self._text.height) + theme.px(16)
        self.setFixedHeight(max(needed, theme.px(40), self._button.height() + theme.px(10)))
        across = self.width() - theme.px(12) - self._button.width()
        self._button.move(across, (self.height() - self._button.height()) // 2)
        self.update()

    def _room(self) -> float:
        """Width for the sentence, px."""
        used = 2 * self._theme.px(16)
        if not self._button.isHidden():
            used += self._button.width() + self._theme.px(12)
        return max(1.0, float(self.width() - used))

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        self._arrange()

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(600), self.height())

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(280), self.height())

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self._theme
        painter.fillRect(self.rect(), QColor(theme.base))
        painter.setPen(QColor(theme.hairline))
        painter.drawLine(0, 0, self.width(), 0)
        corner = QPointF(theme.px(16), (self.height() - self._text.height) / 2)
        self._text.draw(painter, corner, theme)
        self._paint_secondary(painter, corner)

    def _paint_secondary(self, painter: QPainter, corner: QPointF) -> None:
        """The quiet words stand after the last line, as far as there is room for them."""
        theme = self._theme
        box = self._text.last_line(corner, self._room()).adjusted(theme.px(14), 0, 0, 0)
        if not self._secondary or box.width() < theme.px(48):
            return
        font = ui_font(theme.px(SECONDARY))
        words = QFontMetricsF(font).elidedText(self._secondary, Qt.TextElideMode.ElideRight, box.width())
        painter.setFont(font)
        painter.setPen(QColor(theme.subtle))
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
