"""A row of buttons that choose one of several; where there is no room for all of them, one button with a menu."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QToolButton, QWidget
from typing_extensions import override

from gui.theme import DARK, SECONDARY, Theme, ui_font


class TabRow(QWidget):
    """The actions are checkable, one of them at a time."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self.buttons: list[QToolButton] = []
        self.folded = QToolButton(self)
        self._menu = QMenu(self)
        self.folded.setMenu(self._menu)
        self.folded.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.folded.hide()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(self.folded)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    def add(self, actions: list[QAction]) -> None:
        for action in actions:
            button = QToolButton(self)
            button.setDefaultAction(action)
            self.buttons.append(button)
            self._row.addWidget(button)
            self._menu.addAction(action)
            action.toggled.connect(self._name)
        self._name()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for button in (*self.buttons, self.folded):
            button.setFont(ui_font(theme.px(SECONDARY)))
        self._row.setSpacing(theme.px(2))
        self._fold()

    def _name(self) -> None:
        chosen = next((button.text() for button in self.buttons if button.defaultAction().isChecked()), "")
        self.folded.setText(f"{chosen or 'Workspace'} ▾")

    def _wanted(self) -> int:
        spacing = self._row.spacing() * max(0, len(self.buttons) - 1)
        return sum(button.sizeHint().width() for button in self.buttons) + spacing

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._wanted(), self.folded.sizeHint().height())

    @override
    def minimumSizeHint(self) -> QSize:
        return self.folded.sizeHint()

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fold()

    def _fold(self) -> None:
        narrow = self.width() < self._wanted()
        self.folded.setVisible(narrow)
        for button in self.buttons:
            button.setVisible(not narrow)
