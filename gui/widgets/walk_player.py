"""The clock of the walk: which step is on, how far it has come, and whether it runs by itself. Paints nothing.

`told` carries step and time; a recording can drive the same picture by `seek`.
"""

from __future__ import annotations

from PySide6.QtCore import QAbstractAnimation, QObject, QVariantAnimation, Signal, Slot

MOVES_MS, HOLDS_MS = 1600, 1600  # at usual speed: something moves, then it can be read
SPEEDS = (0.5, 1.0, 2.0)


class WalkPlayer(QObject):
    """Steps are numbers from 0; `told(step, time)` whenever either changes, `running(bool)` when it starts or stops."""

    told = Signal(int, float)
    running = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.count, self.step, self.speed = 0, 0, 1.0
        self.plays = False
        self._clock = QVariantAnimation(self)
        self._clock.setStartValue(0.0)
        self._clock.setEndValue(1.0)
        self._clock.valueChanged.connect(self._tick)
        self._clock.finished.connect(self._next)

    def set_count(self, count: int) -> None:
        """How many steps there are; the last one is shown, finished."""
        self.stop()
        self.count, self.step = count, max(0, count - 1)
        self.told.emit(self.step, 1.0)

    def seek(self, step: int, moving: bool = False) -> None:
        """To a step: at its end, or moving towards it."""
        if not self.count:
            return
        self._clock.stop()
        self.step = min(max(step, 0), self.count - 1)
        if moving:
            self._clock.setDuration(round((MOVES_MS + HOLDS_MS) / self.speed))
            self._clock.start()
        else:
            self.told.emit(self.step, 1.0)

    def set_speed(self, speed: float) -> None:
        self.speed = speed
        if self._clock.state() == QAbstractAnimation.State.Running:
            self.seek(self.step, moving=True)

    @Slot()
    def toggle(self) -> None:
        """Play, from the beginning if the end is shown, or pause."""
        if self.plays:
            self.stop()
        elif self.count:
            self._play(True)
            self.seek(0 if self.step >= self.count - 1 else self.step + 1, moving=True)

    @Slot()
    def stop(self) -> None:
        """Nothing moves any more; the step stands finished."""
        moving = self._clock.state() == QAbstractAnimation.State.Running
        self._clock.stop()
        self._play(False)
        if moving:
            self.told.emit(self.step, 1.0)

    @Slot()
    def back(self) -> None:
        self._play(False)
        self.seek(self.step - 1)

    @Slot()
    def forward(self) -> None:
        """One step on, moving."""
        self._play(False)
        if self.step < self.count - 1:
            self.seek(self.step + 1, moving=True)

    def _play(self, on: bool) -> None:
        if on != self.plays:
            self.plays = on
            self.running.emit(on)

    @Slot(object)
    def _tick(self, value: float) -> None:
        share = MOVES_MS / (MOVES_MS + HOLDS_MS)
        self.told.emit(self.step, min(1.0, float(value) / share))

    @Slot()
    def _next(self) -> None:
        if not self.plays:
            return
        if self.step >= self.count - 1:
            self._play(False)
        else:
            self.seek(self.step + 1, moving=True)
