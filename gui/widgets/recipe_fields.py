"""The fields in which a run to be trained here is put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from engine.training.spec import POSITIONS, RANGES, Spec
from gui.theme import SECONDARY, Theme, ui_font

COLUMNS = 4
MIX_TITLE = "Rows to learn from, with their shares"
MIX_TIP = (
    "Kinds of rows with their shares. periodic: one random span over and over; random: spans that come back among "
    "random tokens; bursty: pairs of tokens, each several times; chain: a new Markov chain of three symbols in each "
    "row; spliced and plain: English text with and without spans that come back (a vocabulary of 257 and more)."
)


class RecipeFields(QWidget):
    """`changed` when any of them was; whether they can be trained together is for the spec to say."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base = Spec()  # what the fields were filled from; where it is a fork, and they still stand, so are they
        self.numbers = {name: _field(name, getattr(self._base, name)) for name in RANGES}
        self.positions, self.mix, self.twin = QComboBox(), QLineEdit(), QCheckBox("one-layer twin")
        self.positions.addItems(list(POSITIONS))
        self.mix.setToolTip(MIX_TIP)
        self.twin.setToolTip("The same run with one layer goes beside it: the control that must fail to copy.")
        self._labels = list[QLabel]()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        fields: list[tuple[str, QWidget]] = [(RANGES[name].title, field) for name, field in self.numbers.items()]
        fields.insert(5, ("Positions", self.positions))
        for place, (title, field) in enumerate(fields):
            self._add(title, field, 2 * (place // COLUMNS), place % COLUMNS, 1)
        rows = 2 * -(-len(fields) // COLUMNS)
        self._grid.addWidget(self.twin, rows - 1, COLUMNS - 1)
        self._add(MIX_TITLE, self.mix, rows, 0, COLUMNS)
        self.set_spec(self._base)
        for number in self.numbers.values():
            number.valueChanged.connect(self.changed)
        self.positions.currentTextChanged.connect(self.changed)
        self.mix.textChanged.connect(self.changed)
        self.twin.toggled.connect(self.changed)

    def set_theme(self, theme: Theme) -> None:
        for label in self._labels:
            label.setFont(ui_font(theme.px(SECONDARY)))
            label.setStyleSheet(f"color: {theme.subtle}")
        self.twin.setFont(ui_font(theme.px(SECONDARY)))
        self._grid.setHorizontalSpacing(theme.px(8))
        self._grid.setVerticalSpacing(theme.px(3))

    def set_spec(self, spec: Spec) -> None:
        self._base = spec
        for name, field in self.numbers.items():
            field.setValue(getattr(spec, name))
        self.positions.setCurrentText(spec.positions)
        self.mix.setText(spec.mix)
        self.twin.setChecked(spec.twin)

    def values(self) -> dict[str, Any]:
        """What stands in the fields, as plain values of a spec."""
        found: dict[str, Any] = {name: field.value() for name, field in self.numbers.items()}
        found |= {"positions": self.positions.currentText(), "mix": self.mix.text(), "twin": self.twin.isChecked()}
        same = all(value == getattr(self._base, name) for name, value in found.items())
        return replace(self._base, **found).values() if same else Spec(**found).values()

    def _add(self, title: str, field: QWidget, row: int, column: int, span: int) -> None:
        label = QLabel(title)
        label.setBuddy(field)
        field.setAccessibleName(title)
        self._labels.append(label)
        self._grid.addWidget(label, row, column, 1, span)
        self._grid.addWidget(field, row + 1, column, 1, span)


def _field(name: str, usual: int | float) -> QSpinBox | QDoubleSpinBox:
    bounds = RANGES[name]
    field: QSpinBox | QDoubleSpinBox
    if isinstance(usual, float):
        field = QDoubleSpinBox()
        field.setDecimals(4)
        field.setRange(bounds.least, bounds.most)
        field.setValue(usual)
    else:
        field = QSpinBox()
        field.setRange(int(bounds.least), int(bounds.most))
        field.setValue(usual)
    field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)  # the style sheet leaves no room for arrows
    field.setToolTip(f"{bounds.title}: {bounds.least:g} to {bounds.most:g}")
    return field
