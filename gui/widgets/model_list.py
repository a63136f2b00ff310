"""Models on shelves: a line of aligned facts for each, a sentence below it, and the many twins folded away.

A double click or Enter chooses. Takes plain rows and gives keys; knows neither models nor the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QStyledItemDelegate, QTreeView, QWidget
from typing_extensions import override

from gui.theme import DARK, SMALLEST, Theme, ui_font
from gui.widgets.model_paint import HEIGHTS, RowPainter, cell_font
from gui.widgets.model_rows import FOLD, GROUP, KEY, KIND, NOTE, OPEN, Index, ModelItems, ShelfRows, cell

GAP, LEAST_TITLE = 22, 160  # px at 100 %: between two columns; for the titles


class _Heights(QStyledItemDelegate):
    """Only says how high a row is; the rows are painted as a whole."""

    theme = DARK

    @override
    def sizeHint(self, option: Any, index: Index) -> QSize:
        return QSize(1, self.theme.px(HEIGHTS[cell(index, 0).data(KIND)]))


class ModelList(QTreeView):
    """`chosen` carries the key of the row that was opened; `marked` says that another row is current."""

    chosen = Signal(str)
    marked = Signal()

    def __init__(self, headings: Sequence[str], words: int, parent: QWidget | None = None) -> None:
        """`headings` over the cells; the last `words` of them hold words, the others figures."""
        super().__init__(parent)
        self._theme = DARK
        self._hovered: Index = QPersistentModelIndex()
        self._items = ModelItems(headings, words, self)
        self._heights = _Heights(self)
        self.setModel(self._items)
        self.setItemDelegate(self._heights)
        self._set_up()
        self.set_theme(DARK)

    def _set_up(self) -> None:
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setIndentation(0)
        self.setRootIsDecorated(False)
        self.setExpandsOnDoubleClick(False)
        self.setMouseTracking(True)
        self.viewport().setAutoFillBackground(False)  # the page it lies on is ground enough
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAccessibleName("Models")
        header = self.header()
        header.setSectionsClickable(False)
        header.setSectionsMovable(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setStretchLastSection(False)
        self.clicked.connect(self._clicked)
        self.doubleClicked.connect(self._double_clicked)
        self.entered.connect(self._enter)

    def set_theme(self, theme: Theme) -> None:
        self._theme = self._heights.theme = theme
        self.header().setFont(ui_font(theme.px(SMALLEST)))
        self._share_width()
        self.doItemsLayout()

    # ------------------------------------------------------------ rows
    def set_shelves(self, shelves: Sequence[ShelfRows]) -> None:
        """Replace the rows; the current one and what is unfolded stay as they were."""
        current, place = self.current_key(), self.verticalScrollBar().value()
        unfolded = any(self.isExpanded(fold) for fold in self._items.folds())
        self._items.set_shelves(shelves)
        opened = next((index for index in self._items.models() if index.data(OPEN)), QModelIndex())
        for fold in self._items.folds():
            self.setExpanded(fold, unfolded or opened.parent() == fold)
        self._share_width()
        kept, first = self.index_of(current), next(iter(self._items.models()), QModelIndex())
        marked = next((index for index in (kept, opened, first) if index.isValid()), None)
        if marked is not None:
            self.setCurrentIndex(marked)
        if kept.isValid():
            self.verticalScrollBar().setValue(place)

    def keys(self) -> list[str]:
        """The keys of all rows in their order, also of those folded away."""
        return [str(index.data(KEY)) for index in self._items.models()]

    def index_of(self, key: str) -> QModelIndex:
        """The title's cell of a row; an invalid index when there is none with this key."""
        return next((index for index in self._items.models() if index.data(KEY) == key), QModelIndex())

    def fold(self) -> QModelIndex:
        """The row that hides the twins."""
        return next(iter(self._items.folds()), QModelIndex())

    # ------------------------------------------------------------ choosing
    def current_key(self) -> str:
        """The key of the current row; empty on none, or on the fold."""
        return str(cell(self.currentIndex(), 0).data(KEY) or "")

    @Slot()
    def choose_current(self) -> None:
        """Open the current row; the fold opens its twins instead."""
        index = self._items.index(self.currentIndex().row(), 0, self.currentIndex().parent())
        if index.data(KIND) == FOLD:
            self.setExpanded(index, not self.isExpanded(index))
        elif self.current_key():
            self.chosen.emit(self.current_key())

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.choose_current()
        else:
            super().keyPressEvent(event)

    @override
    def currentChanged(self, current: Index, previous: Index) -> None:
        super().currentChanged(current, previous)
        self.viewport().update()
        self.marked.emit()

    @Slot(QModelIndex)
    def _clicked(self, index: QModelIndex) -> None:
        if cell(index, 0).data(KIND) == FOLD:
            self.choose_current()

    @Slot(QModelIndex)
    def _double_clicked(self, index: QModelIndex) -> None:
        if cell(index, 0).data(KIND) != FOLD:
            self.choose_current()

    # ------------------------------------------------------------ widths
    def _share_width(self) -> None:
        """Every column as wide as its words; the titles have the rest."""
        header, left = self.header(), self.viewport().width()
        rows = self._items.models()
        for column in range(1, self._items.columnCount()):
            metrics = QFontMetrics(cell_font(self._theme, self._items.is_figure(column)))
            cells = [metrics.horizontalAdvance(str(cell(index, column).data() or "")) for index in rows]
            title = header.fontMetrics().horizontalAdvance(self._items.horizontalHeaderItem(column).text())
            width = max([title, *cells]) + self._theme.px(GAP)
            header.resizeSection(column, width)
            left -= width
        header.resizeSection(0, max(left, self._theme.px(LEAST_TITLE)))

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_width()

    # ------------------------------------------------------------ painting
    @Slot(QModelIndex)
    def _enter(self, index: QModelIndex) -> None:
        self._hovered = QPersistentModelIndex(self._items.index(index.row(), 0, index.parent()))
        self.viewport().update()

    @override
    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hovered = QPersistentModelIndex()
        self.viewport().update()

    @override
    def drawRow(self, painter: QPainter, option: Any, index: Index) -> None:
        box, current = QRect(option.rect), self.currentIndex()
        painter.save()
        rows = RowPainter(painter, self._theme, self._items, self._column)
        is_current = (index.row(), index.parent()) == (current.row(), current.parent())
        if index.data(KIND) not in (GROUP, NOTE) and (is_current or self._hovered == index):
            rows.ground(box, is_current, self.hasFocus())
        rows.row(box, index, any(fold == index and self.isExpanded(fold) for fold in self._items.folds()))
        painter.restore()

    def _column(self, column: int) -> tuple[int, int]:
        return self.columnViewportPosition(column), self.columnWidth(column)
