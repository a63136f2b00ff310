"""The row that goes through the checkpoints of a run: a slider, play, loop. Keys: Left, Right, Home, End, Space."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QHideEvent, QKeyEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QStyle, QToolButton, QWidget
from typing_extensions import override

from gui.theme import DARK, SECONDARY, Theme, ui_font
from gui.widgets.curve import along

PLAY_MS = 220
PLACES = 4000  # of the handle


class StepSlider(QSlider):
    """A slider over steps, with the jump and what was done to the run marked under its groove."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._theme = DARK
        self._last, self._log = 1, False
        self._jump: tuple[int, int] | None = None
        self._marks: tuple[int, ...] = ()
        self.setRange(0, PLACES)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def set_scale(self, last: int, log: bool) -> None:
        self._last, self._log = max(1, last), log
        self.update()

    def set_marks(self, jump: tuple[int, int] | None, marks: Sequence[int]) -> None:
        self._jump, self._marks = jump, tuple(marks)
        self.update()

    def place_of(self, step: int) -> int:
        """Where the handle stands at a step."""
        return round(PLACES * along(step, self._log) / along(self._last, self._log))

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()  # the row goes by checkpoints

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._jump is None and not self._marks:
            return
        painter, high = QPainter(self), self._theme.px(3)
        if self._jump is not None:
            left, right = (self._x(step) for step in self._jump)
            painter.fillRect(left, self.height() - high, max(2, right - left), high, QColor(self._theme.induction))
        for step in self._marks:
            painter.fillRect(self._x(step) - 1, self.height() - 2 * high, 2, 2 * high, QColor(self._theme.duplicate))

    def _x(self, step: int) -> int:
        handle = self.style().pixelMetric(QStyle.PixelMetric.PM_SliderLength, None, self)
        span = self.width() - handle
        return handle // 2 + QStyle.sliderPositionFromValue(0, PLACES, self.place_of(step), span)


class TimelineBar(QWidget):
    """`sought` carries the step of the checkpoint that was chosen. The handle stands at the checkpoint next to it."""

    sought = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.steps: tuple[int, ...] = ()  # of the checkpoints, in order
        self.step: int | None = None  # of the checkpoint under the handle
        self.play, self.loop, self.slider, self.words = QToolButton(), QToolButton(), StepSlider(), QLabel()
        self.play.setText("▶ Play")
        self.play.setToolTip("Goes through the checkpoints (Space).")
        self.loop.setText("Loop")
        self.loop.setToolTip("Begins again at the end.")
        self.loop.setCheckable(True)
        self.slider.setAccessibleName("Checkpoint")
        self.slider.setToolTip("Every panel shows the model as it was at this step. Under it: the jump.")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.play, self.loop, self.slider, self.words):
            self._row.addWidget(widget, 1 if widget is self.slider else 0)
        self._log = False
        self._clock = QTimer(self)
        self._clock.setInterval(PLAY_MS)
        self._clock.timeout.connect(self._next)
        self.play.clicked.connect(self.toggle)
        self.slider.valueChanged.connect(self._move)

    def set_theme(self, theme: Theme) -> None:
        for widget in (self.play, self.loop, self.words):
            widget.setFont(ui_font(theme.px(SECONDARY)))
        self.words.setStyleSheet(f"color: {theme.text}")
        self.slider.set_theme(theme)
        self._row.setSpacing(theme.px(6))

    def set_steps(self, steps: Sequence[int], step: int) -> None:
        """The checkpoints there are, and the one that is shown; emits nothing."""
        self.steps = tuple(steps)
        self.setEnabled(bool(steps))
        if self.steps:
            self.slider.set_scale(self.steps[-1], self._log)
            self._stand_at(step if step in self.steps else self.steps[-1])
        else:
            self.step = None
            self.words.setText("")

    @Slot(bool)
    def set_log(self, log: bool) -> None:
        """Whether steps stand on a logarithmic scale."""
        self._log = log
        if self.steps and self.step is not None:
            self.slider.set_scale(self.steps[-1], log)
            self._stand_at(self.step)

    def seek(self, step: float) -> None:
        """To the checkpoint next to a step."""
        if self.steps:
            self._choose(min(self.steps, key=lambda one: abs(one - step)))

    def go(self, by: int) -> None:
        """So many checkpoints on, or back."""
        if self.step is not None:
            place = self.steps.index(self.step) + by
            self._choose(self.steps[min(max(0, place), len(self.steps) - 1)])

    @property
    def plays(self) -> bool:
        return self._clock.isActive()

    @Slot()
    def toggle(self) -> None:
        if self.plays or not self.steps:
            self.stop()
            return
        if self.step == self.steps[-1]:
            self._choose(self.steps[0])
        self._clock.start()
        self.play.setText("❚❚ Pause")

    @Slot()
    def stop(self) -> None:
        self._clock.stop()
        self.play.setText("▶ Play")

    @Slot()
    def _next(self) -> None:
        if self.step != self.steps[-1]:
            self.go(1)
        elif self.loop.isChecked():
            self._choose(self.steps[0])
        else:
            self.stop()

    @Slot(int)
    def _move(self, place: int) -> None:
        """The handle is where the hand is; the checkpoint next to it is shown."""
        if self.steps:
            step = min(self.steps, key=lambda one: abs(self.slider.place_of(one) - place))
            if step != self.step:
                self._tell(step)
                self.sought.emit(step)

    def _choose(self, step: int) -> None:
        if step != self.step:
            self._stand_at(step)
            self.sought.emit(step)

    def _stand_at(self, step: int) -> None:
        blocked = QSignalBlocker(self.slider)
        self.slider.setValue(self.slider.place_of(step))
        blocked.unblock()
        self._tell(step)

    def _tell(self, step: int) -> None:
        self.step = step
        self.words.setText(f"step {step:,} of {self.steps[-1]:,}")

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_PageUp: -5,
            Qt.Key.Key_PageDown: 5,
            Qt.Key.Key_Home: -len(self.steps),
            Qt.Key.Key_End: len(self.steps),
        }
        key = Qt.Key(event.key())
        if key in moves:
            self.go(moves[key])
        elif key == Qt.Key.Key_Space:
            self.toggle()
        else:
            super().keyPressEvent(event)

    @override
    def hideEvent(self, event: QHideEvent) -> None:
        self.stop()
        super().hideEvent(event)
