"""The line at the top of the window: name, menus, which model is open, what the engine is at, theme and help."""

from __future__ import annotations

import sys

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QMenuBar, QToolButton, QWidget
from typing_extensions import override

from engine.work.results import ModelInfo
from gui.model_words import model_facts, model_line, status_line
from gui.state import Status
from gui.theme import BODY, DARK, SECONDARY, Theme, ui_font
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.tab_row import TabRow


class WholeLabel(QLabel):
    """Shows all of its words, or none where there is no room for them."""

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        if self.width() >= self.sizeHint().width():
            super().paintEvent(event)


class TopBar(QWidget):
    """Shows what it is given; the menus are the window's. `stopped` when what is under way is called off."""

    stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._name = WholeLabel("Headscope", self)
        # The Mac keeps its menus at the top of the screen, whatever window they belong to.
        self.menus = QMenuBar() if sys.platform == "darwin" else QMenuBar(self)
        self.model_button = QToolButton(self)
        self.model_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.model_button.setAccessibleName("Model")
        self._status = ElidedLabel(self)
        self.stop_button = QToolButton(self)
        self.stop_button.setText("Cancel")
        self.stop_button.setToolTip("Calls this off; the open model stays (Ctrl+.).")
        self.stop_button.clicked.connect(self.stopped)
        self._name.setMinimumWidth(1)  # the first to give way in a narrow window, whose title says it too
        self._row = QHBoxLayout(self)
        self._row.addWidget(self._name)
        if sys.platform != "darwin":
            self._row.addWidget(self.menus, 0, Qt.AlignmentFlag.AlignVCenter)
        self._row.addWidget(self.model_button)
        self.tabs = TabRow(self)
        self._row.addWidget(self.tabs)
        self._row.addWidget(self._status, 1)
        self._row.addWidget(self.stop_button)
        self._buttons: list[QToolButton] = []
        self.set_model(None)
        self.set_status(Status(), False)

    def add_workspaces(self, actions: list[QAction]) -> None:
        """One button for each arrangement of the panels."""
        self.tabs.add(actions)

    def add_buttons(self, model_menu: QMenu, actions: list[QAction]) -> None:
        self.model_button.setMenu(model_menu)
        for action in actions:
            button = QToolButton(self)
            button.setDefaultAction(action)
            self._buttons.append(button)
            self._row.addWidget(button)

    def set_model(self, model: ModelInfo | None) -> None:
        self.model_button.setText(f"{model_line(model)} ▾" if model is not None else "opening a model … ▾")
        self.model_button.setToolTip(model_facts(model) if model is not None else "Which model is open.")

    def set_status(self, status: Status, can_stop: bool) -> None:
        """What is under way, quietly; empty when nothing is."""
        self._status.set_words(status_line(status.text, status.done, status.total))
        self.stop_button.setVisible(can_stop)

    def status(self) -> str:
        """The words of what is under way."""
        return self._status.words

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._name.setFont(ui_font(theme.px(15), 650))
        self._status.setFont(ui_font(theme.px(SECONDARY)))
        self._status.setStyleSheet(f"color: {theme.subtle}")
        self.menus.setFont(ui_font(theme.px(BODY)))
        self.menus.setStyleSheet(
            f"QMenuBar {{ background: transparent; color: {theme.subtle}; }}"
            f"QMenuBar::item {{ padding: {theme.px(4)}px {theme.px(8)}px; border-radius: {theme.px(4)}px; }}"
            f"QMenuBar::item:selected {{ background: {theme.raised}; color: {theme.text}; }}"
        )
        self.model_button.setFont(ui_font(theme.px(BODY)))
        self.model_button.setStyleSheet(
            f"QToolButton {{ background: {theme.raised}; color: {theme.text};"
            f" border: 1px solid {theme.hairline}; padding: {theme.px(4)}px {theme.px(10)}px; }}"
        )
        self.stop_button.setFont(ui_font(theme.px(SECONDARY)))
        self.stop_button.setStyleSheet(
            f"QToolButton {{ background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.hairline}; }}"
            f"QToolButton:hover {{ border-color: {theme.subtle}; }}"
            f"QToolButton:focus {{ border-color: {theme.accent}; }}"
        )
        for button in self._buttons:
            button.setFont(ui_font(theme.px(SECONDARY)))
        self._row.setContentsMargins(theme.px(14), theme.px(5), theme.px(14), theme.px(5))
        self._row.setSpacing(theme.px(10))
        self.tabs.set_theme(theme)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.window))
        painter.setPen(QColor(self._theme.hairline))
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)
