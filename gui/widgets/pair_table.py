"""Three rows for a pair of heads, one for each way that one may feed the other: what is used here beside what is
possible from weights, and the figures behind it. Knows plain values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from engine.work.requests import PairKind
from gui.theme import DARK, SECONDARY, SMALLEST, Theme, mono_font, ui_font
from gui.widgets.diagram_model import READS
from gui.widgets.diagram_paint import kind_colour, paint_mark

_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_LABEL, _VALUE = 86, 46  # px: columns of words and of numbers
_HEADER, _BARS, _FIGURES = 20, 22, 17  # px: heights
_TICK_FROM = 0.02  # a tick at the very beginning would be taken for an axis
_MISSING = "not measured"


@dataclass(frozen=True)
class PairRow:
    """`used`: the share of the attention that goes with the path, `control` the same for other heads, `restored` the
    share that comes back with the path alone; `possible`: the share of the ceiling. None: not measured."""

    kind: PairKind
    used: float | None = None
    control: float | None = None
    restored: float | None = None
    possible: float | None = None
    used_text: str = _MISSING
    possible_text: str = _MISSING
    figures: str = ""
    tip: str = ""


class PairTable(QWidget):
    """`kindClicked` carries the kind of a row, by mouse, or by up and down."""

    kindClicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._rows: tuple[PairRow, ...] = ()
        self._chosen: PairKind | None = None
        self._heads = ("used here", "possible")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("The pair by queries, keys and values")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._fit()
        self.update()

    def set_rows(self, rows: Sequence[PairRow], chosen: PairKind) -> None:
        self._rows, self._chosen = tuple(rows), chosen
        said = (f"{READS[row.kind]}: used {row.used_text}, possible {row.possible_text}, {row.figures}" for row in rows)
        self.setAccessibleDescription("; ".join(said))
        self._fit()
        self.update()

    def row_rect(self, index: int) -> QRectF:
        height = self._theme.px(_BARS + _FIGURES)
        return QRectF(0, self._theme.px(_HEADER) + index * height, self.width(), height)

    # ------------------------------------------------------------ size
    def _fit(self) -> None:
        self.setMinimumHeight(self.sizeHint().height())
        self.updateGeometry()

    @override
    def sizeHint(self) -> QSize:
        rows = max(1, len(self._rows))
        return QSize(self._theme.px(420), self._theme.px(_HEADER + rows * (_BARS + _FIGURES)))

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(240), self.sizeHint().height())

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_header(painter)
        for index, row in enumerate(self._rows):
            self._paint_row(painter, row, self.row_rect(index))

    def _tracks(self) -> tuple[QRectF, QRectF]:
        """The two columns of bars, at the top of the widget, numbers excluded."""
        px, left = self._theme.px, self._theme.px(_LABEL)
        half = max(1.0, (self.width() - left - px(22)) / 2)
        room = max(1.0, half - px(_VALUE))
        return QRectF(left, 0, room, px(_BARS)), QRectF(left + half + px(16), 0, room, px(_BARS))

    def _paint_header(self, painter: QPainter) -> None:
        painter.setFont(ui_font(self._theme.px(SMALLEST)))
        painter.setPen(QColor(self._theme.subtle))
        for track, words in zip(self._tracks(), self._heads, strict=True):
            box = QRectF(track.left(), 0, track.width() + self._theme.px(_VALUE), self._theme.px(_HEADER))
            painter.drawText(box, _MIDDLE, words)

    def _paint_row(self, painter: QPainter, row: PairRow, area: QRectF) -> None:
        theme, px = self._theme, self._theme.px
        chosen = row.kind == self._chosen
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.raised))
            painter.drawRoundedRect(area, px(4), px(4))
        if chosen and self.hasFocus():
            painter.setPen(QPen(QColor(theme.accent), theme.scale))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), px(4), px(4))
        colour = kind_colour(row.kind, theme)
        line = QRectF(area.left(), area.top(), area.width(), px(_BARS))
        paint_mark(painter, row.kind, QPointF(px(13), line.center().y()), px(7), colour, QColor(theme.base))
        painter.setFont(ui_font(px(SECONDARY), 600 if chosen else 400))
        painter.setPen(QColor(theme.text))
        painter.drawText(line.adjusted(px(26), 0, 0, 0), _MIDDLE, READS[row.kind])
        used, possible = (track.translated(0, area.top()) for track in self._tracks())
        self._paint_value(painter, used, row.used, row.used_text, colour)
        self._paint_extras(painter, used, row)
        self._paint_value(painter, possible, row.possible, row.possible_text, colour)
        painter.setFont(ui_font(px(SMALLEST)))
        painter.setPen(QColor(theme.subtle))
        room = area.width() - px(26) - px(4)
        words = QFontMetricsF(painter.font()).elidedText(row.figures, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRectF(px(26), line.bottom() - px(2), room, px(_FIGURES)), _MIDDLE, words)

    def _paint_value(self, painter: QPainter, track: QRectF, value: float | None, text: str, colour: QColor) -> None:
        px = self._theme.px
        painter.setFont(mono_font(px(SECONDARY)) if value is not None else ui_font(px(SMALLEST)))
        painter.setPen(QColor(self._theme.text if value is not None else self._theme.subtle))
        whole = track.adjusted(0, 0, px(_VALUE), 0)
        aligned = _MIDDLE | (Qt.AlignmentFlag.AlignRight if value is not None else Qt.AlignmentFlag.AlignLeft)
        painter.drawText(whole, aligned, text)
        if value is not None:
            self._bar(painter, track, value, px(6), px(8), colour)

    def _paint_extras(self, painter: QPainter, track: QRectF, row: PairRow) -> None:
        """The control as a thin bar below, what comes back as a tick across."""
        px, quiet = self._theme.px, QColor(self._theme.subtle)
        if row.control is not None:
            quiet.setAlphaF(0.55)
            self._bar(painter, track, row.control, px(15), px(4), quiet)
        if row.restored is not None and row.restored >= _TICK_FROM:
            x = track.left() + min(max(row.restored, 0.0), 1.0) * track.width()
            painter.fillRect(QRectF(x - self._theme.scale, track.top() + px(3), 2 * self._theme.scale, px(14)),
                             QColor(self._theme.text))  # fmt: skip

    def _bar(self, painter: QPainter, track: QRectF, value: float, top: int, thick: int, colour: QColor) -> None:
        """Values under 0 have a number and no bar."""
        box = QRectF(track.left(), track.top() + top, min(max(value, 0.0), 1.0) * track.width(), thick)
        if box.width() < 1:  # nearly nothing is no bar: a quiet hairline says where it would begin
            painter.fillRect(QRectF(round(box.left()), box.top(), 1, thick), QColor(self._theme.hairline))
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(box, self._theme.px(2), self._theme.px(2))

    # ------------------------------------------------------------ mouse and keyboard
    def _row_at(self, point: QPointF) -> PairRow | None:
        return next((row for at, row in enumerate(self._rows) if self.row_rect(at).contains(point)), None)

    @override
    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            row = self._row_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), "" if row is None else row.tip, self)
            return True
        return super().event(event)

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self._row_at(event.position())
        if row is not None and event.button() == Qt.MouseButton.LeftButton:
            self.kindClicked.emit(row.kind)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the press was ours

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        kinds = [row.kind for row in self._rows]
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None or self._chosen not in kinds:
            event.ignore()  # Escape and the window's shortcuts are not ours
            return
        at = min(max(kinds.index(self._chosen) + step, 0), len(kinds) - 1)
        self.kindClicked.emit(kinds[at])
