"""How many edges the diagram draws: the strongest so many of each kind, and a slider for how weak they may be."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QLabel, QMenu, QSlider, QVBoxLayout, QWidget, QWidgetAction

from gui.theme import SECONDARY, Theme, ui_font

TOPS = (1, 3, 6, 12, 25, 50, 100)
_STEP = 0.01


class DiagramMenu(QMenu):
    """`topChosen` carries a number of edges, `leastChosen` the least strength, 0 to 1."""

    topChosen = Signal(int)
    leastChosen = Signal(float)

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Edges", parent)
        self._words = "{:.2f}"
        self._group = QActionGroup(self)
        self.tops = {number: self._entry(number) for number in TOPS}
        self._group.triggered.connect(self._choose_top)
        self.addSeparator()
        self._label, self.slider = QLabel(), QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, round(1 / _STEP))
        self.slider.setPageStep(10)
        self.slider.setAccessibleName("Weakest edge that is drawn")
        self.slider.valueChanged.connect(self._choose_least)
        box = QWidget()
        self._column = QVBoxLayout(box)
        self._column.addWidget(self._label)
        self._column.addWidget(self.slider)
        action = QWidgetAction(self)
        action.setDefaultWidget(box)
        self.addAction(action)

    def _entry(self, number: int) -> QAction:
        action = QAction(f"The {number} strongest of each kind" if number > 1 else "The strongest of each kind", self)
        action.setCheckable(True)
        action.setData(number)
        self._group.addAction(action)
        self.addAction(action)
        return action

    def set_theme(self, theme: Theme) -> None:
        self._label.setFont(ui_font(theme.px(SECONDARY)))
        self._column.setContentsMargins(theme.px(12), theme.px(4), theme.px(12), theme.px(8))

    def show_choice(self, top: int, least: float, words: str) -> None:
        """What is chosen now; `words` has a place for the least strength: "From {:.2f} of the ceiling up"."""
        for number, action in self.tops.items():
            action.setChecked(number == top)
        self._words = words
        blocked = QSignalBlocker(self.slider)
        self.slider.setValue(round(least / _STEP))
        blocked.unblock()
        self._label.setText(words.format(least))

    @Slot(QAction)
    def _choose_top(self, action: QAction) -> None:
        self.topChosen.emit(int(action.data()))

    @Slot(int)
    def _choose_least(self, value: int) -> None:
        self._label.setText(self._words.format(value * _STEP))
        self.leastChosen.emit(value * _STEP)
