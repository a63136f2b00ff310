"""A job on its way in one line: what, how far, and a button to stop it. Hidden when there is none."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from gui.theme import DARK, SECONDARY, Theme, ui_font


class ProgressLine(QWidget):
    """`stopped` when the button is pressed."""

    stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self.words, self.bar, self.button = QLabel(), QProgressBar(), QPushButton("Cancel")
        self.bar.setTextVisible(False)
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self.stopped)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(self.words)
        self._row.addWidget(self.bar, 1)
        self._row.addWidget(self.button)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.words.setFont(ui_font(theme.px(SECONDARY)))
        self.bar.setFixedHeight(theme.px(6))
        radius = theme.px(3)
        self.bar.setStyleSheet(
            f"QProgressBar {{ background: {theme.raised}; border: none; border-radius: {radius}px; }}"
            f"QProgressBar::chunk {{ background: {theme.accent}; border-radius: {radius}px; }}"
        )
        self._row.setSpacing(theme.px(12))

    def show_progress(self, words: str, done: int, total: int) -> None:
        """`words` empty: nothing is under way; `total` 0: how long it takes is unknown."""
        self.setVisible(bool(words))
        self.words.setText(words)
        self.bar.setRange(0, max(1, total))  # an endless animation would say no more than the words do
        self.bar.setValue(done)
