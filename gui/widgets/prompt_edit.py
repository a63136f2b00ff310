"""Where the prompt is typed: grows from one line to four, tells its text once typing pauses, Tab accepts a guess.

What is pasted is made safe first: control characters are taken out, and a whole book is cut to its end.
"""

from __future__ import annotations

import unicodedata

from PySide6.QtCore import QMimeData, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QKeyEvent, QResizeEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget
from typing_extensions import override

from gui.theme import BODY, DARK, Theme, ui_font

DEBOUNCE_MS = 60
LONGEST = 20_000  # characters kept; every model's context is shorter
_MOST_LINES = 4


def cleaned(text: str) -> tuple[str, int]:
    """`text` without control characters and half characters, and how many were taken out."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2029", "\n").replace("\u2028", "\n")
    kept = [c for c in plain if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")]
    return "".join(kept), len(plain) - len(kept)


class PromptEdit(QPlainTextEdit):
    """`promptChanged` carries the text; `pasteCut` and `pasteCleaned` how many characters were left out."""

    promptChanged = Signal(str)
    acceptPrediction = Signal()
    pasteCut = Signal(int)
    pasteCleaned = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._told = ""
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(DEBOUNCE_MS)
        self._pause.timeout.connect(self._tell)
        self.textChanged.connect(self._changed)
        self.setTabChangesFocus(False)
        self.setUndoRedoEnabled(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setPlaceholderText("Type a text in which something repeats")
        self.setAccessibleName("Prompt")
        self.setAccessibleDescription("Tab accepts the predicted token, Shift and Tab leaves")
        self.set_theme(DARK)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setFont(ui_font(theme.px(BODY)))
        self._fit()

    def prompt(self) -> str:
        return self.toPlainText()

    def set_prompt(self, text: str) -> None:
        """Replace the text; it is told like a typed one (after the pause), the cursor stands at its end."""
        safe = self._safe(text, LONGEST)
        if safe != self.toPlainText():
            self.setPlainText(safe)
            self.moveCursor(QTextCursor.MoveOperation.End)

    def append(self, text: str) -> None:
        """Add an accepted token at the end."""
        self.moveCursor(QTextCursor.MoveOperation.End)
        self.insertPlainText(self._safe(text, LONGEST))

    # ------------------------------------------------------------ keys, paste and drop
    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Tab and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self._tell()  # the guess belongs to the text as it stands
            self.acceptPrediction.emit()
        elif event.key() == Qt.Key.Key_Escape:
            event.ignore()
        else:
            super().keyPressEvent(event)

    @override
    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab is ours; Shift and Tab leaves, as from any field (a text edit that takes Tab would keep both)."""
        if forward:
            return False
        self.setTabChangesFocus(True)
        moved = super().focusNextPrevChild(False)
        self.setTabChangesFocus(False)
        return moved

    @override
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """The path of a file is no prompt: files are left to the window, which may open them."""
        if event.mimeData().hasUrls():
            event.ignore()
        else:
            super().dragEnterEvent(event)

    @override
    def insertFromMimeData(self, source: QMimeData) -> None:
        if not source.hasText():
            return
        kept = len(self.toPlainText()) - len(self.textCursor().selectedText())
        self.insertPlainText(self._safe(source.text(), max(0, LONGEST - kept)))
        self.ensureCursorVisible()

    def _safe(self, text: str, longest: int) -> str:
        """Only the end of a text longer than `longest` is looked at: the prompt is continued from there."""
        over = len(text) - longest
        if over > 0:
            self.pasteCut.emit(over)
            text = text[over:]
        safe, removed = cleaned(text)
        if removed:
            self.pasteCleaned.emit(removed)
        return safe

    # ------------------------------------------------------------ telling
    @Slot()
    def _changed(self) -> None:
        self._fit()
        self._pause.start()

    @Slot()
    def _tell(self) -> None:
        self._pause.stop()
        text = self.toPlainText()
        if text != self._told:
            self._told = text
            self.promptChanged.emit(text)

    # ------------------------------------------------------------ height
    def _fit(self) -> None:
        lines = min(max(int(self.document().size().height()), 1), _MOST_LINES)
        height = lines * self.fontMetrics().lineSpacing() + 2 * int(self.document().documentMargin())
        self.setFixedHeight(height + 2 * self.frameWidth())

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(400), self.height())

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(160), self.height())
