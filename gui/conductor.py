"""Keeps the engine busy with what the window needs: compares what is shown with what was answered, and asks
for the first thing that is missing in each lane. The only place that submits requests and receives answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from PySide6.QtCore import QObject, QTimer, Signal, SignalInstance, Slot

from engine.work.requests import Analyze, Lane, LoadModel, Prompt, Request
from engine.work.results import (
    Analysis,
    Comparison,
    Failure,
    Finished,
    ModelInfo,
    Progress,
)
from gui.model_words import title_of
from gui.needs import PANEL_FINDINGS, Need, model_needs, opening_needs, run_needs
from gui.prompts import samples
from gui.state import ExplorerState, Hover, Selection, Status
from gui.steps import in_force

LANES: tuple[Lane, ...] = ("load", "run", "sweep")
IDLE = Status()


class Service(Protocol):
    """The part of EngineService that the window relies on."""

    @property
    def message(self) -> SignalInstance: ...

    def submit(self, request: Request) -> int: ...

    def cancel(self, request_id: int) -> None: ...


@dataclass(frozen=True)
class Errand:
    """A need that the engine is working on."""

    id: int
    need: Need


class Conductor(QObject):
    """Asks for what is missing, files the answers, drops the stale; failures go out as values."""

    failed = Signal(object)
    settled = Signal()

    def __init__(self, state: ExplorerState, service: Service, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._service = service
        self._errands: dict[Lane, Errand] = {}
        self._answered: dict[str, Request] = {}
        self._fresh_model = True
        self._paint_first = QTimer(self)
        self._paint_first.setSingleShot(True)
        self._paint_first.setInterval(0)  # fires once what an answer changed is painted
        self._paint_first.timeout.connect(self.steer)
        service.message.connect(self._receive)
        state.selected.connect(self._steer_selection)
        state.hovered.connect(self._steer_hover)

    def rest(self) -> None:
        """Ask and receive nothing more: what is still under way has nobody to go to."""
        self._service.message.disconnect(self._receive)
        self._paint_first.stop()

    @property
    def idle(self) -> bool:
        """Whether everything that is shown has been answered."""
        return not self._errands and not self._paint_first.isActive()

    @Slot(object, object)
    def _steer_selection(self, new: Selection, old: Selection) -> None:
        self.steer()

    @Slot(object, object)
    def _steer_hover(self, new: Hover, old: Hover) -> None:
        if new.head != old.head:
            self.steer()

    @Slot()
    def steer(self) -> None:
        """Ask for whatever is needed next and not already under way."""
        if not self._state.in_force and self._prompt_is_read():
            self._answered.pop("analysis", None)  # what is no longer kept has to be asked for again
            self._state.find(analysis=self._state.findings.baseline)
        if self._state.selection.prompt.text == "" and self._state.selection.prompt.repeat is None:
            self._state.find(problem=None)  # what was wrong went with the text
        if not self._state.compares:
            self._answered.pop("comparison", None)
            self._state.find(comparison=None, other_detail=None, other_problem=None)
        needs = self._needs()
        for lane in LANES:
            self._steer_lane(lane, [need for need in needs if need.request.lane == lane])
        if self.idle:
            self._state.find(status=IDLE)
            self.settled.emit()

    def _steer_lane(self, lane: Lane, needs: list[Need]) -> None:
        errand = self._errands.get(lane)
        need = next((need for need in needs if self._answered.get(need.name) != need.request), None)
        if errand is not None and errand.need == need:
            return
        if need is not None:
            self._errands[lane] = Errand(self._service.submit(need.request), need)
            if isinstance(need.request, LoadModel):
                self._state.find(status=Status(f"opening {title_of(need.request.model, self._state.findings.models)}"))
        elif errand is not None:
            self._end_errand(lane)
            self._service.cancel(errand.id)

    def _needs(self) -> list[Need]:
        """Everything that the window wants to know now, the most urgent first."""
        needs = list(opening_needs(self._state))
        if self._state.scrubs:
            return needs  # the next checkpoint is a moment away: nothing else is worth beginning
        if self._prompt_is_read():
            needs += run_needs(self._state)
        return [*needs, *model_needs(self._state)]

    def _prompt_is_read(self) -> bool:
        """Whether the baseline is that of the present prompt; a prompt that failed is not read."""
        asked = Analyze(self._state.selection.prompt)
        return self._answered.get("baseline") == asked and self._state.findings.problem is None

    @Slot(object)
    def _receive(self, message: Progress | Finished) -> None:
        lane = next((lane for lane, errand in self._errands.items() if errand.id == message.id), None)
        if lane is None:
            self._note_stale(message)
            return
        need = self._errands[lane].need
        if isinstance(message, Progress):
            self._note_progress(message, lane)
            return
        self._end_errand(lane)
        if message.failure is not None:
            self._answered[need.name] = need.request
            self._fail(need, message.failure)
        elif message.answer is not None:
            self._answered[need.name] = need.request
            self._file(need, message.answer)
        self._paint_first.start()

    def _end_errand(self, lane: Lane) -> None:
        del self._errands[lane]
        if lane == "load":
            self._state.find(status=IDLE)  # what is under way now will say so itself

    def _note_stale(self, message: Progress | Finished) -> None:
        """An opening that was called off too late: the engine holds that model now and must change back."""
        if isinstance(message, Finished) and isinstance(message.answer, ModelInfo):
            self._answered.clear()
            self._call_off_runs()
            self.steer()

    def _call_off_runs(self) -> None:
        for lane in [lane for lane in self._errands if lane != "load"]:
            self._service.cancel(self._errands.pop(lane).id)

    def _note_progress(self, message: Progress, lane: Lane) -> None:
        if lane == "load" or "load" not in self._errands:  # an opening is what a person waits for
            self._state.find(status=Status(message.what, message.done, message.total))
        if message.partial is not None:
            self._state.find(**{self._errands[lane].need.name: message.partial})

    def _file(self, need: Need, answer: object) -> None:
        match answer:
            case ModelInfo():
                self._open(need, answer)
            case Analysis() if need.name == "baseline":
                self._fresh_model = False
                meddled = in_force(self._state.selection.steps, self._state.findings.model, len(answer.tokens))
                shown = {} if meddled else {"analysis": answer}
                self._state.find(baseline=answer, problem=None, **shown)
            case Comparison():
                self._state.find(comparison=answer, other_problem=None)
            case _:
                troubles = {name: why for name, why in self._state.findings.troubles.items() if name != need.name}
                changed = {} if len(troubles) == len(self._state.findings.troubles) else {"troubles": troubles}
                self._state.find(**{need.name: answer}, **changed)

    def _open(self, need: Need, model: ModelInfo) -> None:
        """A new model: what is known of the old one is stale, but stays in sight until the first new run."""
        before = self._state.findings.model
        same_run = before is not None and bool(model.steps) and before.run == model.run
        film = self._answered.get("film")
        self._answered = {"model": need.request}
        self._call_off_runs()
        opened = self._state.selection.model
        if same_run:  # pins and curves hold for every checkpoint; what is known of another one says whose it is
            self._answered |= {} if film is None else {"film": film}
            self._state.find(model=model, opened=opened, troubles={}, behaviour=None, scores=None, problem=None)
            self.steer()
            return
        known = dict.fromkeys(("behaviour", "scores", "detail", "comparison", "problem", *PANEL_FINDINGS))
        self._state.find(model=model, opened=opened, troubles={}, **known)
        self._fresh_model = True
        own, prompt = samples(model), self._state.selection.prompt
        if prompt == Prompt() and own:
            prompt = Prompt(own[0].text)
        pins = dict.fromkeys(("head", "token", "source", "pair", "layers", "other"))
        self._state.select(prompt=prompt, target="", against="", **pins)

    def _fail(self, need: Need, failure: Failure) -> None:
        if need.name == "model":
            self._return_to_open_model(failed=self._state.selection.model)
        elif need.name in ("comparison", "other_detail"):
            self._state.find(comparison=None, other_problem=failure)
            return  # said under the prompt: while a person still types in it, this is no news
        elif need.name in PANEL_FINDINGS:
            self._state.find(troubles={**self._state.findings.troubles, need.name: failure}, **{need.name: None})
            return  # said where the answer would stand
        elif need.name == "baseline":
            sample = self._own_sample()
            if sample is not None:
                self.failed.emit(replace(failure, hint="Here is one of its own prompts instead."))
                self._state.select(prompt=sample, token=None, source=None)
                return
            self._state.find(problem=failure)
        self.failed.emit(failure)

    def _return_to_open_model(self, failed: str) -> None:
        """The old model is still there; when there is none, the first that ships is opened, if that is another."""
        if self._state.findings.opened:
            self._answered["model"] = LoadModel(self._state.findings.opened)
        self._state.select(model=self._state.way_back if self._state.way_back != failed else "")

    def _own_sample(self) -> Prompt | None:
        """A prompt that this model can surely read, for a model just opened that cannot read the old one."""
        model = self._state.findings.model
        own = samples(model) if self._fresh_model and model is not None else ()
        self._fresh_model = False
        return Prompt(own[0].text) if own else None
