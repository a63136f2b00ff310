"""Asks before something happens that the user might regret: what exactly, in a few facts, and two buttons."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.theme import Theme


class AskDialog(QDialog):
    """`accepted` when the user says yes."""

    def __init__(
        self, title: str, words: str, facts: Sequence[tuple[str, str]], yes: str, theme: Theme, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.words, form = _label(words), QFormLayout()
        form.setHorizontalSpacing(theme.px(16))
        for name, fact in facts:
            caption = QLabel(name)
            caption.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
            caption.setStyleSheet(f"color: {theme.subtle}")
            form.addRow(caption, _label(fact))
        buttons = QDialogButtonBox()
        self.yes = QPushButton(yes)
        buttons.addButton(self.yes, QDialogButtonBox.ButtonRole.AcceptRole)
        self.no = buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(20), theme.px(16), theme.px(20), theme.px(16))
        column.setSpacing(theme.px(14))
        column.addWidget(self.words)
        column.addLayout(form)
        column.addWidget(buttons)
        self.ensurePolished()
        width = theme.px(520)
        self.setFixedSize(width, column.totalHeightForWidth(width))  # wrapped words leave a dialog too high else


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
