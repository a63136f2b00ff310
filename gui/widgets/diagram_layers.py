"""The diagram as two pictures that are drawn once: as it stands, and faded behind what a hover lights up."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPixmap

from engine.work.circuit_results import ENDS
from engine.work.requests import Pair
from gui.theme import Theme
from gui.widgets.diagram_layout import DiagramLayout
from gui.widgets.diagram_paint import DiagramContent, DiagramPainter

MOST_LABELS = 20  # at rest; what is lit has its own
_VEIL = 0.72


class DiagramLayers:
    """`forget` when anything changes; pictures are made again when they are next wanted."""

    def __init__(self) -> None:
        self._still: QPixmap | None = None
        self._faded: QPixmap | None = None

    def forget(self) -> None:
        self._still = self._faded = None

    def still(
        self,
        plot: QRectF,
        origin: QPointF,
        ratio: float,
        layout: DiagramLayout,
        content: DiagramContent,
        edges: Iterable[Pair],
        theme: Theme,
    ) -> QPixmap:
        """What lies in `plot` when the drawing is moved by `origin`, `ratio` pixels to a px."""
        if self._still is None or self._still.devicePixelRatio() != ratio:
            still = QPixmap((plot.size() * ratio).toSize())
            still.setDevicePixelRatio(ratio)
            still.fill(QColor(theme.window))
            painter = QPainter(still)
            painter.translate(-origin)
            drawing, shown, area = DiagramPainter(painter, layout, content, theme), list(edges), plot.translated(origin)
            drawing.ground(area)
            drawing.edges(shown)
            drawing.nodes([*content.radii, *(end for end in ENDS if end in layout.points)])
            drawing.sockets(shown)
            strongest = sorted(content.marks, key=lambda node: -content.mark(node).score)
            drawing.labels(strongest[:MOST_LABELS], False, area)
            painter.end()
            self._still, self._faded = still, None
        return self._still

    def faded(self, still: QPixmap, plot: QRectF, theme: Theme) -> QPixmap:
        """The same behind a veil."""
        if self._faded is None:
            self._faded = QPixmap(still)
            veil = QColor(theme.window)
            veil.setAlphaF(_VEIL)
            painter = QPainter(self._faded)
            painter.fillRect(plot, veil)
            painter.end()
        return self._faded
