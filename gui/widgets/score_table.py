"""The role table: a row for each head, sorted by a click on a column. A click or Enter on a row pins its head."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.results import HeadScores
from gui.theme import DARK, SECONDARY, SMALLEST, Theme, mono_font, ui_font
from gui.widgets.score_model import COLUMNS, ROLE, Column, HeadChange, Row, ScoreModel, ScoreOrder

_INDUCTION, _MOVED = 2, 1  # the columns sorted by at first


class _CellPainter(QStyledItemDelegate):
    """Colours high scores by role, puts a dot before the head, and a hairline under each row."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme = DARK

    @override
    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        cell: Any = option  # its fields are missing from PySide's type stubs
        if index.column() == 0:
            cell.text = f"  {cell.text}"  # room for the dot
        role = index.data(ROLE)
        colour = self.theme.role(role) if index.column() and role != "none" else self.theme.text
        if index.data() == "–":
            colour = self.theme.subtle
        palette: QPalette = cell.palette
        for which in (QPalette.ColorRole.Text, QPalette.ColorRole.HighlightedText):
            palette.setColor(which, QColor(colour))

    @override
    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        cell: Any = option
        box: QRect = cell.rect
        painter.save()
        painter.setPen(QColor(self.theme.hairline))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        if index.column() == 0:
            size = self.theme.px(8)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            role = index.data(ROLE)
            painter.setBrush(QColor(self.theme.hairline if role == "none" else self.theme.role(role)))
            painter.drawEllipse(QRect(box.left() + self.theme.px(4), box.center().y() - size // 2, size, size))
        painter.restore()


class ScoreTable(QTableView):
    """`headClicked` carries a HeadRef. None is shown as a dash that says "not measured"."""

    headClicked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._scores = ScoreModel(self)
        self._order = ScoreOrder(self)
        self._order.setSourceModel(self._scores)
        self._cells = _CellPainter(self)
        self.setModel(self._order)
        self.setItemDelegate(self._cells)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setSortingEnabled(True)
        self.sortByColumn(_INDUCTION, Qt.SortOrder.DescendingOrder)
        self.setAccessibleName("Scores of every head")
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setResizeContentsPrecision(0)  # only rows in view are measured
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setTextElideMode(Qt.TextElideMode.ElideRight)
        header.sortIndicatorChanged.connect(self._sorted)
        self.clicked.connect(self._clicked)
        self.set_theme(DARK)

    def set_theme(self, theme: Theme) -> None:
        self._theme = self._cells.theme = theme
        self.setFont(mono_font(theme.px(SECONDARY)))
        self._scores.title_font = ui_font(theme.px(SMALLEST))
        self.horizontalHeader().setMinimumSectionSize(theme.px(44))
        self.verticalHeader().setMinimumSectionSize(theme.px(24))
        self.verticalHeader().setDefaultSectionSize(theme.px(24))
        self._share_width()

    def set_scores(self, scores: tuple[HeadScores, ...], chance: float | None, caption: str) -> None:
        """`chance` is what uniform attention gives, `caption` the probe ("random repeats, n = 400"), for tips."""
        self._set_rows(scores, COLUMNS, chance, caption)

    def set_changes(self, changes: tuple[HeadChange, ...], columns: tuple[Column, ...], caption: str) -> None:
        """Every head in two runs, those that move most first; `columns` as score_model.change_columns makes them."""
        self._set_rows(changes, columns, None, caption)

    def _set_rows(self, rows: tuple[Row, ...], columns: tuple[Column, ...], chance: float | None, caption: str) -> None:
        others = columns is not self._scores.columns
        self._scores.set_rows(rows, columns, chance, caption)
        if others:
            self.sortByColumn(_INDUCTION if columns is COLUMNS else _MOVED, Qt.SortOrder.DescendingOrder)
        self._share_width()
        self.setAccessibleDescription(caption)

    def _share_width(self) -> None:
        """Every column as wide as its words; spare room is shared, and where it lacks the titles give way first."""
        metrics = QFontMetrics(self._scores.title_font)
        padding, arrow = self._theme.px(14), self._theme.px(14)
        titles = [metrics.horizontalAdvance(column.title) + padding for column in self._scores.columns]
        titles[self.horizontalHeader().sortIndicatorSection()] += arrow
        cells = [self.sizeHintForColumn(at) for at in range(len(self._scores.columns))]
        wanted = [max(pair) for pair in zip(titles, cells, strict=True)]
        spare = self.viewport().width() - sum(wanted)
        gives = sum(wanted) - sum(cells)
        for at, width in enumerate(wanted):
            share = (
                spare / len(self._scores.columns)
                if spare > 0
                else max(spare, -gives) * (width - cells[at]) / max(gives, 1)
            )
            self.setColumnWidth(at, int(width + share))
        self.updateGeometries()  # Qt would mend the scroll bar later, by a timer

    @Slot()
    def _sorted(self) -> None:
        self._share_width()

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_width()

    def set_filter(self, text: str) -> None:
        """Show only heads that begin with "1." or whose behaviour begins with "ind", "prev", "dup"."""
        self._order.set_filter(text)

    def set_selected(self, head: HeadRef | None) -> None:
        """Mark a row; emits nothing."""
        row = next((at for at, scores in enumerate(self._scores.rows) if scores.ref == head), None)
        index = QModelIndex() if row is None else self._order.mapFromSource(self._scores.index(row, 0))
        if not index.isValid():
            self.clearSelection()
            return
        if self.selectionModel().isSelected(index) and self.currentIndex().row() == index.row():
            return  # the user may have scrolled away from it
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().setCurrentIndex(index, flags)
        self.scrollTo(index)

    def shown_heads(self) -> list[HeadRef]:
        """The heads in the order shown, after sorting and filtering."""
        return [self._head(self._order.index(row, 0)) for row in range(self._order.rowCount())]

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(400), self._theme.px(24) * (min(len(self._scores.rows), 8) + 2))

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self._clicked(self.currentIndex())
        elif event.key() == Qt.Key.Key_Escape:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def row_centre(self, head: HeadRef) -> QPoint:
        """The middle of a head's row in the viewport."""
        row = self.shown_heads().index(head)
        return self.visualRect(self._order.index(row, 1)).center()

    def _head(self, index: QModelIndex) -> HeadRef:
        return self._scores.rows[self._order.mapToSource(index).row()].ref

    @Slot(QModelIndex)
    def _clicked(self, index: QModelIndex) -> None:
        self.headClicked.emit(self._head(index))
