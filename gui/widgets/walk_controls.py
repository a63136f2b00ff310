"""The row under the picture of the walk: back, play, on, a slider over the steps, and how fast."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from gui.theme import SECONDARY, Theme, ui_font
from gui.widgets.walk_player import SPEEDS, WalkPlayer


class WalkControls(QWidget):
    """`sought` carries a step, `speedChosen` a speed."""

    sought = Signal(int)
    speedChosen = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.back, self.play, self.on, self.speed = (QToolButton(self) for _ in range(4))
        self.slider, self._title = QSlider(Qt.Orientation.Horizontal, self), QLabel(self)
        self._titles: list[str] = []
        told = (
            (self.back, "◀", "One step back (Left)."),
            (self.play, "▶ Play", "Shows step after step (Space)."),
            (self.on, "▶", "One step on, moving (Right)."),
            (self.speed, "1×", "How fast it plays."),
        )
        for button, text, tip in told:
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
        self.slider.setPageStep(1)
        self.slider.setAccessibleName("Step of the walk")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.back, self.play, self.on, self.slider, self._title, self.speed):
            self._row.addWidget(widget, 1 if widget is self.slider else 0)
        self.speed.clicked.connect(self._next_speed)
        self.slider.valueChanged.connect(self.sought)
        self._speed = 1.0

    def connect_to(self, player: WalkPlayer) -> None:
        """The buttons drive this clock."""
        self.back.clicked.connect(player.back)
        self.play.clicked.connect(player.toggle)
        self.on.clicked.connect(player.forward)
        self.sought.connect(player.stop)
        self.sought.connect(player.seek)
        self.speedChosen.connect(player.set_speed)

    def set_theme(self, theme: Theme) -> None:
        for widget in (self.back, self.play, self.on, self.speed, self._title):
            widget.setFont(ui_font(theme.px(SECONDARY)))
        self._title.setStyleSheet(f"color: {theme.subtle}")
        self._row.setSpacing(theme.px(6))

    def set_steps(self, titles: Sequence[str]) -> None:
        self._titles = list(titles)
        blocked = QSignalBlocker(self.slider)
        self.slider.setRange(0, max(0, len(titles) - 1))
        blocked.unblock()
        self.setEnabled(bool(titles))

    def set_step(self, step: int) -> None:
        blocked = QSignalBlocker(self.slider)
        self.slider.setValue(step)
        blocked.unblock()
        self._title.setText(f"step {step + 1} of {len(self._titles)}")
        self._title.setToolTip(self._titles[step])

    @Slot(bool)
    def set_running(self, runs: bool) -> None:
        self.play.setText("❚❚ Pause" if runs else "▶ Play")

    @Slot()
    def _next_speed(self) -> None:
        self._speed = SPEEDS[(SPEEDS.index(self._speed) + 1) % len(SPEEDS)]
        self.speed.setText(f"{self._speed:g}×")
        self.speedChosen.emit(self._speed)
