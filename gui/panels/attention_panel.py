"""What made the pinned head look there."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState
from gui.theme import Theme


class AttentionPanel(Panel):
    """What made the pinned head look there."""

    asks = ("attention_split",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        super().__init__("Why this attention?", QWidget(), parent)
        self._state = state

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)

    @override
    def numbers(self) -> Table:
        return Table("attention", (), [])
