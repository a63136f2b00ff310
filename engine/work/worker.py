"""The one long-lived Python thread that owns the model; torch is imported in it.

A Python thread, because Qt's have small stacks on macOS; the number of torch threads is set inside it,
because torch does not take it over from another thread. Whatever goes wrong in a job becomes a value. No Qt.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable

from typing_extensions import override

from engine.work.mailbox import Mailbox, Ticket
from engine.work.recent import RecentRuns
from engine.work.requests import Request
from engine.work.results import Answer, Failure, Finished, Progress
from engine.work.state import EngineState
from engine.work.task import Task

Deliver = Callable[[Progress | Finished], None]

log = logging.getLogger(__name__)


class Worker:
    """Takes requests from any thread; `deliver` is called on the engine thread, once with Finished for every
    id.

    The thread starts with the first request, so that a window can be on the screen before torch is imported.
    """

    def __init__(self, deliver: Deliver) -> None:
        self.mailbox = Mailbox()
        self.state = EngineState(opened=None, recent=RecentRuns())
        self._deliver = deliver
        self._thread: threading.Thread | None = None

    def submit(self, request: Request) -> int:
        """The id of the request; 0 after `shutdown`, when nobody answers. One thread at a time may submit."""
        ticket = self.mailbox.post(request)
        if ticket is None:
            return 0
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
            self._thread.start()
        return ticket.id

    def cancel(self, number: int) -> None:
        self.mailbox.cancel(number)

    def shutdown(self) -> None:
        """Cancel everything, let every id finish, and wait for the thread."""
        self.mailbox.close()
        if self._thread is not None:
            self._thread.join()

    def serve_urgent(self) -> None:
        """Run, inside a sweep, what does not wait for its end."""
        while (ticket := self.mailbox.take_urgent()) is not None:
            self._serve(ticket)

    def send(self, message: Progress | Finished) -> None:
        try:
            self._deliver(message)
        except Exception:
            log.exception("a message of the engine could not be delivered")

    def _work(self) -> None:
        try:
            import torch

            # One core stays with the window: a pool that must wait for it is slower than one that is smaller.
            torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))
        except Exception:
            log.exception("torch cannot be loaded")  # every job will say so again, as its failure
        while (ticket := self.mailbox.take()) is not None:
            self._serve(ticket)

    def _serve(self, ticket: Ticket) -> None:
        start = time.perf_counter()
        answer, failure = (None, None) if ticket.cancelled else self._answer(ticket)
        self.mailbox.done(ticket)
        self.send(Finished(ticket.id, ticket.request, answer, failure, time.perf_counter() - start))

    def _answer(self, ticket: Ticket) -> tuple[Answer | None, Failure | None]:
        try:
            from engine.model.taps import Cancelled
            from engine.work.jobs.perform import perform
        except Exception as error:
            return None, failure_of(error)
        try:
            return perform(ticket.request, self.state, TicketTask(ticket, self)), None
        except Cancelled:
            return None, None
        except Exception as error:
            # What a cancelled job stumbles over on its way out is nobody's concern.
            return None, None if ticket.cancelled else failure_of(error)


class TicketTask(Task):
    """A job on the engine thread: it reports to whoever posted it, and a sweep lets urgent requests pass."""

    def __init__(self, ticket: Ticket, worker: Worker) -> None:
        self._ticket, self._worker = ticket, worker

    @override
    def cancelled(self) -> bool:
        return self._ticket.cancelled

    @override
    def report(self, done: int, total: int, what: str, partial: Answer | None = None) -> None:
        if not self._ticket.cancelled:
            self._worker.send(Progress(self._ticket.id, done, total, what, partial))

    @override
    def yield_point(self) -> None:
        from engine.model.taps import Cancelled

        opened = self._worker.state.opened
        if self._ticket.request.lane == "sweep":
            self._worker.serve_urgent()
        # A sweep over a model that has been replaced meanwhile answers a question nobody asks any more.
        if self._ticket.cancelled or self._worker.state.opened is not opened:
            raise Cancelled


def failure_of(error: Exception) -> Failure:
    """A value for the user: ValueErrors of this project carry one line that is meant to be read."""
    detail = "".join(traceback.format_exception(error))
    if isinstance(error, ValueError | OSError):
        return Failure(one_line(error), detail=detail)
    if isinstance(error, MemoryError) or "alloc" in str(error):
        return Failure("There is not enough memory for this", "Shorten the prompt or open a smaller model.", detail)
    return Failure("This could not be computed", "Copy the details into a report; everything else goes on.", detail)


def one_line(error: Exception) -> str:
    """What an exception says, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
