"""The row that goes through the checkpoints of a run: a slider, play, loop. Keys: Left, Right, Home, End, Space."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget
from typing_extensions import override

from gui.theme import SECONDARY, Theme, ui_font

PLAY_MS = 220


class TimelineBar(QWidget):
    """`sought` carries the step of the checkpoint that was chosen. Checkpoints stand at equal distances."""

    sought = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.steps: tuple[int, ...] = ()  # of the checkpoints, in order
        self.play, self.loop, self.slider, self.words = QToolButton(), QToolButton(), QSlider(), QLabel()
        self.play.setText("▶ Play")
        self.play.setToolTip("Goes through the checkpoints (Space).")
        self.loop.setText("Loop")
        self.loop.setToolTip("Begins again at the end.")
        self.loop.setCheckable(True)
        self.slider.setOrientation(Qt.Orientation.Horizontal)
        self.slider.setPageStep(5)
        self.slider.setAccessibleName("Checkpoint")
        self.slider.setToolTip("Every panel shows the model as it was at this step.")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.play, self.loop, self.slider, self.words):
            self._row.addWidget(widget, 1 if widget is self.slider else 0)
        self._clock = QTimer(self)
        self._clock.setInterval(PLAY_MS)
        self._clock.timeout.connect(self._next)
        self.play.clicked.connect(self.toggle)
        self.slider.valueChanged.connect(self._tell)

    def set_theme(self, theme: Theme) -> None:
        for widget in (self.play, self.loop, self.words):
            widget.setFont(ui_font(theme.px(SECONDARY)))
        self.words.setStyleSheet(f"color: {theme.text}")
        self._row.setSpacing(theme.px(6))

    def set_steps(self, steps: Sequence[int], step: int) -> None:
        """The checkpoints there are, and the one that is shown; emits nothing."""
        self.steps = tuple(steps)
        self.setEnabled(bool(steps))
        blocked = QSignalBlocker(self.slider)
        self.slider.setRange(0, max(0, len(steps) - 1))
        if step in self.steps:
            self.slider.setValue(self.steps.index(step))
        blocked.unblock()
        self.words.setText(f"step {step:,} of {self.steps[-1]:,}" if self.steps else "")

    def seek(self, step: float) -> None:
        """To the checkpoint next to a step."""
        if self.steps:
            self.slider.setValue(min(range(len(self.steps)), key=lambda n: abs(self.steps[n] - step)))

    @property
    def step(self) -> int | None:
        """Of the checkpoint under the handle."""
        return self.steps[self.slider.value()] if self.steps else None

    @property
    def plays(self) -> bool:
        return self._clock.isActive()

    @Slot()
    def toggle(self) -> None:
        if self.plays or not self.steps:
            self.stop()
            return
        if self.slider.value() == self.slider.maximum():
            self.slider.setValue(0)
        self._clock.start()
        self.play.setText("❚❚ Pause")

    @Slot()
    def stop(self) -> None:
        self._clock.stop()
        self.play.setText("▶ Play")

    @Slot()
    def _next(self) -> None:
        if self.slider.value() < self.slider.maximum():
            self.slider.setValue(self.slider.value() + 1)
        elif self.loop.isChecked():
            self.slider.setValue(0)
        else:
            self.stop()

    @Slot(int)
    def _tell(self, place: int) -> None:
        if self.steps:
            self.words.setText(f"step {self.steps[place]:,} of {self.steps[-1]:,}")
            self.sought.emit(self.steps[place])

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key = Qt.Key(event.key())
        if key in moves:
            self.slider.setValue(self.slider.value() + moves[key])
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.slider.setValue(0 if key == Qt.Key.Key_Home else self.slider.maximum())
        elif key == Qt.Key.Key_Space:
            self.toggle()
        else:
            super().keyPressEvent(event)

    @override
    def hideEvent(self, event: QHideEvent) -> None:
        self.stop()
        super().hideEvent(event)
