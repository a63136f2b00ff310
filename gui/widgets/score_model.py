"""The table of head scores as a Qt model, and its order: what was not measured sorts last, whichever way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)
from PySide6.QtGui import QFont
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.results import HeadScores
from gui.roles import PATTERN_THRESHOLD, RoleKind, role_of
from gui.theme import Role

Index = QModelIndex | QPersistentModelIndex
VALUE, ROLE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Column:
    """`value` reads the number to sort by, `form` writes it, `role` is the colour of a high score."""

    title: str
    tip: str
    value: Callable[[Any], float | None]
    form: Callable[[Any], str]
    role: Role = "none"


@dataclass(frozen=True)
class HeadChange:
    """One head on two prompts: its scores on either, and how far it moves its attention (None: not measured)."""

    first: HeadScores
    second: HeadScores
    moved: float | None

    @property
    def ref(self) -> HeadRef:
        return self.first.ref


Row = HeadScores | HeadChange


def _place(row: Row) -> float:
    return row.ref.layer * 10_000.0 + row.ref.head


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _with_error(scores: HeadScores) -> str:
    if scores.induction is None or scores.induction_se is None:
        return _plain(scores.induction)
    return f"{scores.induction:.2f} ±{scores.induction_se:.2f}".replace("±0.", "±.")


COLUMNS: tuple[Column, ...] = (
    Column("head", "Layer and head, both counted from 0.", _place, lambda s: str(s.ref)),
    Column(
        "previous",
        "Mean attention to the token just before, on random repeats.",
        lambda s: s.previous_token,
        lambda s: _plain(s.previous_token),
        "previous",
    ),
    Column(
        "induction",
        "Mean attention to the token after an earlier copy of the current one, with its standard error.",
        lambda s: s.induction,
        _with_error,
        "induction",
    ),
    Column(
        "control",
        "The same score where nothing repeats: an induction head's is near zero.",
        lambda s: s.induction_control,
        lambda s: _plain(s.induction_control),
    ),
    Column(
        "copying",
        "Positive eigenvalues of the head's OV circuit against all, -1 to 1: positive copies what it reads.",
        lambda s: s.copying_eigenvalue,
        lambda s: _signed(s.copying_eigenvalue),
    ),
    Column(
        "removed: Δ loss",
        "How many nats the loss on the second copy rises when the head is removed.",
        lambda s: s.ablation_delta_loss,
        lambda s: _signed(s.ablation_delta_loss),
    ),
)


def change_columns(first: str, second: str, where: tuple[str, str]) -> tuple[Column, ...]:
    """How far every head moves between two runs of those names, and its scores in either; `where` says it in words."""
    moved = "How much of its attention the head moves: total variation, mean over the tokens from the first change on."
    titles = (first, second)
    return (
        COLUMNS[0],
        Column("moved", moved, lambda row: row.moved, lambda row: _plain(row.moved), "accent"),
        *_on_either("induction", "Mean attention to what followed an earlier copy", "induction", titles, where),
        *_on_either("previous", "Mean attention to the token just before", "previous", titles, where),
    )


def _on_either(
    title: str, tip: str, role: Role, names: tuple[str, str], where: tuple[str, str]
) -> tuple[Column, Column]:
    """A score in the first run and the same in the second."""

    def score(of: HeadScores) -> float | None:
        return of.induction if role == "induction" else of.previous_token

    return (
        Column(
            f"{title} {names[0]}",
            f"{tip}, {where[0]}.",
            lambda r: score(r.first),
            lambda r: _plain(score(r.first)),
            role,
        ),
        Column(
            f"{title} {names[1]}",
            f"{tip}, {where[1]}.",
            lambda r: score(r.second),
            lambda r: _plain(score(r.second)),
            role,
        ),
    )


PROMPT_COLUMNS = change_columns("A", "B", ("on prompt A", "on prompt B"))
MEDDLING_COLUMNS = change_columns("after", "before", ("under the interventions", "without them"))


class ScoreModel(QAbstractTableModel):
    """One row for each head: its scores as the engine measured them, or what becomes of them in another run."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[Row, ...] = ()
        self.columns = COLUMNS
        self.title_font = QFont()
        self._chance: float | None = None
        self._caption = ""

    def set_rows(self, rows: tuple[Row, ...], columns: tuple[Column, ...], chance: float | None, caption: str) -> None:
        """Keeps the view's selection and scroll place when heads and columns are the same."""
        same = [row.ref for row in rows] == [row.ref for row in self.rows] and columns is self.columns
        if not same:
            self.beginResetModel()
        self.rows, self.columns, self._chance, self._caption = rows, columns, chance, caption
        if not same:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(columns) - 1))

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  (Qt's own signature)
        return 0 if parent.isValid() else len(self.rows)

    @override
    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.columns[section].tip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return self.title_font if role == Qt.ItemDataRole.FontRole else None

    @override
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        row, column = self.rows[index.row()], self.columns[index.column()]
        value = column.value(row)
        if role == Qt.ItemDataRole.DisplayRole:
            return column.form(row)
        if role == VALUE:
            return value
        if role == ROLE:
            return self._role(index.column(), column, row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._tip(column, row, value)
        return None

    def _role(self, at: int, column: Column, row: Row) -> Role:
        if at == 0:
            return kind_of(row)
        value = column.value(row)
        return column.role if value is not None and value >= PATTERN_THRESHOLD else "none"

    def _tip(self, column: Column, row: Row, value: float | None) -> str:
        if value is None:
            return f"Head {row.ref}, {column.title}: {NOT_MEASURED}."
        words = [f"Head {row.ref}, {column.title}: {column.form(row)}"]
        if column.title.startswith("induction"):
            scores = row if isinstance(row, HeadScores) else row.second if column.title.endswith("B") else row.first
            words.append(f"n = {scores.n_rows} rows")
            if scores.rank is not None:
                words.append(f"rank {scores.rank} of {len(self.rows)}")
            chance = scores.chance if scores.chance is not None else self._chance
            if chance is not None:
                words.append(f"chance {chance:.2f}")
        return " · ".join([*words, *([self._caption] if self._caption else [])])


def kind_of(row: Row) -> RoleKind:
    """What the head behaves like; of two prompts what it does on the first."""
    return role_of(row if isinstance(row, HeadScores) else row.first).kind


def _alignment(column: int) -> int:
    side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
    return int((side | Qt.AlignmentFlag.AlignVCenter).value)


class ScoreOrder(QSortFilterProxyModel):
    """Sorts by number, with None last in both directions; filters by head ("1.") or by behaviour ("ind")."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._needle = ""

    def set_filter(self, text: str) -> None:
        self._needle = text.strip().lower()
        self.invalidate()

    @override
    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        model = self.sourceModel()
        if not self._needle or not isinstance(model, ScoreModel):
            return True
        row = model.rows[source_row]
        return str(row.ref).startswith(self._needle) or kind_of(row).startswith(self._needle)

    @override
    def lessThan(self, source_left: Index, source_right: Index) -> bool:
        model = self.sourceModel()
        if not isinstance(model, ScoreModel):
            return False
        read = model.columns[source_left.column()].value  # straight from the scores: this runs n log n times
        left, right = read(model.rows[source_left.row()]), read(model.rows[source_right.row()])
        if left is None or right is None:
            ascending = self.sortOrder() == Qt.SortOrder.AscendingOrder
            return (right is None and left is not None) if ascending else (left is None and right is not None)
        return left < right
