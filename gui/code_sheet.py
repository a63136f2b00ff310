"""A page of Python to read, copy or save: what "Show the code" opens."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from gui.export import ExportError, write
from gui.theme import SECONDARY, Theme, mono_font

WORDS = "These lines ask the engine what this panel shows, and give the same numbers."


class CodeSheet(QDialog):
    """The text can be selected; Copy and Save take all of it."""

    def __init__(self, title: str, code: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"The code: {title}")
        self.page = QPlainTextEdit(code)
        self.page.setReadOnly(True)
        self.page.setFont(mono_font(theme.px(SECONDARY)))
        self.page.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.page.setAccessibleName("Python code")
        self.note = QLabel(WORDS)
        self.note.setWordWrap(True)
        buttons = QDialogButtonBox()
        copy = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        save = buttons.addButton("Save…", QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        copy.clicked.connect(self.copy)
        save.clicked.connect(self.ask_file)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        for widget in (self.note, self.page, buttons):
            column.addWidget(widget)
        self.resize(theme.px(720), theme.px(460))

    @Slot()
    def copy(self) -> None:
        QGuiApplication.clipboard().setText(self.page.toPlainText())
        self.note.setText("Copied.")

    @Slot()
    def ask_file(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the code", "headscope.py", "Python (*.py)")
        if not chosen:
            return
        try:
            write(Path(chosen), self.page.toPlainText().encode("utf-8"))
        except ExportError as error:
            self.note.setText(f"{error}. Choose another folder; nothing was lost.")
        else:
            self.note.setText(f"Saved {Path(chosen).name}.")
