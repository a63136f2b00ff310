"""The table of head scores as a Qt model, and its order: what was not measured sorts last, whichever way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

from engine.work.results import HeadScores
from gui.roles import PATTERN_THRESHOLD, role_of
from gui.theme import Role

Index = QModelIndex | QPersistentModelIndex
VALUE, ROLE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Column:
    """`value` reads the number to sort by, `form` writes it, `role` is the colour of a high score."""

    title: str
    tip: str
    value: Callable[[HeadScores], float | None]
    form: Callable[[HeadScores], str]
    role: Role = "none"


def _place(scores: HeadScores) -> float:
    return scores.layer * 10_000.0 + scores.head


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _with_error(scores: HeadScores) -> str:
    if scores.induction is None or scores.induction_se is None:
        return _plain(scores.induction)
    return f"{scores.induction:.2f} ±{scores.induction_se:.2f}".replace("±0.", "±.")


COLUMNS = (
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


class ScoreModel(QAbstractTableModel):
    """One row for each head; the numbers are HeadScores as the engine measured them."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.scores: tuple[HeadScores, ...] = ()
        self.title_font = QFont()
        self._chance: float | None = None
        self._caption = ""

    def set_scores(self, scores: tuple[HeadScores, ...], chance: float | None, caption: str) -> None:
        """Keeps the view's selection and scroll place when the heads are the same."""
        same = [row.ref for row in scores] == [row.ref for row in self.scores]
        if not same:
            self.beginResetModel()
        self.scores, self._chance, self._caption = scores, chance, caption
        if not same:
            self.endResetModel()
        elif scores:
            self.dataChanged.emit(self.index(0, 0), self.index(len(scores) - 1, len(COLUMNS) - 1))

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  (Qt's own signature)
        return 0 if parent.isValid() else len(self.scores)

    @override
    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(COLUMNS)

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        if role == Qt.ItemDataRole.ToolTipRole:
            return COLUMNS[section].tip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return self.title_font if role == Qt.ItemDataRole.FontRole else None

    @override
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        scores, column = self.scores[index.row()], COLUMNS[index.column()]
        value = column.value(scores)
        if role == Qt.ItemDataRole.DisplayRole:
            return column.form(scores)
        if role == VALUE:
            return value
        if role == ROLE:
            return self._role(index.column(), column, scores)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._tip(column, scores, value)
        return None

    def _role(self, at: int, column: Column, scores: HeadScores) -> Role:
        if at == 0:
            return role_of(scores).kind
        value = column.value(scores)
        return column.role if value is not None and value >= PATTERN_THRESHOLD else "none"

    def _tip(self, column: Column, scores: HeadScores, value: float | None) -> str:
        if value is None:
            return f"Head {scores.ref}, {column.title}: {NOT_MEASURED}."
        words = [f"Head {scores.ref}, {column.title}: {column.form(scores)}"]
        if column.title == "induction":
            words.append(f"n = {scores.n_rows} rows")
            if scores.rank is not None:
                words.append(f"rank {scores.rank} of {len(self.scores)}")
            chance = scores.chance if scores.chance is not None else self._chance
            if chance is not None:
                words.append(f"chance {chance:.2f}")
        return " · ".join([*words, *([self._caption] if self._caption else [])])


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
        scores = model.scores[source_row]
        return str(scores.ref).startswith(self._needle) or role_of(scores).kind.startswith(self._needle)

    @override
    def lessThan(self, source_left: Index, source_right: Index) -> bool:
        model = self.sourceModel()
        if not isinstance(model, ScoreModel):
            return False
        read = COLUMNS[source_left.column()].value  # straight from the scores: this runs n log n times
        left, right = read(model.scores[source_left.row()]), read(model.scores[source_right.row()])
        if left is None or right is None:
            ascending = self.sortOrder() == Qt.SortOrder.AscendingOrder
            return (right is None and left is not None) if ascending else (left is None and right is not None)
        return left < right
