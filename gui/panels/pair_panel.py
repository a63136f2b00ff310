"""The pinned pair of heads."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState
from gui.theme import Theme


class PairPanel(Panel):
    """The pinned pair of heads."""

    asks = ("composition", "virtual", "proof")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        super().__init__("Pair", QWidget(), parent)
        self._state = state

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)

    @override
    def numbers(self) -> Table:
        return Table("pair", (), [])
