"""How a row of the model list is painted: as a whole, so that the sentence below may run across the columns."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter

from gui.icons import icon
from gui.theme import BODY, SECONDARY, SMALLEST, Theme, mono_font, ui_font
from gui.widgets.model_rows import DETAIL, FOLD, GROUP, KIND, MODEL, NOTE, OPEN, TWIN, Index, ModelItems, cell

HEIGHTS = {GROUP: 38, NOTE: 28, MODEL: 46, FOLD: 30, TWIN: 26}  # px at 100 %
LEFT = Qt.AlignmentFlag.AlignLeft
SIDE_PADDING, CELL_PADDING = 12, 6
OPEN_MARK = "● open"
Place = Callable[[int], tuple[int, int]]  # left edge and width of a column


def cell_font(theme: Theme, is_figure: bool) -> QFont:
    size = theme.px(SECONDARY)
    return mono_font(size) if is_figure else ui_font(size)


class RowPainter:
    """Paints rows of `items` with one theme; `place` says where a column stands."""

    def __init__(self, painter: QPainter, theme: Theme, items: ModelItems, place: Place) -> None:
        self._painter, self._theme, self._items, self._place = painter, theme, items, place
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def ground(self, box: QRect, is_current: bool, has_focus: bool) -> None:
        """Behind the row that is current, or under the pointer."""
        theme = self._theme
        edge = (theme.accent if has_focus else theme.hairline) if is_current else theme.raised
        self._painter.setPen(QColor(edge))
        self._painter.setBrush(QColor(theme.raised))
        self._painter.drawRoundedRect(box.toRectF().adjusted(0.5, 0.5, -0.5, -0.5), theme.px(6), theme.px(6))

    def row(self, box: QRect, index: Index, is_unfolded: bool) -> None:
        theme, kind, title = self._theme, index.data(KIND), str(index.data())
        inner = box.adjusted(theme.px(SIDE_PADDING), 0, -theme.px(SIDE_PADDING), 0)
        if kind == GROUP:
            below = inner.adjusted(0, theme.px(10), 0, 0)
            self._words(ui_font(theme.px(BODY), 650), theme.text, below, title)
        elif kind == NOTE:
            self._words(ui_font(theme.px(SECONDARY)), theme.subtle, inner, title)
        elif kind == FOLD:
            self._fold(inner, title, is_unfolded)
        else:
            self._model(inner, index)

    def _fold(self, box: QRect, title: str, is_unfolded: bool) -> None:
        theme, size = self._theme, self._theme.px(12)
        picture = icon("down" if is_unfolded else "right", theme.subtle, size).pixmap(size, size)
        self._painter.drawPixmap(box.left(), box.center().y() - size // 2 + 1, picture)
        self._words(ui_font(theme.px(SECONDARY)), theme.subtle, box.adjusted(size + theme.px(6), 0, 0, 0), title)

    def _model(self, box: QRect, index: Index) -> None:
        """Title and cells on one line, the sentence below across the row; a twin has none."""
        theme, line = self._theme, QRect(box)
        is_twin = index.data(KIND) == TWIN
        if is_twin:
            self._title(line.adjusted(theme.px(18), 0, 0, 0), index, ui_font(theme.px(SECONDARY)))
        else:
            line.setHeight(theme.px(22))
            line.translate(0, theme.px(4))
            below = QRect(box.left(), line.bottom() - theme.px(1), box.width(), theme.px(18))
            self._title(line, index, ui_font(theme.px(BODY), 550))
            self._words(ui_font(theme.px(SECONDARY)), theme.subtle, below, str(index.data(DETAIL) or ""))
        for column in range(1, self._items.columnCount()):
            left, width = self._place(column)
            room = QRect(left, line.top(), width, line.height())
            self._cell(room, str(cell(index, column).data() or ""), self._items.is_figure(column))

    def _title(self, line: QRect, index: Index, font: QFont) -> None:
        """The name up to the first column, and whether it is the model that is open."""
        theme, mark = self._theme, ui_font(self._theme.px(SMALLEST), 600)
        line.setRight(self._place(1)[0])
        words = OPEN_MARK if index.data(OPEN) else ""
        gap = theme.px(10)
        room = line.adjusted(0, 0, -QFontMetrics(mark).horizontalAdvance(words) - gap, 0)
        width = self._words(font, theme.text, room, str(index.data()))
        self._words(mark, theme.accent, line.adjusted(width + gap, 0, 0, 0), words)

    def _cell(self, room: QRect, text: str, is_figure: bool) -> None:
        theme = self._theme
        side = Qt.AlignmentFlag.AlignRight if is_figure else LEFT
        room.adjust(theme.px(CELL_PADDING), 0, -theme.px(CELL_PADDING), 0)
        self._words(cell_font(theme, is_figure), theme.text if is_figure else theme.subtle, room, text, side)

    def _words(self, font: QFont, colour: str, box: QRect, text: str, side: Qt.AlignmentFlag = LEFT) -> int:
        """Returns the width of the words, which end in … where there is no room."""
        metrics = QFontMetrics(font)
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        self._painter.setFont(font)
        self._painter.setPen(QColor(colour))
        self._painter.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, shown)
        return metrics.horizontalAdvance(shown)
