"""Which heads may feed which: from weights, or on this prompt."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState
from gui.theme import Theme


class DiagramPanel(Panel):
    """Which heads may feed which: from weights, or on this prompt."""

    asks = ("composition", "circuit")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        super().__init__("Composition", QWidget(), parent)
        self._state = state

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)

    @override
    def numbers(self) -> Table:
        return Table("diagram", (), [])
