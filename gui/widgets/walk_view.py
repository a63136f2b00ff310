"""The picture of the walk: tokens as columns, two layers as bands, and what goes from one to the other.

Earlier steps stand still in one kept picture; only the present step moves, as dots along its paths. `set_time` says how
far: the same clock can drive a window or a recording.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from gui.theme import DARK, SECONDARY, SMALLEST, Theme, mono_font, ui_font
from gui.widgets.walk_scene import Mark, Scene, WalkLayout

DOTS = 5  # on the way along a path
QUIET = 0.6  # opacity of the steps before; in the last step all are bright


class WalkView(QWidget):
    """Shows a scene up to a step; the present step is bright, the ones before quieter."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._scene = Scene()
        self._step, self._time = "", 1.0
        self._layout = WalkLayout(self._scene, QSizeF(1, 1), DARK)
        self._words_at: dict[Mark, QPointF] = {}
        self._still: QPixmap | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("The circuit on this prompt")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._arrange()

    def set_scene(self, scene: Scene) -> None:
        self._scene = scene
        self._arrange()

    def set_time(self, step: str, time: float) -> None:
        """The present step, and how far it has come, 0 to 1."""
        if step != self._step:
            self._step, self._still = step, None
        self._time = min(max(time, 0.0), 1.0)
        self.update()

    def words(self) -> list[str]:
        """What is written in the picture now."""
        return [mark.words for mark in self._shown() if mark.words]

    def _shown(self) -> list[Mark]:
        steps = self._scene.steps
        known = steps[: steps.index(self._step) + 1] if self._step in steps else steps
        return [mark for mark in self._scene.marks if mark.step in known]

    def _arrange(self) -> None:
        self._layout = WalkLayout(self._scene, QSizeF(self.size()), self._theme)
        self._words_at = self._placed()
        self._still = None
        self.update()

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        self._arrange()

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(720), self._theme.px(460))

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(300), self._theme.px(240))

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._scene.columns:
            return
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._still_layer())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for mark in self._shown():
            if mark.step == self._step or self._step not in self._scene.steps:
                self._paint_mark(painter, mark, self._time)

    def _still_layer(self) -> QPixmap:
        """Columns, bands and the steps before the present one."""
        if self._still is None:
            ratio = self.devicePixelRatioF()
            self._still = QPixmap(self.size() * ratio)
            self._still.setDevicePixelRatio(ratio)
            self._still.fill(QColor(self._theme.window))
            painter = QPainter(self._still)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_ground(painter)
            finished = self._step == self._scene.steps[-1] if self._scene.steps else True
            painter.setOpacity(1.0 if finished else QUIET)
            for mark in self._shown():
                if mark.step != self._step and self._step in self._scene.steps:
                    self._paint_mark(painter, mark, 1.0)
            painter.end()
        return self._still

    def _paint_ground(self, painter: QPainter) -> None:
        theme, layout, scene = self._theme, self._layout, self._scene
        painter.setFont(ui_font(theme.px(SMALLEST)))
        for level, name in (("writer", scene.layers[0]), ("reader", scene.layers[1])):
            if name:
                band = layout.band(level)  # type: ignore[arg-type]  # both are levels
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.base))
                painter.drawRoundedRect(band, theme.px(8), theme.px(8))
                painter.setPen(QColor(theme.subtle))
                painter.drawText(band.topLeft() + QPointF(theme.px(8), theme.px(16)), name)
        self._paint_columns(painter)
        painter.setPen(QPen(QColor(theme.hairline), theme.scale, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(layout.box(), theme.px(8), theme.px(8))

    def _paint_columns(self, painter: QPainter) -> None:
        theme, layout = self._theme, self._layout
        painter.setFont(mono_font(theme.px(SECONDARY)))
        metrics = QFontMetricsF(painter.font())
        special = [place for place, column in enumerate(self._scene.columns) if column.role != "none"]
        order = [*special, *(place for place in range(len(self._scene.columns)) if place not in special)]
        taken: list[tuple[float, float]] = []
        for place in order:
            column, x = self._scene.columns[place], layout.x(place)
            marked = column.role != "none"
            colour = QColor(theme.role(column.role) if marked else theme.hairline)
            painter.setPen(QPen(colour, (2.4 if marked else 1.0) * theme.scale))
            painter.drawLine(QPointF(x, layout.bottom - theme.px(6)), QPointF(x, layout.top + theme.px(24)))
            width = metrics.horizontalAdvance(column.text) + theme.px(8)
            left = max(x - width / 2, float(theme.px(2)))
            if any(left < end and left + width > start for start, end in taken) and not marked:
                continue
            taken.append((left, left + width))
            painter.setPen(QColor(theme.role(column.role) if marked else theme.subtle))
            painter.drawText(QPointF(left + theme.px(4), layout.bottom + theme.px(16)), column.text)

    def _paint_mark(self, painter: QPainter, mark: Mark, time: float) -> None:
        theme, colour = self._theme, QColor(self._theme.role(mark.role))
        place = self._layout.point(mark.end)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if mark.shape in ("flow", "line"):
            self._paint_path(painter, mark, colour, time)
        elif mark.shape == "box":
            self._paint_box(painter, colour)
        else:
            size = theme.px(9) * (0.4 + 0.6 * time)
            painter.setPen(QPen(colour, 2.6 * theme.scale))
            painter.setBrush(colour if mark.shape == "dot" else QColor(theme.window))
            painter.drawEllipse(place, size, size)
        if mark.words:
            self._paint_words(painter, mark, colour, time)

    def _paint_path(self, painter: QPainter, mark: Mark, colour: QColor, time: float) -> None:
        """The path as far as it has grown; what flows along it is drawn as dots until it has arrived."""
        theme, whole = self._theme, self._layout.path(mark)
        pen = QPen(colour, (1.6 + 7.0 * mark.weight * (0.5 if mark.dashed else 1.0)) * theme.scale)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        if mark.dashed:
            pen.setWidthF(2.2 * theme.scale)
            pen.setDashPattern([3.0, 2.6])
        painter.setPen(pen)
        if mark.shape == "line":
            painter.drawPath(_grown(whole, time))
            return
        faint = QColor(colour)
        faint.setAlphaF(0.55)
        pen.setColor(faint)
        painter.setPen(pen)
        painter.drawPath(_grown(whole, min(1.0, time * 1.4)))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        for number in range(DOTS):
            at = time * 1.4 - number * 0.08
            if 0.0 <= at <= 1.0 and time < 1.0:
                painter.drawEllipse(whole.pointAtPercent(at), theme.px(5), theme.px(5))

    def _paint_box(self, painter: QPainter, colour: QColor) -> None:
        theme, box = self._theme, self._layout.box()
        painter.setPen(QPen(colour, 2 * theme.scale))
        painter.setBrush(QColor(theme.window))
        painter.drawRoundedRect(box, theme.px(8), theme.px(8))
        painter.setFont(mono_font(theme.px(SECONDARY)))
        words = QFontMetricsF(painter.font()).elidedText(
            self._scene.prediction, Qt.TextElideMode.ElideRight, box.width() - theme.px(8)
        )
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)

    def _placed(self) -> dict[Mark, QPointF]:
        """Where each mark's words stand: where it wants them, or else above or below what stands there already."""
        metrics, taken = QFontMetricsF(self._font()), [self._layout.box()]
        found: dict[Mark, QPointF] = {}
        for mark in self._scene.marks:
            if not mark.words:
                continue
            size = QSizeF(metrics.horizontalAdvance(mark.words), metrics.height())
            wanted = self._layout.words_at(mark, size.width(), size.height())
            tries = [QPointF(0, turn * size.height() * 0.5) for turn in sorted(range(-8, 9), key=abs)]
            boxes = [QRectF(wanted + shift - QPointF(0, metrics.ascent()), size) for shift in tries]
            free = next((n for n, box in enumerate(boxes) if not any(box.intersects(other) for other in taken)), 0)
            taken.append(boxes[free])
            found[mark] = wanted + tries[free]
        return found

    def _font(self) -> QFont:
        return ui_font(self._theme.px(SECONDARY), 600)

    def _paint_words(self, painter: QPainter, mark: Mark, colour: QColor, time: float) -> None:
        """On a patch of ground, so that lines behind do not cross them."""
        theme = self._theme
        painter.setFont(self._font())
        metrics, at = QFontMetricsF(painter.font()), self._words_at[mark]
        width, height = metrics.horizontalAdvance(mark.words), metrics.height()
        patch = QRectF(at.x() - theme.px(3), at.y() - metrics.ascent() - 1, width + theme.px(6), height + 2)
        ground = QColor(theme.base)
        ground.setAlphaF(0.86)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(patch, theme.px(3), theme.px(3))
        shade = QColor(colour)
        shade.setAlphaF(min(1.0, 0.2 + time))
        painter.setPen(shade)
        painter.drawText(at, mark.words)


def _grown(path: QPainterPath, share: float) -> QPainterPath:
    """The first part of a path."""
    if share >= 1.0:
        return path
    part = QPainterPath(path.pointAtPercent(0.0))
    steps = max(2, round(40 * share))
    for number in range(1, steps + 1):
        part.lineTo(path.pointAtPercent(share * number / steps))
    return part
