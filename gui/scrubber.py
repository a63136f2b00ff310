"""A slider over the checkpoints of the run that is open, and the state: what one of them shows, the other follows."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from gui.state import ExplorerState, Findings, Selection, changed, run_of, step_in
from gui.widgets.timeline_bar import TimelineBar
from gui.words.film import step_of


class Scrubber(QObject):
    """`moved` carries the step that the slider stands at now."""

    moved = Signal(int)

    def __init__(self, bar: TimelineBar, state: ExplorerState) -> None:
        super().__init__(bar)
        self._bar, self._state = bar, state
        bar.sought.connect(self._choose)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._follow(state.findings)

    @Slot(int)
    def _choose(self, step: int) -> None:
        """The last one is the finished model itself: its numbers are exact where the film's are rounded."""
        model = self._state.findings.model
        if model is None or not model.steps:
            return
        self.moved.emit(step)
        self._state.select(model=model.run if step == model.steps[-1] else f"{model.run}@{step}")

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        """Chosen elsewhere, or back from a checkpoint that cannot be opened: the slider tells what is shown."""
        model = self._state.findings.model
        if new.model == old.model or model is None or run_of(new.model) != model.run:
            return
        step = step_in(new.model)
        step = model.steps[-1] if step is None and model.steps else step
        if step is not None and step != self._bar.step:
            self._bar.stop()
            self._bar.set_steps(model.steps, step)
            self.moved.emit(step)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "model"):
            self._follow(new)

    def _follow(self, found: Findings) -> None:
        """What has been opened, unless the hand is about to choose another."""
        model = found.model
        if model is not None and model.steps and not self._bar.slider.isSliderDown() and not self._bar.plays:
            self._bar.set_steps(model.steps, step_of(model))
            self.moved.emit(step_of(model))
