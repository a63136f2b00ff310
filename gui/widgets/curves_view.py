"""Curves of a training run over its steps: losses above, scores of single heads below, in one time.

Pointing reads the values, a click asks for that step. Takes plain arrays; knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph
from PySide6.QtCore import QPointF, Qt, Signal, Slot
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from gui.theme import DARK, SECONDARY, SMALLEST, Theme, ui_font
from gui.widgets.curve import Curve

UNITS = ("loss (nats)", "score of a head")
AXIS_WIDTH = 48
MANY = 9  # curves: their values need a third line
CLOSE = 0.1  # of the range: names of lines that end nearer to each other would overlap


class CurvesView(QWidget):
    """`sought` carries the step under a click."""

    sought = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._panes = tuple(pyqtgraph.PlotWidget(enableMenu=False) for _ in range(2))
        self._curves: tuple[Sequence[Curve], Sequence[Curve]] = ((), ())
        self._jump: tuple[int, int] | None = None
        self._marks: tuple[int, ...] = ()
        self._lines: list[pyqtgraph.InfiniteLine] = []
        self._step = 0.0
        self.words = QLabel(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for pane in self._panes:
            pane.setMouseEnabled(x=False, y=False)
            pane.hideButtons()
            pane.getAxis("left").enableAutoSIPrefix(False)  # while it has no label: later the factor would stay
            menu = pane.getPlotItem().ctrlMenu  # never shown, and would outlive the window
            menu.setParent(self, menu.windowFlags())
            pane.scene().sigMouseMoved.connect(self._point)
            pane.scene().sigMouseClicked.connect(self._click)
            column.addWidget(pane, 1)
        self._panes[1].setXLink(self._panes[0])
        self.words.setWordWrap(True)  # a long reading must not widen the window
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.words)
        self.setAccessibleName("Curves of the training run")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.words.setFont(ui_font(theme.px(SMALLEST)))
        self.words.setStyleSheet(f"color: {theme.subtle}")
        self._fix_height()
        self._draw()

    def set_curves(self, above: Sequence[Curve], below: Sequence[Curve], jump: tuple[int, int] | None) -> None:
        """`jump` is shaded: from which step to which the circuit formed."""
        self._curves, self._jump = (above, below), jump
        self._fix_height()
        self._draw()
        self._tell(self._step)

    def set_marks(self, steps: Sequence[int]) -> None:
        """Where something was done to the run."""
        if tuple(steps) != self._marks:
            self._marks = tuple(steps)
            self._draw()

    def _fix_height(self) -> None:
        """The curves stay where they are whatever is read under the pointer."""
        lines = 2 if sum(map(len, self._curves)) < MANY else 3
        self.words.setFixedHeight(lines * QFontMetrics(self.words.font()).lineSpacing())

    def set_step(self, step: float) -> None:
        """The line through both panes."""
        self._step = step
        for line in self._lines:
            line.setValue(step)
        self._tell(step)

    def reading(self, step: float) -> str:
        """What the curves say at the measured step next to this one, and which that is."""
        told, measured = [], step
        for curve in (*self._curves[0], *self._curves[1]):
            if not curve.twin and len(curve.steps):
                nearest = int(np.abs(curve.steps - step).argmin())
                value, measured = float(curve.values[nearest]), float(curve.steps[nearest])
                told.append(f"{curve.name} {value:.2f}" if np.isfinite(value) else f"{curve.name} not measured")
        place = f"step {step:,.0f}" if measured == step else f"step {step:,.0f}, measured at {measured:,.0f}"
        return f"{place} · {' · '.join(told)}" if told else ""

    def _draw(self) -> None:
        theme = self._theme
        self._lines = []
        for pane, curves, unit in zip(self._panes, self._curves, UNITS, strict=True):
            pane.clear()
            pane.getAxis("left").setWidth(theme.px(AXIS_WIDTH))  # the same: one time stands under both
            pane.setBackground(theme.window)
            for side in ("left", "bottom"):
                axis = pane.getAxis(side)
                axis.setPen(theme.hairline)
                axis.setTextPen(theme.subtle)
                axis.setStyle(tickFont=ui_font(theme.px(SMALLEST)))
            pane.setLabel("left", unit, color=theme.subtle)
            if self._jump is not None:
                shade = pyqtgraph.mkColor(theme.induction)
                shade.setAlphaF(0.14)
                pane.addItem(pyqtgraph.LinearRegionItem(self._jump, movable=False, brush=shade, pen=shade))
            low, high = _range(curves)
            pane.setYRange(low, high + CLOSE * (high - low))  # room for a name above the highest
            named = [curve for curve in curves if curve.wide or curve.twin or pane is self._panes[0]]
            for curve in curves:
                self._add(pane, curve)
            for curve in named:  # of the heads only the best: their lines lie close
                over = any(0 < other.end - curve.end < CLOSE * (high - low) for other in named)
                self._name(pane, curve, under=over)
            for mark in self._marks:
                dashed = pyqtgraph.mkPen(theme.duplicate, width=theme.scale, style=Qt.PenStyle.DashLine)
                pane.addItem(pyqtgraph.InfiniteLine(mark, pen=dashed))
            line = pyqtgraph.InfiniteLine(self._step, pen=pyqtgraph.mkPen(theme.text, width=theme.scale))
            pane.addItem(line)
            self._lines.append(line)

    def _add(self, pane: pyqtgraph.PlotWidget, curve: Curve) -> None:
        theme = self._theme
        style = Qt.PenStyle.DashLine if curve.twin else Qt.PenStyle.SolidLine
        pen = pyqtgraph.mkPen(
            self._theme.role(curve.role), width=(2.4 if curve.wide else 1.3) * theme.scale, style=style
        )
        pane.plot(curve.steps, curve.values, pen=pen, connect="finite")

    def _name(self, pane: pyqtgraph.PlotWidget, curve: Curve, under: bool) -> None:
        """At the end of the line; `under` it where another ends just above."""
        if not np.isfinite(curve.end):
            return
        label = pyqtgraph.TextItem(curve.name, color=self._theme.role(curve.role), anchor=(1.0, 0.0 if under else 1.0))
        label.setFont(ui_font(self._theme.px(SECONDARY)))
        label.setPos(float(curve.steps[np.isfinite(curve.values)][-1]), curve.end)
        pane.addItem(label, ignoreBounds=True)

    def _tell(self, step: float) -> None:
        self.words.setText(self.reading(step))
        self.words.setToolTip(self.words.text())

    def _step_at(self, place: QPointF) -> float:
        return float(self._panes[0].getViewBox().mapSceneToView(place).x())

    @Slot(object)
    def _point(self, place: QPointF) -> None:
        self._tell(max(0.0, self._step_at(place)))

    @Slot(object)
    def _click(self, event: object) -> None:
        place = getattr(event, "scenePos", None)
        if callable(place):
            self.sought.emit(max(0.0, self._step_at(place())))


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    """The least and the largest value that was measured."""
    values = np.concatenate([curve.values for curve in curves]) if curves else np.zeros(1)
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
