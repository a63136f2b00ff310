"""The end of Qt objects: when Python's garbage is collected, and how a window goes in good order."""

from __future__ import annotations

import gc

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QTimer, Slot
from PySide6.QtWidgets import QWidget

INTERVAL_MS = 1_000
LIBRARY = 50_000  # new objects within one interval: a library was imported


def discard(widget: QWidget) -> None:
    """Close and destroy at once, while its Python side is whole: the collector would take it apart piece by piece."""
    widget.close()
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(widget, QEvent.Type.DeferredDelete.value)


class PinnedCollector(QObject):
    """Collects on the GUI thread only, until `stop`: elsewhere it would destroy Qt objects off their thread.

    What importing torch leaves behind stays for good and is not looked through again: each time that would hold the
    window up for a tenth of a second.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._was_automatic = gc.isenabled()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    @Slot()
    def collect(self) -> None:
        """The oldest generation that is due, as the automatic collector would choose it."""
        imported = gc.get_count()[0] > LIBRARY
        due = [
            age
            for age, (count, limit) in enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True))
            if count > limit > 0
        ]
        if due:
            gc.collect(max(due))
        if imported:
            gc.freeze()

    def stop(self) -> None:
        self._timer.stop()
        gc.unfreeze()
        if self._was_automatic:
            gc.enable()
