"""What a job may ask of whoever runs it. No torch, no Qt."""

from __future__ import annotations

from typing_extensions import override

from engine.work.results import Answer


class Task:
    """A job that runs to its end and tells nobody: the command line's. The worker's own kind listens and reports."""

    def cancelled(self) -> bool:
        """True when nobody waits for the answer any more."""
        return False

    def report(self, done: int, total: int, what: str, partial: Answer | None = None) -> None:
        """Say how far the job is, with what is known so far."""

    def yield_point(self) -> None:
        """Called between chunks and layers: more urgent requests pass here. Raises taps.Cancelled when cancelled."""


class Part(Task):
    """A job inside another: how far it is passes on, its partial answers do not, as they are not the other's."""

    def __init__(self, whole: Task) -> None:
        self._whole = whole

    @override
    def cancelled(self) -> bool:
        return self._whole.cancelled()

    @override
    def report(self, done: int, total: int, what: str, partial: Answer | None = None) -> None:
        self._whole.report(done, total, what)

    @override
    def yield_point(self) -> None:
        self._whole.yield_point()
