"""A training run in a process of its own, of low priority, for a window to watch and to steer.

    python -m engine.training.live FOLDER

The folder holds `spec.json` (what to train) and, once there is one, `states/` (where to go on, or to fork), the film
and the model; the one-layer twin has a folder of its own beside it. Commands come as lines of JSON on standard input,
news go out as lines of JSON on standard output. Where the input ends, because the window is gone, the run is put down
and can be gone on with.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.model import checkpoints, memory
from engine.model.checkpoints import FILM, TWIN
from engine.model.folders import user_folder
from engine.model.loaders import film as films
from engine.model.loaders import native
from engine.model.loaders.header import ModelFileError
from engine.training.disturbances import Disturbance, check, parse
from engine.training.film import FilmWriter
from engine.training.monitor import Monitor
from engine.training.recipes import Recipe
from engine.training.run import Run, encoded
from engine.training.spec import KEEP_EVERY, MEASURE_EVERY, SPEC, STATES, Spec

MODEL, CARD = "model.safetensors", "card.json"
SLICE = 5  # steps between two looks at the commands
FOLLOW_ROOM = 20_000_000  # bytes of a film that is still written at every measure while the window follows
STATES_ROOM = 256_000_000  # bytes; of more, the oldest go, and a fork from there is made again from the seed


class Recorded:
    """One run with what is kept of it: curves, film, model and states in its folder."""

    def __init__(self, recipe: Recipe, seed: int, folder: Path, trunk: Path | None, fork_step: int) -> None:
        """Goes on from the latest state in `folder`; else as a fork of `trunk` at a step, or from the seed."""
        self.folder = folder
        own = _latest(folder, recipe.steps)
        if own is not None or trunk is None:
            self.run = Run(recipe, seed) if own is None else Run.resumed(recipe, own)
        else:
            self.run = _forked(recipe, seed, trunk, fork_step)
        tokenizer = self.run.tokenizer
        self.monitor = Monitor(tokenizer, encoded(tokenizer, recipe, held_out=True), recipe.config.context)
        self.film = FilmWriter(folder / FILM, "exact", tokenizer)
        self.curves: list[dict[str, Any]] = []
        written = _film_of(trunk if own is None else folder)
        if written is not None:
            self.curves = self.film.go_on(written, fork_step if own is None else self.run.step)
        # what was done since the last row; the next one tells it
        told = [(step, line) for row in self.curves for step, line in row.get("disturbed", ())]
        self.marks = [mark for mark in _marks(self.run) if mark not in told]

    def catch_up(self, step: int) -> None:
        """Some steps towards one that was reached before, by a twin or by the run that this is a fork of."""
        if self.run.step % MEASURE_EVERY == 0:
            self.measure()
        self.run.advance(min(SLICE, step - self.run.step))

    def measure(self) -> dict[str, Any]:
        """The row of this step, which the curves have from now on."""
        if not self.curves or self.curves[-1]["step"] < self.run.step:
            stage, known = self.run.stage[0], self.run.known
            row = self.monitor.measure(self.run.model, stage, known, self.run.acting())
            self.curves.append({"step": self.run.step, **row, "disturbed": self.marks})
            self.marks = []
        return self.curves[-1]

    def keep(self) -> None:
        """State, film and model on the disk. Raises OSError where it is full; what was there stays."""
        self.measure()
        (self.folder / STATES).mkdir(parents=True, exist_ok=True)
        self.film.add(self.run.step, self.run.model, self.curves)
        native.save(self.folder / MODEL, self.run.model, self.run.tokenizer)
        card = {
            "name": self.folder.name,
            "title": self.folder.name,
            "kind": "trained on this computer",
        }
        (self.folder / CARD).write_text(json.dumps(card), encoding="utf-8")
        self.run.save(_state(self.folder, self.run.step))
        _thin(self.folder)


class Watched:
    """The run and its twin with what a window sees of them."""

    def __init__(self, folder: Path) -> None:
        try:
            values = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{SPEC} of {folder.name} cannot be read: {error}") from None
        self.spec = Spec.of(values if isinstance(values, dict) else {})
        recipe, seed = self.spec.recipe(), self.spec.seed
        memory.require(int(self.spec.bytes()), "this run")
        trunk = user_folder() / self.spec.fork_of if self.spec.fork_of else None
        tell({"event": "preparing"})
        self.follows = False
        self.main = Recorded(recipe, seed, folder, trunk, self.spec.fork_step)
        self.both = [self.main]
        if self.spec.twin and recipe.config.layers > 1:
            beside = folder.with_name(folder.name + TWIN)
            trunk = trunk and trunk.with_name(trunk.name + TWIN)
            self.both.append(Recorded(recipe.with_layers(1), seed, beside, trunk, self.spec.fork_step))
        self.began, self.first = time.monotonic(), self.main.run.step

    def go_on(self, commands: queue.Queue[dict[str, Any] | None]) -> None:
        """To the end, or until told to stop."""
        paused = False
        if not self._catch_up(commands):
            return
        for row in self.main.curves:
            self._tell_row(row)
        self.began, self.first = time.monotonic(), self.main.run.step
        while not self.main.run.done:
            command = commands.get() if paused or not commands.empty() else {"do": "go on"}
            if command is None or command.get("do") == "stop":
                self.keep()
                tell({"event": "stopped", "step": self.main.run.step})
                return
            paused = self._obey(command, paused)
            if not paused:
                self._slice()
        self.keep()
        self._tell_row(self.main.curves[-1])
        tell({"event": "done", "step": self.main.run.step})

    def _catch_up(self, commands: queue.Queue[dict[str, Any] | None]) -> bool:
        """Both at one step: the fork's, or the later of the two where the process was killed between them. False where
        the window went meanwhile; nothing is lost, as nothing new was made."""
        step = max(self.spec.fork_step, *(one.run.step for one in self.both))
        for one in self.both:
            while one.run.step < step:
                if not commands.empty() and commands.get() is None:
                    return False
                one.catch_up(step)
                tell({"event": "catching up", "step": one.run.step})
        return True

    def _obey(self, command: dict[str, Any], paused: bool) -> bool:
        do = command.get("do")
        if do == "pause" and not paused:
            self.keep()
            tell({"event": "paused", "step": self.main.run.step})
            return True
        if do == "resume":
            self.began, self.first = time.monotonic(), self.main.run.step
            tell({"event": "going on", "step": self.main.run.step})
            return False
        if do == "follow":
            self.follows = bool(command.get("on"))
        if do == "disturb":
            self._disturb(str(command.get("line", "")))
        return paused

    def _disturb(self, line: str) -> None:
        """From the next step on; an empty line ends all that is being done. The twin has no second layer to disturb."""
        try:
            value = parse(line) if line.strip() else None
            if value is not None:
                check(value, self.main.run.recipe)
        except ValueError as error:
            tell({"event": "refused", "why": str(error)})
            return
        step = self.main.run.step
        for one in self.both:
            if value is None:
                ended = (replace(two, end=step) if two.end is None else two for two in one.run.disturbances)
                one.run.disturbances = tuple(ended)
            elif _fits(value, one.run.recipe):
                one.run.disturbances = (*one.run.disturbances, Disturbance(value, step))
        self.main.marks.append((step, line.strip()))
        tell({"event": "disturbed", "step": step, "line": line.strip()})

    def _slice(self) -> None:
        step = self.main.run.step
        if step % MEASURE_EVERY == 0 and not (self.main.curves and self.main.curves[-1]["step"] >= step):
            for one in self.both:
                one.measure()
            self._tell_row(self.main.curves[-1])
            if step % KEEP_EVERY == 0:
                self.keep()
            elif self.follows and self.main.film.size < FOLLOW_ROOM:
                self.main.film.add(step, self.main.run.model, self.main.curves)
                tell({"event": "kept", "step": step})
        for one in self.both:
            one.run.advance(SLICE)

    def _tell_row(self, row: dict[str, Any]) -> None:
        """A row with the twin's of the same step beside it, and how long the rest will take."""
        twins = (one.curves for one in self.both[1:])
        twin = next((other for curves in twins for other in curves if other["step"] == row["step"]), None)
        made = self.main.run.step - self.first
        left = self.main.run.recipe.steps - self.main.run.step
        pace = (time.monotonic() - self.began) / made if made else None
        tell({**row, "twin": twin, "seconds_left": None if pace is None else round(pace * left, 1)})

    def keep(self) -> None:
        """Raises OSError where the disk is full; what was there stays."""
        for one in self.both:
            one.keep()
        tell({"event": "kept", "step": self.main.run.step})


