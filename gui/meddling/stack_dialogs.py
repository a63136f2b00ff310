"""What opens over the window for the stack: a line to type an intervention into, and files to save and open stacks."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QLabel, QLineEdit, QVBoxLayout, QWidget
from typing_extensions import override

from engine.circuits.interventions.lines import FORMS, parse
from engine.circuits.interventions.values import misfit
from gui.actions import Actions
from gui.meddling.stack_file import StackFileError, load, save
from gui.state import ExplorerState
from gui.theme import SECONDARY, ThemeManager, mono_font

FILES = "Interventions (*.txt);;All files (*)"
NAME = "headscope-interventions.txt"


class StackDialogs(QObject):
    """Every method is a slot without arguments. `said` carries title, hint and whether it is bad."""

    said = Signal(str, str, bool)

    def __init__(self, state: ExplorerState, actions: Actions, themes: ThemeManager, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._actions, self._themes, self._window = state, actions, themes, window

    @Slot()
    def type_intervention(self) -> None:
        dialog = TypeDialog(self._state, self._actions, self._themes, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    @Slot()
    def open_stack(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a stack", "", FILES)
        if chosen:
            self.load(Path(chosen))

    @Slot()
    def save_stack(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self._window, "Save the stack", NAME, FILES)
        if chosen:
            path = Path(chosen)
            self.save(path if path.suffix else path.with_suffix(".txt"))

    def load(self, path: Path) -> None:
        """The file's stack takes the place of this one; one step of undo brings this one back."""
        try:
            steps = load(path)
        except StackFileError as error:
            self.said.emit(str(error), "The stack in the window stays as it is.", True)
            return
        self._state.select(steps=steps)
        self.said.emit(f"Opened {path.name}", "Ctrl+Z brings the stack before it back.", False)

    def save(self, path: Path) -> None:
        try:
            save(path, self._state.selection.steps)
        except StackFileError as error:
            self.said.emit(str(error), "Choose another folder; nothing was lost.", True)
            return
        self.said.emit(f"Saved {path.name}", str(path.parent), False)


class TypeDialog(QDialog):
    """One line; what is wrong with it is said below, and it stays open until it is right."""

    def __init__(self, state: ExplorerState, actions: Actions, themes: ThemeManager, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._actions, theme = state, actions, themes.theme
        self.setWindowTitle("Type an intervention")
        self.line, self.problem = QLineEdit(self), QLabel(self)
        self.line.setFont(mono_font(theme.px(14)))
        self.line.setPlaceholderText("zero 0.3 @4")
        self.line.setAccessibleName("Intervention")
        forms = QLabel("\n".join(dict.fromkeys(FORMS.values())), self)
        forms.setFont(mono_font(theme.px(SECONDARY)))
        for label in (forms, self.problem):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        forms.setStyleSheet(f"color: {theme.subtle}")
        self.problem.setStyleSheet(f"color: {theme.negative}")
        self.problem.hide()
        buttons = QDialogButtonBox()
        buttons.addButton("Add it", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(20), theme.px(16), theme.px(20), theme.px(16))
        column.setSpacing(theme.px(12))
        for widget in (self.line, self.problem, forms, buttons):
            column.addWidget(widget)
        self.setMinimumWidth(theme.px(560))

    @override
    def accept(self) -> None:
        """Adds it where it can be read and fits this model and prompt."""
        model = self._state.findings.model
        try:
            value = parse(self.line.text().strip())
        except ValueError as error:
            self._tell(str(error))
            return
        reason = None if model is None else misfit(value, model.config, self._state.length)
        if reason is not None:
            self._tell(reason)
            return
        self._actions.intervene(value)
        super().accept()

    def _tell(self, reason: str) -> None:
        self.problem.setText(reason[:400])
        self.problem.show()
        self.adjustSize()
