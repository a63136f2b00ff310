"""The charts of a training run, a pair at a time: which pair, on which scale of steps, and the pair itself."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QTabBar, QToolButton, QVBoxLayout, QWidget

from gui.theme import DARK, SECONDARY, Theme, ui_font
from gui.widgets.curve import View
from gui.widgets.curves_view import CurvesView


class ChartsView(QWidget):
    """`sought` carries a step that was asked for, `chosen` the name of the charts that were; `log_changed` tells
    whether steps stand on a logarithmic scale.
    """

    sought = Signal(float)
    chosen = Signal(str)
    log_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._views: tuple[View, ...] = ()
        self._jump: tuple[int, int] | None = None
        self.tabs, self.log, self.curves = QTabBar(self), QToolButton(self), CurvesView(self)
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setAccessibleName("What the curves show")
        self.log.setText("log")
        self.log.setCheckable(True)
        self.log.setToolTip("Steps on a logarithmic scale: the first hundred get the room they need.")
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self.tabs, 1)
        head.addWidget(self.log)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self.curves, 1)
        self.tabs.currentChanged.connect(self._show)
        self.tabs.tabBarClicked.connect(self._choose)
        self.log.toggled.connect(self.curves.set_log)
        self.log.toggled.connect(self.log_changed)
        self.curves.sought.connect(self.sought)
        self.set_theme(DARK)

    def set_theme(self, theme: Theme) -> None:
        for widget in (self.tabs, self.log):
            widget.setFont(ui_font(theme.px(SECONDARY)))
        self.curves.set_theme(theme)

    def set_views(self, views: Sequence[View], jump: tuple[int, int] | None) -> None:
        """The one that was shown stays in sight where there is one of its name."""
        shown = self.tabs.tabText(self.tabs.currentIndex())
        self._views, self._jump = tuple(views), jump
        names = [view.name for view in views]
        if names != [self.tabs.tabText(place) for place in range(self.tabs.count())]:
            self.tabs.blockSignals(True)
            while self.tabs.count():
                self.tabs.removeTab(0)
            for place, view in enumerate(views):
                self.tabs.addTab(view.name)
                self.tabs.setTabToolTip(place, view.tip)
            self.tabs.setCurrentIndex(names.index(shown) if shown in names else 0)
            self.tabs.blockSignals(False)
        self._show(self.tabs.currentIndex())

    def show_view(self, name: str) -> None:
        """The charts of that name, the first where there are none."""
        names = [view.name for view in self._views]
        self.tabs.setCurrentIndex(names.index(name) if name in names else 0)

    @Slot(int)
    def _choose(self, place: int) -> None:
        if 0 <= place < len(self._views):
            self.chosen.emit(self._views[place].name)

    @Slot(int)
    def _show(self, place: int) -> None:
        if 0 <= place < len(self._views):
            view = self._views[place]
            self.curves.set_charts(view.above, view.below, self._jump)
