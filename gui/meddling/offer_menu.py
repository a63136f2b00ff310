"""The menu of what can be done where the pointer is, or to what is pinned: for right clicks and for the key M."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from PySide6.QtCore import QObject, QPoint, Qt, Slot
from PySide6.QtGui import QAction, QCursor
from PySide6.QtWidgets import QLabel, QMenu, QWidget, QWidgetAction

from gui.actions import Actions
from gui.meddling.offers import Offer, offers, place_of
from gui.state import ExplorerState
from gui.theme import SECONDARY, ThemeManager, ui_font

FEW = 2  # groups whose entries stand in the menu itself; the others fold away


class OfferMenu(QObject):
    """One menu for all views: what it offers follows from the state alone."""

    def __init__(self, state: ExplorerState, actions: Actions, themes: ThemeManager, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._actions, self._themes, self._window = state, actions, themes, window
        self.menu: QMenu | None = None  # the one that is open, or was last

    def serve(self, views: Iterable[QWidget]) -> None:
        """A right click on one of these, or the menu key, opens the menu."""
        for view in views:
            view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            view.customContextMenuRequested.connect(self._open_at)

    @Slot(QPoint)
    def _open_at(self, at: QPoint) -> None:
        view = self.sender()
        if isinstance(view, QWidget):
            self._open(view.mapToGlobal(at))

    @Slot()
    def open(self) -> None:
        """At the pointer where it is over the window, else in its middle."""
        inside = self._window.frameGeometry().contains(QCursor.pos())
        self._open(QCursor.pos() if inside else self._window.mapToGlobal(self._window.rect().center()))

    def _open(self, at: QPoint) -> None:
        found = offers(place_of(self._state), self._state)
        if not found:
            return
        if self.menu is not None:
            self.menu.deleteLater()
        self.menu = menu = QMenu(self._window)
        menu.setToolTipsVisible(True)
        groups = [(title, list(entries)) for title, entries in groupby(found, key=lambda offer: offer.group)]
        for number, (title, entries) in enumerate(groups):
            if number < FEW:
                menu.addAction(self._heading(title, menu))
                self._fill(menu, entries)
            else:
                sub = menu.addMenu(title)
                sub.setToolTipsVisible(True)
                self._fill(sub, entries)
        menu.triggered.connect(self._choose)
        menu.popup(at)

    def _heading(self, title: str, menu: QMenu) -> QAction:
        """What the entries below are about; Qt's own section titles show in few styles."""
        theme, heading = self._themes.theme, QWidgetAction(menu)
        label = QLabel(title)
        label.setFont(ui_font(theme.px(SECONDARY), 600))
        label.setStyleSheet(f"color: {theme.subtle}; padding: {theme.px(6)}px {theme.px(12)}px {theme.px(2)}px")
        heading.setDefaultWidget(label)
        heading.setEnabled(False)
        return heading

    def _fill(self, menu: QMenu, entries: Iterable[Offer]) -> None:
        for offer in entries:
            action = menu.addAction(offer.text)
            action.setToolTip(offer.tip)
            action.setEnabled(offer.value is not None)
            action.setData(offer)

    @Slot(QAction)
    def _choose(self, action: QAction) -> None:
        offer = action.data()
        if isinstance(offer, Offer) and offer.value is not None:
            self._actions.intervene(offer.value)
