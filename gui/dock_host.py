"""Where the panels stand: docks that can be moved, floated on a projector and closed, and one arrangement a workspace.

Knows panels as docks with names; what they show is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget
from typing_extensions import override

from gui.workspaces import WORKSPACES, Workspace

_OPTIONS = QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AllowTabbedDocks
_LEFT = Qt.DockWidgetArea.LeftDockWidgetArea


class DockHost(QMainWindow):
    """`inSight` carries the names of the panels that can be seen now."""

    inSight = Signal(frozenset)

    def __init__(self, panels: Mapping[str, QDockWidget], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlags(Qt.WindowType.Widget)  # a main window would be a window of its own
        self._panels = dict(panels)
        self._seen: set[str] = set()
        self._arrangements: dict[str, QByteArray] = {}
        self._workspace = ""
        self._switches = False  # panels of two workspaces stand beside one another for a moment
        self._fresh = True  # nothing has been shown yet: sizes do not hold before
        self.setDockOptions(_OPTIONS)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        for name, dock in self._panels.items():
            dock.setObjectName(name)
            self.addDockWidget(_LEFT, dock)
            dock.hide()
            dock.visibilityChanged.connect(self._note)

    @property
    def workspace(self) -> str:
        return self._workspace

    def arrangements(self) -> dict[str, QByteArray]:
        """How every workspace that was visited was left."""
        if self._workspace and not self._fresh:
            self._arrangements[self._workspace] = self.saveState()
        return dict(self._arrangements)

    def remember(self, arrangements: Mapping[str, QByteArray]) -> None:
        """How workspaces were left in an earlier session; what makes no sense is arranged afresh when it is shown."""
        self._arrangements |= {name: state for name, state in arrangements.items() if not state.isEmpty()}

    def show_workspace(self, name: str) -> None:
        """Leave the present one as it is and show another, as it was left or as it is meant."""
        if name == self._workspace:
            return
        self._arrangements = self.arrangements()
        self._workspace = name
        state = self._arrangements.get(name)
        self._switches = True
        if state is None or not self.restoreState(state):
            self.rearrange()
        self._switches = False

    @Slot()
    def rearrange(self) -> None:
        """The present workspace as it is meant, whatever was moved or closed."""
        self._arrange(WORKSPACES[self._workspace])

    def reveal(self, name: str) -> None:
        """Bring one panel into sight: opened if it is closed, in front if others lie on it."""
        dock = self._panels[name]
        dock.show()
        dock.raise_()

    def toggle(self, name: str) -> None:
        """Close a panel that is in sight, bring one into sight that is not."""
        if name in self._seen:
            self._panels[name].close()
        else:
            self.reveal(name)

    def _arrange(self, workspace: Workspace) -> None:
        for dock in self._panels.values():
            dock.setFloating(False)
            self.removeDockWidget(dock)
        firsts = [self._panels[column.cells[0].panels[0]] for column in workspace.columns]
        for before, dock in zip([None, *firsts], firsts, strict=False):
            if before is None:
                self.addDockWidget(_LEFT, dock)
            else:
                self.splitDockWidget(before, dock, Qt.Orientation.Horizontal)
        for column in workspace.columns:
            tops = [self._panels[cell.panels[0]] for cell in column.cells]
            for above, dock in pairwise(tops):
                self.splitDockWidget(above, dock, Qt.Orientation.Vertical)
            for top, cell in zip(tops, column.cells, strict=True):
                for other in cell.panels[1:]:
                    self.tabifyDockWidget(top, self._panels[other])
        shown = {name for column in workspace.columns for cell in column.cells for name in cell.panels}
        for name in shown:
            self._panels[name].show()
        for column in workspace.columns:
            for cell in column.cells:
                self._panels[cell.panels[0]].raise_()
        for name in self._panels.keys() - shown:
            self.addDockWidget(_LEFT, self._panels[name])
            self._panels[name].hide()
        self._share_room(workspace)

    def _share_room(self, workspace: Workspace) -> None:
        firsts = [self._panels[column.cells[0].panels[0]] for column in workspace.columns]
        width, shares = self.width(), [column.share for column in workspace.columns]
        self.resizeDocks(firsts, [width * share // sum(shares) for share in shares], Qt.Orientation.Horizontal)
        for column in workspace.columns:
            tops = [self._panels[cell.panels[0]] for cell in column.cells]
            heights = [self.height() * cell.share // sum(cell.share for cell in column.cells) for cell in column.cells]
            self.resizeDocks(tops, heights, Qt.Orientation.Vertical)

    @override
    def minimumSizeHint(self) -> QSize:
        """The window must not grow for what stands there only in passing."""
        return QSize(0, 0) if self._switches else super().minimumSizeHint()

    @Slot(bool)
    def _note(self, visible: bool) -> None:
        """A dock behind another's tab is not in sight either."""
        sender = self.sender()
        if not isinstance(sender, QDockWidget):
            return
        before = set(self._seen)
        if visible:
            self._seen.add(sender.objectName())
        else:
            self._seen.discard(sender.objectName())
        if self._seen != before:
            self.inSight.emit(frozenset(self._seen))

    @override
    def event(self, event: QEvent) -> bool:
        handled = super().event(event)
        if event.type() == QEvent.Type.Show and self._fresh and self._workspace:
            self._fresh = False
            state = self._arrangements.get(self._workspace)
            if state is None or not self.restoreState(state):
                self._share_room(WORKSPACES[self._workspace])
        return handled
