"""An engine that answers from canned results in the next turn of the event loop, or when told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.work.requests import (
    Analyze,
    Compare,
    ExamineHead,
    LoadModel,
    ObserveBehaviour,
    Request,
    ScoreHeads,
    removed,
)
from engine.work.results import Answer, Failure, Finished
from tests.gui import canned


@dataclass
class Pending:
    id: int
    request: Request


@dataclass
class Rules:
    """How the fake engine behaves: models it has, prompts and models it refuses, heads of a model."""

    refused: dict[str, Failure] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    keeps_patterns: bool = True  # False: as if every prompt were too long for the memory budget


class FakeService(QObject):
    """`held` keeps answers back until `release`; `asked` lists every request."""

    message = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rules = Rules()
        self.held = False
        self.asked: list[Request] = []
        self._model = canned.model_info()
        self._pending: list[Pending] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self.release)

    def submit(self, request: Request) -> int:
        self.asked.append(request)
        number = len(self.asked)
        same_lane = [item for item in self._pending if item.request.lane == request.lane]
        for item in same_lane:
            self.cancel(item.id)
        self._pending.append(Pending(number, request))
        if not self.held:
            self._timer.start()
        return number

    def cancel(self, request_id: int) -> None:
        for item in [item for item in self._pending if item.id == request_id]:
            self._pending.remove(item)
            self.message.emit(Finished(item.id, item.request))

    def shutdown(self) -> None:
        self._timer.stop()
        self._pending.clear()

    @Slot()
    def release(self) -> None:
        """Answer what is waiting, the load lane first."""
        waiting, self._pending = self._pending, []
        for item in sorted(waiting, key=lambda item: ("load", "run", "sweep").index(item.request.lane)):
            self.answer(item.id, item.request)

    def answer(self, number: int, request: Request) -> None:
        failure = self._failure(request)
        answer = None if failure else self._answer(request)
        self.message.emit(Finished(number, request, answer, failure))

    def _failure(self, request: Request) -> Failure | None:
        key = request.model if isinstance(request, LoadModel) else ""
        if isinstance(request, Analyze):
            key = request.prompt.text
        if isinstance(request, Compare):
            key = request.other.text
        return self.rules.refused.get(key)

    def _answer(self, request: Request) -> Answer:
        match request:
            case LoadModel():
                heads = self.rules.heads.get(request.model, canned.HEADS)
                self._model = canned.model_info(request.model, heads)
                return self._model
            case Analyze():
                found = canned.analysis_of(request.prompt, removed(request.interventions), self._model)
                found = replace(found, interventions=request.interventions)
                return found if self.rules.keeps_patterns else replace(found, patterns=None)
            case ExamineHead():
                detail = canned.detail_of(request.prompt, request.head, removed(request.interventions))
                return replace(detail, interventions=request.interventions)
            case Compare():
                gone = removed(request.interventions)
                both = canned.comparison_of(request.prompt, request.other, gone, self._model)
                if self.rules.keeps_patterns:
                    return both
                return replace(
                    both, first=replace(both.first, patterns=None), second=replace(both.second, patterns=None)
                )
            case ObserveBehaviour():
                return canned.behaviour_of(request.prompt, request.destination, self._model)
            case ScoreHeads():
                return canned.role_scores_of(self._model, request.length)
