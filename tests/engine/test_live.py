"""A run in a process of its own: steered by lines, killed and gone on with, refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.model.loaders import native
from engine.training.film import Film
from engine.training.live import FILM, KEEP_EVERY, MODEL, SPEC, STATE, Spec
from engine.training.run import Run

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"steps": 100, "width": 16, "seed": 5}


def started(folder: Path, spec: dict[str, Any] | None = None) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    if spec is not None:
        (folder / SPEC).write_text(json.dumps(spec))
    command = [sys.executable, "-m", "engine.training.live", str(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def say(process: subprocess.Popen[str], **command: object) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(command) + "\n")
    process.stdin.flush()


def until(process: subprocess.Popen[str], event: str | None = None, step: int | None = None) -> dict[str, Any]:
    """The first news of that event, or from that step on."""
    assert process.stdout is not None
    for line in process.stdout:
        news: dict[str, Any] = json.loads(line)
        if news.get("event") == event and (step is None or news.get("step", -1) >= step):
            return news
    raise AssertionError(f"it ended without {event or step}")


def end(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.stdout.read()
    process.stdout.close()
    return process.wait(timeout=60)


def undisturbed() -> Run:
    run = Run(Spec(**SMALL).recipe(), SMALL["seed"])
    run.advance(SMALL["steps"])
    return run


def test_that_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    """At most one interval is lost, and nothing at all of the numbers."""
    folder = tmp_path / "run"
    first = started(folder, SMALL)
    until(first, step=KEEP_EVERY + 25)
    first.kill()
    end(first)
    kept = Run.resumed(Spec(**SMALL).recipe(), folder / STATE)
    assert kept.step >= KEEP_EVERY
    second = started(folder)
    assert until(second, step=0)["step"] == 0  # what was measured before is told again
    assert until(second, "done")["step"] == SMALL["steps"]
    assert end(second) == 0
    model, _ = native.load(folder / MODEL)
    whole = undisturbed().model.state_dict()
    assert all(torch.equal(whole[name], value) for name, value in model.state_dict().items())
    film = Film(folder / FILM)
    assert film.steps[-1] == SMALL["steps"]
    assert [row["step"] for row in film.curves] == list(range(0, 101, 25))


def test_that_it_pauses_is_disturbed_and_is_put_down_when_the_window_goes(tmp_path: Path) -> None:
    process = started(tmp_path / "run", {**SMALL, "steps": 3000})
    until(process, step=25)
    say(process, do="pause")
    paused = until(process, "paused")["step"]
    say(process, do="disturb", line="force 0.9 previous")
    assert "no head 0.9" in until(process, "refused")["why"]
    say(process, do="disturb", line="force 0.0 previous")
    assert until(process, "disturbed")["step"] == paused
    say(process, do="resume")
    until(process, step=paused + 25)
    assert end(process) == 0  # the input ends: so does the run, with its state written
    kept = Run.resumed(Spec(**{**SMALL, "steps": 3000}).recipe(), tmp_path / "run" / STATE)
    assert kept.step > paused and str(kept.disturbances[0].value) == "force 0.0 previous"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"width": 65}, "a width of 65 is not divisible by 2 heads"),
        ({"width": 1024}, "a width is 8 to 512"),
        ({"heads": 0}, "not divisible by 0 heads"),
        ({"layers": 3}, "a run has 1 or 2 layers"),
        ({"steps": 5}, "a run has 25 to 3000 steps"),
        ({"rate": 0.0}, "a learning rate is over 0"),
    ],
)
def test_that_what_cannot_be_trained_is_one_line(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Spec(**spec).recipe()


def test_that_a_broken_spec_is_one_line(tmp_path: Path) -> None:
    process = started(tmp_path / "run", {"colour": "red"})
    assert "colour" in until(process, "failed")["why"]
    assert end(process) == 1
