"""Two charts of a training run over one time, with the step that is shown as a line that can be dragged.

Pointing reads the values, a click or a drag asks for that step. Takes plain arrays; knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph
from PySide6.QtCore import QPointF, Qt, Signal, Slot
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from gui.theme import DARK, SECONDARY, SMALLEST, Theme, ui_font
from gui.widgets.curve import Chart, Curve, along, step_at

AXIS_WIDTH = 48
MANY = 9  # curves: their values need a third line
CLOSE = 0.1  # of the range: names of lines that end nearer to each other would overlap
LOG_TICKS = (0, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
EMPTY = Chart("", ())


class CurvesView(QWidget):
    """`sought` carries the step under a click, or where the line was dragged to."""

    sought = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._log = DARK, False
        self._panes = tuple(pyqtgraph.PlotWidget(enableMenu=False) for _ in range(2))
        self._charts = (EMPTY, EMPTY)
        self._jump: tuple[int, int] | None = None
        self._marks: tuple[tuple[int, str], ...] = ()
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

    def set_charts(self, above: Chart, below: Chart, jump: tuple[int, int] | None) -> None:
        """`jump` is shaded: from which step to which the circuit formed."""
        self._charts, self._jump = (above, below), jump
        self._fix_height()
        self._draw()
        self._tell(self._step)

    def set_marks(self, marks: Sequence[tuple[int, str]]) -> None:
        """Steps at which something was done to the run, and what."""
        if tuple(marks) != self._marks:
            self._marks = tuple(marks)
            self._draw()

    def set_log(self, log: bool) -> None:
        """Whether steps stand on a logarithmic scale."""
        self._log = log
        self._draw()

    def _fix_height(self) -> None:
        """The curves stay where they are whatever is read under the pointer."""
        count = sum(len(chart.curves) for chart in self._charts)
        self.words.setFixedHeight((2 if count < MANY else 3) * QFontMetrics(self.words.font()).lineSpacing())

    def set_step(self, step: float) -> None:
        """The line through both charts."""
        self._step = step
        for line in self._lines:
            line.setValue(along(step, self._log))
        self._tell(step)

    def reading(self, step: float) -> str:
        """What the curves say at the measured step next to this one, and which that is."""
        told, measured = [], step
        for curve in (curve for chart in self._charts for curve in chart.curves):
            steps, values = curve.measured
            if not curve.twin and len(curve.steps):
                if not len(steps):
                    told.append(f"{curve.name} not measured")
                    continue
                nearest = int(np.abs(steps - step).argmin())
                measured = float(steps[nearest])
                told.append(f"{curve.name} {values[nearest]:.2f}")
        place = f"step {step:,.0f}" if measured == step else f"step {step:,.0f}, measured at {measured:,.0f}"
        return f"{place} · {' · '.join(told)}" if told else ""

    # ------------------------------------------------------------ drawing
    def _draw(self) -> None:
        theme = self._theme
        self._lines = []
        for pane, chart in zip(self._panes, self._charts, strict=True):
            pane.clear()
            pane.getAxis("left").setWidth(theme.px(AXIS_WIDTH))  # the same: one time stands under both
            pane.setBackground(theme.window)
            for side in ("left", "bottom"):
                axis = pane.getAxis(side)
                axis.setPen(theme.hairline)
                axis.setTextPen(theme.subtle)
                axis.setStyle(tickFont=ui_font(theme.px(SMALLEST)))
            ticks = [[(along(step, True), f"{step:,}") for step in LOG_TICKS]] if self._log else None
            pane.getAxis("bottom").setTicks(ticks)
            pane.setLabel("left", chart.unit, color=theme.subtle)
            if self._jump is not None:
                shade = pyqtgraph.mkColor(theme.induction)
                shade.setAlphaF(0.14)
                ends = [along(step, self._log) for step in self._jump]
                pane.addItem(pyqtgraph.LinearRegionItem(ends, movable=False, brush=shade, pen=shade))
            low, high = _range(chart.curves)
            pane.setYRange(low, high + CLOSE * (high - low))  # room for a name above the highest
            for curve in chart.curves:
                self._add(pane, curve)
            taken = list[float]()
            for curve in sorted((one for one in chart.curves if one.named), key=_end, reverse=True):
                self._name(pane, curve, taken, CLOSE * (high - low))
            self._add_lines(pane, with_words=pane is self._panes[0])

    def _add(self, pane: pyqtgraph.PlotWidget, curve: Curve) -> None:
        theme = self._theme
        style = Qt.PenStyle.DashLine if curve.twin else Qt.PenStyle.SolidLine
        width = (2.4 if curve.wide else 1.3) * theme.scale
        steps, values = curve.measured
        places = [along(step, self._log) for step in steps.tolist()]
        pane.plot(places, values, pen=pyqtgraph.mkPen(theme.role(curve.role), width=width, style=style))

    def _name(self, pane: pyqtgraph.PlotWidget, curve: Curve, taken: list[float], room: float) -> None:
        """At the end of the line, above it; lower where a name stands there already. From the highest down."""
        steps, values = curve.measured
        if not len(values):
            return
        bottom = float(values[-1])
        if taken and bottom > taken[-1] - room:
            bottom = taken[-1] - room
        taken.append(bottom)
        ground = pyqtgraph.mkColor(self._theme.window)
        ground.setAlphaF(0.55)  # lines under a name must not strike it out
        colour = self._theme.role(curve.role)
        label = pyqtgraph.TextItem(curve.name, color=colour, anchor=(1.0, 1.0), fill=ground)
        label.setFont(ui_font(self._theme.px(SECONDARY)))
        label.setPos(along(float(steps[-1]), self._log), bottom)
        pane.addItem(label, ignoreBounds=True)

    def _add_lines(self, pane: pyqtgraph.PlotWidget, with_words: bool) -> None:
        theme = self._theme
        for step, words in self._marks:
            dashed = pyqtgraph.mkPen(theme.duplicate, width=theme.scale, style=Qt.PenStyle.DashLine)
            mark = pyqtgraph.InfiniteLine(along(step, self._log), pen=dashed)
            if with_words:
                label = pyqtgraph.InfLineLabel(
                    mark, words or "undisturbed again", position=0.98, rotateAxis=(1, 0), anchors=((1, 0), (1, 0))
                )
                label.setColor(theme.duplicate)
                label.setFont(ui_font(theme.px(SMALLEST)))
            pane.addItem(mark)
        pen, hover = (pyqtgraph.mkPen(theme.text, width=width * theme.scale) for width in (1.0, 3.0))
        line = pyqtgraph.InfiniteLine(along(self._step, self._log), movable=True, pen=pen, hoverPen=hover)
        line.sigDragged.connect(self._drag)
        pane.addItem(line)
        self._lines.append(line)

    # ------------------------------------------------------------ the pointer
    def _tell(self, step: float) -> None:
        self.words.setText(self.reading(step))
        self.words.setToolTip(self.words.text())

    def _step_at(self, place: QPointF) -> float:
        return step_at(float(self._panes[0].getViewBox().mapSceneToView(place).x()), self._log)

    @Slot(object)
    def _point(self, place: QPointF) -> None:
        self._tell(self._step_at(place))

    @Slot(object)
    def _click(self, event: object) -> None:
        place = getattr(event, "scenePos", None)
        if callable(place):
            self.sought.emit(self._step_at(place()))

    @Slot(object)
    def _drag(self, line: pyqtgraph.InfiniteLine) -> None:
        self.sought.emit(step_at(float(line.value()), self._log))


def _end(curve: Curve) -> float:
    return float(np.nan_to_num(curve.end, nan=-np.inf))


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    """The least and the largest value that was measured."""
    values = np.concatenate([curve.values for curve in curves]) if curves else np.zeros(1)
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