def _fits(value: Any, recipe: Recipe) -> bool:
    try:
        check(value, recipe)
    except ValueError:
        return False
    return True


def _marks(run: Run) -> list[tuple[int, str]]:
    """When what was done to a run began, and when all of it ended."""
    began = [(one.start, str(one.value)) for one in run.disturbances]
    return sorted({*began, *((one.end, "") for one in run.disturbances if one.end is not None)})


def _state(folder: Path, step: int) -> Path:
    return folder / STATES / f"{step:06d}.safetensors"


def _states(folder: Path) -> Sequence[Path]:
    return sorted((folder / STATES).glob("*.safetensors"))


def _latest(folder: Path, step: int) -> Path | None:
    """The state of the last step up to this one."""
    return next((path for path in reversed(_states(folder)) if path.stem.isdecimal() and int(path.stem) <= step), None)


def _thin(folder: Path) -> None:
    """The newest states stay, as far as there is room for them."""
    room = STATES_ROOM
    for path in reversed(_states(folder)):
        room -= path.stat().st_size
        if room < 0 and path != _states(folder)[-1]:
            path.unlink()


def _forked(recipe: Recipe, seed: int, trunk: Path, step: int) -> Run:
    """At a state of the trunk up to `step`, or at its beginning; disturbed as the trunk was before that step."""
    last, near = _latest(trunk, sys.maxsize), _latest(trunk, step)
    past = () if last is None else Run.resumed(recipe, last).disturbances
    kept = [one for one in past if one.start < step]
    open_ended = [replace(one, end=None) if one.end is not None and one.end > step else one for one in kept]
    return Run(recipe, seed, open_ended) if near is None else Run.resumed(recipe, near, open_ended)


def _film_of(folder: Path | None) -> films.Film | None:
    """What an earlier process, or a run that ships, has written down; None where it is damaged: it is made anew."""
    if folder is None:
        return None
    path = folder / FILM if (folder / FILM).is_file() else checkpoints.film_of(folder.name)
    try:
        return None if path is None else films.opened(path)
    except ModelFileError:
        return None


def tell(news: dict[str, Any]) -> None:
    print(json.dumps(news), flush=True)


def _listen(commands: queue.Queue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        try:
            command = json.loads(line)
        except ValueError:
            continue
        if isinstance(command, dict):
            commands.put(command)
    commands.put(None)  # the window is gone


def main(folder: Path) -> int:
    """0 when the run was put down as it should be; 1 with a reason told in one line."""
    if hasattr(os, "nice"):
        os.nice(10)
    commands: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_listen, args=(commands,), daemon=True).start()
    try:
        Watched(folder).go_on(commands)
    except MemoryError:
        tell({"event": "failed", "why": "there is not enough memory for this run: a smaller batch may do"})
        return 1
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        tell({"event": "failed", "why": " ".join(str(error).split())[:300] or type(error).__name__})
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
