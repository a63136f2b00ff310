"""Short messages over the lower right corner of the window: one line, what to do about it, details to copy.

A toast goes by itself unless the pointer or the keyboard is on it; Escape or its cross sends it away.
"""

from __future__ import annotations

from PySide6.QtCore import QEasingCurve, QEvent, QObject, QPropertyAnimation, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QEnterEvent, QGuiApplication, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QGraphicsOpacityEffect,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStyle,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from gui.icons import icon
from gui.theme import BODY, DARK, SECONDARY, Role, Theme, ui_font

_FADE_MS = 200
_STAY_MS = 8_000
_MOST = 4


class Toast(QWidget):
    """One message; `dismissed` is emitted once, when it goes."""

    dismissed = Signal(object)

    def __init__(self, title: str, hint: str, details: str, role: Role, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme, self._role, self._details = theme, role, details
        self._going = False
        self._title, self._hint = QLabel(title, self), QLabel(hint, self)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._hint.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setWordWrap(True)
        self._hint.setWordWrap(True)
        self._hint.setVisible(bool(hint))
        self.copy_button = QPushButton("Copy details", self)
        self.copy_button.setVisible(bool(details))
        self.copy_button.clicked.connect(self._copy)
        self.close_button = QToolButton(self)
        self.close_button.setToolTip("Dismiss this message (Escape).")
        self.close_button.setAccessibleName("Dismiss")
        self.close_button.clicked.connect(self.dismiss)
        self._lay_out()
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self.dismiss)
        self._fade: QPropertyAnimation | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(title)
        self.setAccessibleDescription(hint)
        self.set_theme(theme)

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.addWidget(self._title)
        words.addWidget(self._hint)
        words.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignLeft)
        self._row = QHBoxLayout(self)
        self._row.addLayout(words, 1)
        self._row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._title.setFont(ui_font(theme.px(BODY), 600))
        self._hint.setFont(ui_font(theme.px(SECONDARY)))
        self._hint.setStyleSheet(f"color: {theme.subtle}")
        self.copy_button.setFont(ui_font(theme.px(SECONDARY)))
        self.close_button.setIcon(icon("close", theme.subtle, theme.px(14)))
        self.close_button.setIconSize(QSize(theme.px(14), theme.px(14)))
        self._row.setContentsMargins(theme.px(16), theme.px(10), theme.px(8), theme.px(10))
        self.setFixedWidth(theme.px(360))
        self.adjustSize()

    def start(self, stay_ms: int) -> None:
        """Appear, and go after `stay_ms` (0: stay until dismissed)."""
        self.show()
        self._animate(0.0, 1.0)
        if stay_ms:
            self._clock.start(stay_ms)

    @Slot()
    def dismiss(self) -> None:
        if self._going:
            return
        self._going = True
        self._clock.stop()
        if self._animate(1.0, 0.0) and self._fade is not None:
            self._fade.finished.connect(self._gone)
        else:
            self._gone()

    def _animate(self, start: float, end: float) -> bool:
        """False when the system asks for no motion."""
        if self.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration, None, self) == 0:
            return False
        effect = QGraphicsOpacityEffect(self)
        self.setGraphicsEffect(effect)
        self._fade = QPropertyAnimation(effect, b"opacity", self)
        self._fade.setDuration(_FADE_MS)
        self._fade.setStartValue(start)
        self._fade.setEndValue(end)
        self._fade.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._fade.finished.connect(self._settled)
        self._fade.start()
        return True

    @Slot()
    def _settled(self) -> None:
        """Without the effect, words are drawn straight to the screen again: sharper and cheaper."""
        if not self._going:
            self.setGraphicsEffect(None)  # type: ignore[arg-type]  # None takes it away

    @Slot()
    def _gone(self) -> None:
        self.hide()
        self.dismissed.emit(self)

    @Slot()
    def _copy(self) -> None:
        words = [self._title.text(), self._hint.text(), self._details]
        QGuiApplication.clipboard().setText("\n".join(word for word in words if word))
        self.copy_button.setText("Copied")

    # ------------------------------------------------------------ events
    @override
    def enterEvent(self, event: QEnterEvent) -> None:
        self._clock.stop()  # it is being read

    @override
    def leaveEvent(self, event: QEvent) -> None:
        if not self._going and self._clock.interval():
            self._clock.start()

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        else:
            event.ignore()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        theme, painter = self._theme, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else theme.hairline), 1))
        painter.setBrush(QColor(theme.raised))
        box = self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(box, theme.px(6), theme.px(6))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.role(self._role)))
        painter.drawRoundedRect(box.adjusted(4, 6, 7 - box.width(), -6), 1.5, 1.5)


class ToastStack(QObject):
    """Keeps the toasts of a window in its lower right corner, the newest at the bottom."""

    def __init__(self, window: QWidget, margin_below: int = 56) -> None:
        super().__init__(window)
        self._window, self._below, self._theme = window, margin_below, DARK
        self._toasts: list[Toast] = []
        window.installEventFilter(self)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for toast in self._toasts:
            toast.set_theme(theme)
        self._place()

    def show_message(
        self, title: str, hint: str = "", details: str = "", role: Role = "accent", stay_ms: int = _STAY_MS
    ) -> Toast:
        """One more message; the same title replaces its older twin, the oldest goes when there are many."""
        for toast in [old for old in self._toasts if old.accessibleName() == title]:
            self._remove(toast)
        while len(self._toasts) >= _MOST:
            self._remove(self._toasts[0])
        toast = Toast(title, hint, details, role, self._theme, self._window)
        toast.dismissed.connect(self._remove)
        self._toasts.append(toast)
        toast.start(stay_ms)
        self._place()
        return toast

    def toasts(self) -> tuple[Toast, ...]:
        return tuple(self._toasts)

    @Slot()
    def dismiss_newest(self) -> None:
        """For Escape, wherever the keyboard is."""
        if self._toasts:
            self._toasts[-1].dismiss()

    @Slot(object)
    def _remove(self, toast: Toast) -> None:
        if toast in self._toasts:
            self._toasts.remove(toast)
            toast.hide()
            toast.deleteLater()
            self._place()

    def _place(self) -> None:
        margin = self._theme.px(16)
        bottom = self._window.height() - self._theme.px(self._below)
        for toast in reversed(self._toasts):
            toast.setFixedHeight(max(toast.heightForWidth(toast.width()), toast.minimumSizeHint().height()))
            bottom -= toast.height()
            toast.move(self._window.width() - toast.width() - margin, bottom)
            toast.raise_()
            bottom -= self._theme.px(8)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Asks no attribute of ours before it must: events still come while Python takes window and stack apart."""
        if event.type() == QEvent.Type.Resize and watched is self.parent():
            self._place()
        return False
