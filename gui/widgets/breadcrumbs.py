"""A row of small buttons with arrows between them: a path of choices. Takes words, gives places."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from gui.theme import DARK, SECONDARY, Theme, ui_font


class Breadcrumbs(QWidget):
    """`clicked` carries the place of a crumb, 0 at the left."""

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self.buttons: list[QToolButton] = []
        self._arrows: list[QLabel] = []
        self.setAccessibleName("What is pinned")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for button in self.buttons:
            self._dress(button)
        for arrow in self._arrows:
            self._dress(arrow)

    def set_crumbs(self, crumbs: Sequence[tuple[str, str]]) -> None:
        """Text and tip of each; there are as many buttons as there ever were crumbs, and the rest are hidden."""
        while len(self.buttons) < len(crumbs):
            self._add()
        for place, button in enumerate(self.buttons):
            used = place < len(crumbs)
            if used:
                button.setText(crumbs[place][0])
                button.setToolTip(crumbs[place][1])
            button.setVisible(used)
            if place:
                self._arrows[place - 1].setVisible(used)

    def _add(self) -> None:
        if self.buttons:
            arrow = QLabel("›", self)
            self._dress(arrow)
            self._arrows.append(arrow)
            self._row.addWidget(arrow)
        button = QToolButton(self)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._dress(button)
        button.clicked.connect(self._tell)
        self.buttons.append(button)
        self._row.addWidget(button)

    def _dress(self, widget: QWidget) -> None:
        widget.setFont(ui_font(self._theme.px(SECONDARY)))
        colour = self._theme.text if isinstance(widget, QToolButton) else self._theme.subtle
        widget.setStyleSheet(f"color: {colour}; padding: 0px {self._theme.px(4)}px")

    @Slot()
    def _tell(self) -> None:
        button = self.sender()
        if isinstance(button, QToolButton):
            self.clicked.emit(self.buttons.index(button))
