"""A training run in a process of its own, of low priority, for a window to watch and to steer.

    python -m engine.training.live FOLDER

The folder holds `spec.json` (what to train) and, once there is one, `run.safetensors` (where to go on), the film and
the model. Commands come as lines of JSON on standard input, news go out as lines of JSON on standard output. Where the
input ends, because the window is gone, the run is put down and can be gone on with.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine.circuits.interventions.lines import parse
from engine.model.loaders import native
from engine.training.film import Film, FilmWriter
from engine.training.monitor import Monitor
from engine.training.recipes import RECIPES, Recipe
from engine.training.run import Disturbance, Run, encoded

SPEC, STATE, FILM, MODEL, CARD = "spec.json", "run.safetensors", "film.safetensors", "model.safetensors", "card.json"
SLICE = 5  # steps between two looks at the commands
MEASURE_EVERY, KEEP_EVERY = 25, 50  # steps; at most so many are lost when the process is killed
WIDEST, LONGEST = 512, 3000


@dataclass(frozen=True)
class Spec:
    """What a person may choose of the small recipe."""

    layers: int = 2
    heads: int = 2
    width: int = 64
    steps: int = 600
    rate: float = 3e-3
    seed: int = 0

    def recipe(self) -> Recipe:
        """Raises ValueError, in one line, for what cannot be trained."""
        if self.layers not in (1, 2):
            raise ValueError("a run has 1 or 2 layers")
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(f"a width of {self.width} is not divisible by {self.heads} heads: choose another")
        if not 8 <= self.width <= WIDEST:
            raise ValueError(f"a width is 8 to {WIDEST}, not {self.width}")
        if not MEASURE_EVERY <= self.steps <= LONGEST:
            raise ValueError(f"a run has {MEASURE_EVERY} to {LONGEST} steps, not {self.steps}")
        if not 0 < self.rate <= 1:
            raise ValueError(f"a learning rate is over 0 and at most 1, not {self.rate:g}")
        base = RECIPES["instant"].with_layers(self.layers)
        each = self.width // self.heads
        config = replace(base.config, heads=self.heads, kv_heads=self.heads, d_model=self.width, d_head=each)
        stage = replace(base.stages[0], steps=self.steps, rate_start=self.rate, rate_end=self.rate)
        return replace(base, config=config, stages=(stage,), checkpoints=())


class Watched:
    """The run with what a window sees of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = Spec(**json.loads((folder / SPEC).read_text(encoding="utf-8")))
        recipe, state = self.spec.recipe(), folder / STATE
        self.run = Run.resumed(recipe, state) if state.is_file() else Run(recipe, self.spec.seed)
        self.monitor = Monitor(
            self.run.tokenizer, encoded(self.run.tokenizer, recipe, held_out=True), recipe.config.context
        )
        self.film = FilmWriter(folder / FILM, torch.float32)
        self.curves: list[dict[str, Any]] = []
        if state.is_file() and self.film.path.is_file():
            self.curves = self.film.go_on(Film(self.film.path), self.run.step)

    def go_on(self, commands: queue.Queue[dict[str, Any] | None]) -> None:
        """To the end, or until told to stop."""
        paused = False
        for row in self.curves:
            tell(row)
        while not self.run.done:
            command = commands.get() if paused or not commands.empty() else {"do": "go on"}
            if command is None or command.get("do") == "stop":
                self.keep()
                tell({"event": "stopped", "step": self.run.step})
                return
            paused = self._obey(command, paused)
            if not paused:
                self._slice()
        self.keep()
        tell({"event": "done", "step": self.run.step})

    def _obey(self, command: dict[str, Any], paused: bool) -> bool:
        do = command.get("do")
        if do == "pause" and not paused:
            self.keep()
            tell({"event": "paused", "step": self.run.step})
            return True
        if do == "resume":
            tell({"event": "going on", "step": self.run.step})
            return False
        if do == "disturb":
            self._disturb(str(command.get("line", "")))
        return paused

    def _disturb(self, line: str) -> None:
        """From the next step on; an empty line ends all that is being done."""
        try:
            ended = tuple(replace(one, end=self.run.step) if one.end is None else one for one in self.run.disturbances)
            if line.strip():
                value = parse(line)
                value.check(self.run.recipe.config)
                self.run.disturbances = (*self.run.disturbances, Disturbance(value, self.run.step))
            else:
                self.run.disturbances = ended
            tell({"event": "disturbed", "step": self.run.step, "line": line})
        except ValueError as error:
            tell({"event": "refused", "why": str(error)})

    def _slice(self) -> None:
        if self.run.step % MEASURE_EVERY == 0 and (not self.curves or self.curves[-1]["step"] < self.run.step):
            self._measure()
            if self.run.step % KEEP_EVERY == 0:
                self.keep()
        self.run.advance(SLICE)

    def _measure(self) -> None:
        acting = self.run.acting()
        self.curves.append({"step": self.run.step, **self.monitor.measure(self.run.model, self.run.known, acting)})
        tell(self.curves[-1])

    def keep(self) -> None:
        """State, film and model on the disk. Raises OSError where it is full; what was there stays."""
        if not self.curves or self.curves[-1]["step"] < self.run.step:
            self._measure()
        self.film.add(self.run.step, self.run.model, self.curves)
        native.save(self.folder / MODEL, self.run.model, self.run.tokenizer)
        card = {
            "name": self.folder.name,
            "title": f"Trained here, {self.folder.name}",
            "kind": "trained on this computer",
        }
        (self.folder / CARD).write_text(json.dumps(card), encoding="utf-8")
        self.run.save(self.folder / STATE)


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
    except (OSError, ValueError, TypeError, KeyError) as error:
        tell({"event": "failed", "why": " ".join(str(error).split())[:300] or type(error).__name__})
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
