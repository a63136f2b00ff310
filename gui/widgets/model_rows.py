"""Models on shelves as a Qt model: plain rows in, items out. The many twins stand below one row that folds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

Index = QModelIndex | QPersistentModelIndex
KEY, KIND, DETAIL, OPEN = (Qt.ItemDataRole.UserRole + at for at in range(4))
GROUP, NOTE, MODEL, FOLD, TWIN = "group", "note", "model", "fold", "twin"
EM_SPACE = "\u2003"
ALIGNMENT, SPOKEN = Qt.ItemDataRole.TextAlignmentRole, Qt.ItemDataRole.AccessibleTextRole


@dataclass(frozen=True)
class ModelRow:
    """One model: `key` is what a choice carries, `cells` stand under the headings, `detail` below the title."""

    key: str
    title: str
    cells: tuple[str, ...]
    detail: str = ""
    tip: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class ShelfRows:
    """A group of models; `note` stands where there are none, `twins` are folded under `fold`."""

    title: str
    rows: tuple[ModelRow, ...]
    note: str = ""
    fold: str = ""
    twins: tuple[ModelRow, ...] = ()


class ModelItems(QStandardItemModel):
    """Groups, notes, models and folds one after the other; only the twins are children, of their fold."""

    def __init__(self, headings: Sequence[str], words: int, parent: QObject | None = None) -> None:
        super().__init__(0, len(headings) + 1, parent)
        self._figures = len(headings) - words
        self.setHorizontalHeaderLabels(["", *(self._set_off(at, text) for at, text in enumerate(headings, 1))])
        for column in range(len(headings) + 1):
            side = Qt.AlignmentFlag.AlignRight if self.is_figure(column) else Qt.AlignmentFlag.AlignLeft
            flags = int((side | Qt.AlignmentFlag.AlignVCenter).value)
            self.setHeaderData(column, Qt.Orientation.Horizontal, flags, ALIGNMENT)

    def is_figure(self, column: int) -> bool:
        """Whether a column holds figures, which stand at its right."""
        return 1 <= column <= self._figures

    def _set_off(self, column: int, text: str) -> str:
        """Words stand clear of the figures before them."""
        return text if self.is_figure(column) else f"{EM_SPACE}{text}"

    def set_shelves(self, shelves: Sequence[ShelfRows]) -> None:
        self.removeRows(0, self.rowCount())
        for shelf in shelves:
            self.appendRow(self._line(GROUP, shelf.title))
            if shelf.note and not shelf.rows:
                self.appendRow(self._line(NOTE, shelf.note))
            for row in shelf.rows:
                self.appendRow(self._model_line(MODEL, row))
            if shelf.twins:
                fold = self._line(FOLD, shelf.fold)
                for row in shelf.twins:
                    fold[0].appendRow(self._model_line(TWIN, row))
                self.appendRow(fold)

    def _line(self, kind: str, title: str) -> list[QStandardItem]:
        items = [QStandardItem() for _ in range(self.columnCount())]
        items[0].setText(title)
        items[0].setData(kind, KIND)
        usable = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        for item in items:
            item.setFlags(Qt.ItemFlag.NoItemFlags if kind in (GROUP, NOTE) else usable)
        return items

    def _model_line(self, kind: str, row: ModelRow) -> list[QStandardItem]:
        items = self._line(kind, row.title)
        for role, value in ((KEY, row.key), (DETAIL, row.detail), (OPEN, row.is_open)):
            items[0].setData(value, role)
        items[0].setData(f"{row.title}{', open' if row.is_open else ''}. {row.detail}", SPOKEN)
        for column, text in enumerate(row.cells, 1):
            items[column].setText(self._set_off(column, text))
        for item in items:
            item.setToolTip(row.tip)
        return items

    def models(self) -> list[QModelIndex]:
        """The first cell of every model in its order, also of those folded away."""
        found = []
        for row in range(self.rowCount()):
            top = self.index(row, 0)
            found += [top, *(self.index(child, 0, top) for child in range(self.rowCount(top)))]
        return [index for index in found if index.data(KIND) in (MODEL, TWIN)]

    def folds(self) -> list[QModelIndex]:
        tops = [self.index(row, 0) for row in range(self.rowCount())]
        return [index for index in tops if index.data(KIND) == FOLD]


def cell(index: Index, column: int) -> Index:
    """Another cell of the same row."""
    return index.sibling(index.row(), column)
