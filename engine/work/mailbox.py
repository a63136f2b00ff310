"""Requests waiting for the engine thread: one place a lane, where the newest wins.

Any thread may post and cancel; only the engine thread takes. Knows neither Qt, nor torch, nor what a request
means. Every ticket that is posted is taken exactly once, a withdrawn one too, so that whoever takes it can
close it.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.work.requests import Lane, Request

LANES: tuple[Lane, ...] = ("load", "run", "sweep")  # in the order in which they are served
URGENT: tuple[Lane, ...] = ("load", "run")  # what does not wait for the end of a sweep


@dataclass(eq=False)
class Ticket:
    """A posted request and whether anybody still waits for it."""

    id: int
    request: Request
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()


class Mailbox:
    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._waiting: dict[Lane, Ticket] = {}
        self._withdrawn: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._closed = False

    def post(self, request: Request) -> Ticket | None:
        """Put `request` in its lane; what waited there is withdrawn and what runs there is cancelled.

        None once the mailbox is closed: a timer may still fire while the application goes.
        """
        with self._changed:
            if self._closed:
                return None
            ticket = Ticket(next(self._numbers), request)
            for running in self._running:
                if running.request.lane == request.lane:
                    running.cancel()
            self._withdraw(self._waiting.pop(request.lane, None))
            self._waiting[request.lane] = ticket
            self._changed.notify()
            return ticket

    def cancel(self, number: int) -> None:
        """Stop the ticket with this id, waiting or running; an id that is done or unknown is passed over."""
        with self._changed:
            for ticket in [ticket for ticket in self._waiting.values() if ticket.id == number]:
                self._withdraw(self._waiting.pop(ticket.request.lane))
            for ticket in self._running:
                if ticket.id == number:
                    ticket.cancel()
            self._changed.notify()

    def close(self) -> None:
        """Cancel everything; `take` hands out what is left and then None."""
        with self._changed:
            self._closed = True
            for lane in LANES:
                self._withdraw(self._waiting.pop(lane, None))
            for ticket in self._running:
                ticket.cancel()
            self._changed.notify()

    def take(self) -> Ticket | None:
        """Wait for the next ticket, withdrawn ones first; None once the mailbox is closed and empty."""
        with self._changed:
            while (ticket := self._next(LANES)) is None and not self._closed:
                self._changed.wait()
            return ticket

    def take_urgent(self) -> Ticket | None:
        """The next ticket that does not wait for the end of a sweep, or None at once."""
        with self._changed:
            return self._next(URGENT)

    def done(self, ticket: Ticket) -> None:
        """The taker has closed this ticket."""
        with self._changed:
            self._running.remove(ticket)

    def _next(self, lanes: Sequence[Lane]) -> Ticket | None:
        ticket = self._withdrawn.popleft() if self._withdrawn else None
        for lane in lanes:
            ticket = ticket or self._waiting.pop(lane, None)
        if ticket is not None:
            self._running.append(ticket)
        return ticket

    def _withdraw(self, ticket: Ticket | None) -> None:
        if ticket is not None:
            ticket.cancel()
            self._withdrawn.append(ticket)
