"""The engine as the window sees it: one signal out, requests in. The only Qt in the engine (QtCore).

`message` carries Progress and Finished values and is emitted on the engine thread: connect it to a
@Slot(object) method of an object that lives in the GUI thread, and drop there the ids that are no longer
waited for.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from engine.circuits import budget
from engine.model import library
from engine.work.requests import Request
from engine.work.results import Finished, ModelInfo, Progress
from engine.work.worker import Worker


class EngineService(QObject):
    """Every id that `submit` returns gets exactly one Finished, also when it is replaced, cancelled or shut down."""

    message = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = Worker(self._send)

    def submit(self, request: Request) -> int:
        """Ask; a newer request of the same lane replaces this one. The engine thread starts with the first request.

        0 after `shutdown`: a timer that fires while the application goes gets no answer and does no harm.
        """
        return self._worker.submit(request)

    def cancel(self, request_id: int) -> None:
        self._worker.cancel(request_id)

    def models(self) -> tuple[ModelInfo, ...]:
        """The models that can be opened by name."""
        return library.listing()

    @Slot(int)
    def set_memory(self, megabytes: int) -> None:
        """How much memory one computation may take, from the next one on."""
        budget.set_limit(megabytes)

    def shutdown(self) -> None:
        """Cancel everything and wait for the engine thread; call it before the application goes."""
        self._worker.shutdown()

    def _send(self, message: Progress | Finished) -> None:
        self.message.emit(message)
