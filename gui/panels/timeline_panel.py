"""Training as a film: one slider sets the checkpoint that every panel shows, under the curves of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from typing_extensions import override

from engine.work.results import FilmCurves
from gui.export import Cell, Table
from gui.panel import Panel
from gui.scrubber import Scrubber
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import SECONDARY, Theme, ui_font
from gui.widgets.timeline_bar import TimelineBar
from gui.words.composition import trouble_words
from gui.words.film import JUMP_TIP, NO_FILM, jump_words, views

if TYPE_CHECKING:
    from gui.widgets.charts_view import ChartsView


class TimelinePanel(Panel):
    """A click on the curves goes to the next checkpoint; the keys of the slider work wherever the focus is inside."""

    asks = ("film",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        body = QWidget()
        self.charts: ChartsView | None = None  # made when there is a film to show: the library under it loads slowly
        self.bar, self.missing = TimelineBar(), QLabel(NO_FILM)
        super().__init__("Training", body, parent)
        self._state = state
        self._shown: FilmCurves | None = None
        self.missing.setWordWrap(True)
        self._rows = QVBoxLayout(body)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.addWidget(self.missing)
        self._rows.addWidget(self.bar)
        self.scrubber = Scrubber(self.bar, state)
        self.scrubber.moved.connect(self._mark)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._show(state.findings)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        if self.charts is not None:
            self.charts.set_theme(theme)
        self.bar.set_theme(theme)
        self.missing.setFont(ui_font(theme.px(SECONDARY)))
        self.missing.setStyleSheet(f"color: {theme.subtle}")

    @override
    def numbers(self) -> Table:
        """Every measured step."""
        film = self._film()
        if film is None:
            return Table("training", ("step",), [])
        columns = {"step": list[Cell](film.measured)} | {name: _cells(one) for name, one in film.losses.items()}
        columns |= {f"divergence from {name}": _cells(one) for name, one in film.divergence.items()}
        for name, scores in film.heads.items():
            for layer, head in np.ndindex(scores.shape[1:]):
                columns[f"{name} {layer}.{head}"] = _cells(scores[:, layer, head])
        for run in film.seeds:
            columns[f"repeat_loss_second {run.name}"] = _at(film.measured, run)
        return Table(f"training of {film.name}", tuple(columns), list(zip(*columns.values(), strict=True)))

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.bar.keyPressEvent(event)

    @Slot(str)
    def _choose(self, name: str) -> None:
        self._state.select(chart=name)

    @Slot(int)
    def _mark(self, step: int) -> None:
        if self.charts is not None:
            self.charts.curves.set_step(step)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if new.chart != old.chart and self.charts is not None:
            self.charts.show_view(new.chart)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "film", "model", "troubles"):
            self._show(new)

    def _film(self) -> FilmCurves | None:
        film, model = self._state.findings.film, self._state.findings.model
        return film if film is not None and model is not None and film.name == model.run else None

    def _show(self, found: Findings) -> None:
        film, model = self._film(), found.model
        has_film = model is not None and bool(model.steps)
        self.missing.setText(trouble_words(found.troubles.get("film")) or NO_FILM)
        self.missing.setVisible(not has_film)
        self.bar.setVisible(has_film)
        if film is not None and film is not self._shown:
            self._shown = film
            charts = self._with_charts()
            charts.set_views(views(film), film.jump)
            charts.show_view(self._state.selection.chart)
            charts.curves.set_marks(film.marks)
            charts.curves.set_step(self.bar.step or 0)
            self.bar.slider.set_marks(film.jump, [step for step, _ in film.marks])
        if self.charts is not None:
            self.charts.setVisible(film is not None)
        self.set_note(jump_words(film) if film is not None else "", JUMP_TIP)

    def _with_charts(self) -> ChartsView:
        if self.charts is None:
            from gui.widgets.charts_view import ChartsView

            self.charts = ChartsView()
            self.charts.set_theme(self._theme)
            self.charts.sought.connect(self.bar.seek)
            self.charts.chosen.connect(self._choose)
            self.charts.log_changed.connect(self.bar.set_log)
            self._rows.insertWidget(1, self.charts, 1)
        return self.charts


def _cells(values: NDArray[np.float64]) -> list[Cell]:
    """Nothing where it was not measured."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _at(steps: Sequence[int], run: FilmCurves) -> list[Cell]:
    """Another run's second copy at these steps."""
    known = dict(zip(run.measured, _cells(run.losses["repeat_loss_second"]), strict=True))
    return [known.get(step) for step in steps]
