"""Asks for a random repeat: how many tokens, and which draw. The standard probe for induction."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)


class RepeatDialog(QDialog):
    """`chosen` carries length and seed."""

    chosen = Signal(int, int)

    def __init__(self, longest: int, length: int, seed: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Random repeat")
        words = QLabel(
            "Random tokens, then the same tokens again: nothing but the repeat can help the model, "
            "so an induction head shows itself."
        )
        words.setWordWrap(True)
        self.length, self.seed = QSpinBox(), QSpinBox()
        self.length.setRange(1, max(1, longest))
        self.length.setValue(min(length, longest))
        self.length.setToolTip("How many tokens are drawn; the prompt is twice as long.")
        self.seed.setRange(0, 999_999)
        self.seed.setValue(seed)
        for number in (self.length, self.seed):  # the style sheet leaves no room for arrows; keys and wheel step
            number.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.seed.setToolTip("The same seed gives the same tokens.")
        form = QFormLayout()
        form.addRow(f"Tokens in one copy (1 to {self.length.maximum()})", self.length)
        form.addRow("Seed (0 to 999 999)", self.seed)
        buttons = QDialogButtonBox()
        buttons.addButton("Read it", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(self._tell)
        column = QVBoxLayout(self)
        column.addWidget(words)
        column.addLayout(form)
        column.addWidget(buttons)

    @Slot()
    def _tell(self) -> None:
        self.chosen.emit(self.length.value(), self.seed.value())
