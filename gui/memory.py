"""How much memory one computation may take: chosen in the menu, remembered, told to the engine."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from gui.settings import Settings

CHOICES = (256, 512, 1024, 2048, 4096)  # megabytes


class MemoryBudget(QObject):
    """`changed` carries the new budget in megabytes."""

    changed = Signal(int)

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings

    @property
    def megabytes(self) -> int:
        return self._settings.memory

    def choose(self, megabytes: int) -> Callable[[], None]:
        """What chooses this budget."""

        def chosen() -> None:
            self._settings.remember_memory(megabytes)
            self.changed.emit(megabytes)

        return chosen

    def is_chosen(self, megabytes: int) -> Callable[[], bool]:
        return lambda: self.megabytes == megabytes
