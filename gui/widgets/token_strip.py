"""The prompt as chips: the ruler of every workspace. Hover previews, click pins, the dashed chip is the guess.

All chips are drawn in one paint event; only those that changed and are in sight cost anything. Knows tokens, not
the model.
"""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Any

from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from engine.work.results import Prediction, Token
from gui.numbers import percent
from gui.theme import BODY, DARK, Theme, mono_font
from gui.widgets.focus import KEYBOARD_REASONS
from gui.widgets.token_chips import Chip, ChipLook, ChipWriter, GuessLook, chip_at, flow, paint_chip
from gui.widgets.token_text import is_special, spoken, visible

_MAX_ROWS = 3
_FULL_LOSS = 9.0  # nats at which the underline is at its strongest


class TokenStrip(QAbstractScrollArea):
    """`hovered` carries a position or None, `clicked` a position; the owner decides what is pinned."""

    hovered = Signal(object)
    clicked = Signal(int)
    predictionAccepted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._tokens: tuple[Token, ...] = ()
        self._losses: list[float | None] = []
        self._prediction: Prediction | None = None
        self._guess_in_colour = False
        self._current: int | None = None
        self._source: int | None = None
        self._before: int | None = None
        self._pinned: int | None = None
        self._hovered: int | None = None
        self.apart: frozenset[int] = frozenset()
        self._rects: list[QRectF] = []
        self._chips: list[Chip] = []
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.viewport().setAutoFillBackground(False)
        self.setAccessibleName("Tokens of the prompt")
        self.set_theme(DARK)

    # ------------------------------------------------------------ what is shown
    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setFont(mono_font(theme.px(BODY)))
        self._writer = ChipWriter(QFontMetricsF(self.font()), theme)
        self._arrange()
        self.viewport().update()

    def set_tokens(self, tokens: tuple[Token, ...], losses: NDArray[Any] | None) -> None:
        """`losses` (T) nats for each token given those before it; NaN where there is none."""
        same_length = len(tokens) == len(self._tokens)
        self._tokens = tokens
        self._losses = [None if math.isnan(loss) else loss for loss in ([] if losses is None else losses.tolist())]
        if not same_length:
            self._pinned = self._hovered = self._current = self._source = self._before = None
            self.apart = frozenset()
        self._arrange()
        self._describe(None)

    def set_marks(self, current: int | None, source: int | None, before: int | None) -> None:
        """Ring the current token, the source it attends to, and the token before the source."""
        old = (self._current, self._source, self._before)
        self._current, self._source, self._before = current, source, before
        self._retouch(*old, current, source, before)

    def set_apart(self, positions: frozenset[int]) -> None:
        """Mark the tokens that another prompt does not have at their place."""
        old, self.apart = self.apart, positions
        self._retouch(*(old ^ positions))

    def set_pinned(self, position: int | None) -> None:
        old, self._pinned = self._pinned, position
        self._retouch(old, position)

    def set_hovered(self, position: int | None) -> None:
        """Show a hover that began elsewhere; emits nothing."""
        if position != self._hovered:
            old, self._hovered = self._hovered, position
            self._retouch(old, position)

    def set_prediction(self, prediction: Prediction | None, in_role_colour: bool) -> None:
        """The dashed last chip; in the induction colour when an induction head made it."""
        if (prediction, in_role_colour) != (self._prediction, self._guess_in_colour):
            self._prediction, self._guess_in_colour = prediction, in_role_colour
            self._arrange(first=len(self._tokens))

    def chip_rect(self, position: int) -> QRectF:
        """Where a chip stands in the viewport (the guess after the last token); empty when there is none."""
        if not 0 <= position < len(self._rects):
            return QRectF()
        return self._rects[position].translated(0, -self.verticalScrollBar().value())

    # ------------------------------------------------------------ layout
    def _texts(self) -> list[str]:
        texts = [visible(token.text) for token in self._tokens]
        return [*texts, self._guess_text()] if self._prediction else texts

    def _guess_text(self) -> str:
        assert self._prediction is not None
        return f"{visible(self._prediction.text)} {percent(self._prediction.probability)}"

    def _arrange(self, first: int = 0) -> None:
        """Place the chips; those before `first` are as they were."""
        theme, padding = self._theme, self._theme.px(12)
        room = self.viewport().width() - theme.px(2)
        self._rects, rows = flow([self._writer.width(text) + padding for text in self._texts()], room, theme)
        row = theme.px(28) + theme.px(6)
        shown = min(max(rows, 1), _MAX_ROWS)
        self.setFixedHeight(shown * row)
        bar = self.verticalScrollBar()
        bar.setSingleStep(row)
        bar.setPageStep(shown * row)
        bar.setRange(0, max(0, (rows - shown) * row))
        self._refresh(min(first, len(self._chips)))

    def _refresh(self, first: int) -> None:
        """Paint anew every chip that is not as it was: typing changes a few of many."""
        chips = [self._new_chip(at) for at in range(first, len(self._rects))]
        for old, new in zip_longest(self._chips[first:], chips):
            if old != new:
                self._repaint(old, new)
        self._chips[first:] = chips

    def _retouch(self, *positions: int | None) -> None:
        """The same for the few chips that a mark has left or reached."""
        for at in set(positions):
            if at is not None and at < len(self._chips):
                old, self._chips[at] = self._chips[at], self._new_chip(at)
                if old != self._chips[at]:
                    self._repaint(old)

    def _repaint(self, *chips: Chip | None) -> None:
        up = self.verticalScrollBar().value()
        for chip in filter(None, chips):
            self.viewport().update(self._box(chip).translated(0, -up))

    def _box(self, chip: Chip) -> QRect:
        """All that a chip may cover: rings and pins reach over its edge."""
        spread = self._theme.px(4)
        return chip.rect.adjusted(-spread, -spread, spread, spread).toAlignedRect()

    def _new_chip(self, at: int) -> Chip:
        """A chip as it should look now; the guess stands after the last token."""
        if at == len(self._tokens):
            look = GuessLook(self._guess_in_colour, focused=self._hovered == at)
            return self._writer.chip(self._rects[at], self._guess_text(), look)
        token = self._tokens[at]
        return self._writer.chip(self._rects[at], visible(token.text), self._look(token))

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(400), self.height())

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(120), self.height())

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        painter.translate(0, -self.verticalScrollBar().value())
        shown = event.region().translated(0, self.verticalScrollBar().value())
        for chip in self._chips:
            if shown.intersects(self._box(chip)):
                paint_chip(painter, chip, self._theme)

    def _look(self, token: Token) -> ChipLook:
        at = token.position
        loss = self._loss(at)
        return ChipLook(
            quiet=is_special(token) or not token.text,
            surprise=0.0 if loss is None else min(max(loss / _FULL_LOSS, 0.0), 1.0),
            role=self._role(at),
            hovered=at == self._hovered,
            pinned=at == self._pinned,
            apart=at in self.apart,
        )

    def _role(self, position: int) -> str | None:
        for place, colour in (
            (self._current, self._theme.accent),
            (self._source, self._theme.induction),
            (self._before, self._theme.previous),
        ):
            if place == position:
                return colour
        return self._theme.accent if position == self._pinned else None

    def _loss(self, position: int) -> float | None:
        return self._losses[position] if position < len(self._losses) else None

    # ------------------------------------------------------------ mouse
    @override
    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            return self._show_tip(event)
        if event.type() == QEvent.Type.Leave:
            self._move_hover(None)
        return super().viewportEvent(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = self._chip_under(event.position().toPoint())
        self.viewport().setCursor(Qt.CursorShape.ArrowCursor if at is None else Qt.CursorShape.PointingHandCursor)
        self._move_hover(at)

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        at = self._chip_under(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and at is not None:
            self._choose(at)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the press was ours

    def _chip_under(self, point: QPoint) -> int | None:
        return chip_at(self._rects, point.x(), point.y() + self.verticalScrollBar().value())

    def _show_tip(self, event: QHelpEvent) -> bool:
        at = self._chip_under(event.pos())
        text = "" if at is None else self.tip(at)
        QToolTip.showText(event.globalPos(), text, self.viewport())
        return True

    def tip(self, position: int) -> str:
        """The tooltip of a chip, in one sentence."""
        if position >= len(self._tokens):
            assert self._prediction is not None
            return (
                f"The model's best guess for the next token, P {percent(self._prediction.probability)} "
                f"(id {self._prediction.id}): click, or press Tab in the prompt, to accept it."
            )
        token = self._tokens[position]
        parts = [f"{spoken(token.text)} · position {position} · id {token.id}"]
        loss = self._loss(position)
        if loss is not None:
            parts.append(f"surprise (loss) {loss:.2f} nats, P {percent(math.exp(-loss))} before it was read")
        elif is_special(token):
            parts.append("marks the beginning of the text and is never predicted")
        return " · ".join(parts)

    # ------------------------------------------------------------ keyboard
    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._step(-1 if key == Qt.Key.Key_Left else 1)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End) and self._rects:
            self._go_to(0 if key == Qt.Key.Key_Home else len(self._rects) - 1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._hovered is not None:
            self._choose(self._hovered)
        else:
            event.ignore()  # Escape lets go of the pin: the window's business

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() in KEYBOARD_REASONS and self._hovered is None:
            self._step(0)

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() in KEYBOARD_REASONS:
            self._move_hover(None)

    @override
    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab on the dashed chip accepts it; everywhere else it moves on."""
        if forward and self._prediction and self._hovered == len(self._tokens):
            self.predictionAccepted.emit()
            return True
        return super().focusNextPrevChild(forward)

    def _step(self, by: int) -> None:
        if not self._rects:
            return
        start = self._hovered if self._hovered is not None else self._pinned
        if start is None:
            start = self._current if self._current is not None else 0
            by = 0
        self._go_to(min(max(start + by, 0), len(self._rects) - 1))

    def _go_to(self, position: int) -> None:
        self._move_hover(position)
        rect, bar = self._rects[position], self.verticalScrollBar()
        if rect.top() < bar.value() or rect.bottom() > bar.value() + self.viewport().height():
            bar.setValue(int(rect.top()))

    def _choose(self, position: int) -> None:
        if position < len(self._tokens):
            self.clicked.emit(position)
        else:
            self.predictionAccepted.emit()

    def _move_hover(self, position: int | None) -> None:
        if position == self._hovered:
            return
        was_token = self._as_token(self._hovered)
        old, self._hovered = self._hovered, position
        self._retouch(old, position)
        self._describe(position)
        if self._as_token(position) != was_token:
            self.hovered.emit(self._as_token(position))

    def _as_token(self, position: int | None) -> int | None:
        """The guess is not a token of the prompt: pointing at it previews nothing."""
        return position if position is not None and position < len(self._tokens) else None

    def _describe(self, position: int | None) -> None:
        words = f"{len(self._tokens)} tokens" if position is None else self.tip(position)
        self.setAccessibleDescription(words)
