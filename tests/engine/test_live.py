"""A run in a process of its own: steered by lines, killed and gone on with, forked, refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.model import checkpoints
from engine.model.checkpoints import FILM, TWIN
from engine.model.loaders import native
from engine.model.loaders.film import Film
from engine.model.loaders.header import ModelFileError
from engine.training import live
from engine.training.disturbances import Disturbance, parse
from engine.training.live import MODEL
from engine.training.run import Run
from engine.training.spec import KEEP_EVERY, MEASURE_EVERY, SPEC, STATES, Spec

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"steps": 100, "width": 16, "rows": 16, "seed": 5}
NO_TWIN = {**SMALL, "twin": False}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models, where runs lie beside each other."""
    monkeypatch.setenv("HEADSCOPE_HOME", str(tmp_path))
    return tmp_path / "models"


def started(folder: Path, spec: dict[str, Any] | None = None) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True, parents=True)
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


def undisturbed(layers: int = 2, disturbances: tuple[Disturbance, ...] = ()) -> dict[str, torch.Tensor]:
    run = Run(Spec(**SMALL).recipe().with_layers(layers), SMALL["seed"], disturbances)
    run.advance(SMALL["steps"])
    return run.model.state_dict()


def assert_same(folder: Path, expected: dict[str, torch.Tensor]) -> None:
    model, _ = native.load(folder / MODEL)
    assert all(torch.equal(expected[name], value) for name, value in model.state_dict().items())


def states(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in (folder / STATES).iterdir())


def test_that_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(home: Path) -> None:
    """At most one interval is lost, and nothing at all of the numbers, of the twin's neither."""
    folder, twin = home / "run", home / f"run{TWIN}"
    first = started(folder, SMALL)
    until(first, step=KEEP_EVERY + 20)
    first.kill()
    end(first)
    assert states(folder)[-1] >= KEEP_EVERY
    second = started(folder)
    row = until(second, step=0)
    assert row["step"] == 0 and row["twin"]["step"] == 0  # what was measured before is told again
    assert until(second, step=SMALL["steps"])["twin"]["step"] == SMALL["steps"]
    assert until(second, "done")["step"] == SMALL["steps"]
    assert end(second) == 0
    assert_same(folder, undisturbed())
    assert_same(twin, undisturbed(layers=1))
    for place in (folder, twin):
        film = Film(place / FILM)
        assert film.steps == (0, 50, 100)
        assert [row["step"] for row in film.curves] == list(range(0, 101, MEASURE_EVERY))


def test_that_twins_that_were_killed_apart_meet_again(home: Path) -> None:
    """As where the process went between writing the one and the other."""
    folder, twin = home / "run", home / f"run{TWIN}"
    first = started(folder, SMALL)
    until(first, "done")
    end(first)
    for step in (50, 100):
        (twin / STATES / f"{step:06d}.safetensors").unlink()
    second = started(folder)
    assert until(second, "catching up")["step"] == 5
    until(second, "done")
    assert end(second) == 0
    assert_same(twin, undisturbed(layers=1))
    assert [row["step"] for row in Film(twin / FILM).curves] == list(range(0, 101, MEASURE_EVERY))


@pytest.mark.parametrize("thinned", [False, True])
def test_that_a_fork_continues_exactly_as_the_run_did(home: Path, thinned: bool) -> None:
    """From a state that was kept, or made again from the seed where it was not; with what was done before the fork, and
    without what was done after it."""
    trunk = home / "trunk"
    first = started(trunk, {**NO_TWIN, "steps": 3000})
    say(first, do="pause")
    until(first, "paused")
    say(first, do="disturb", line="freeze W_K 1")
    early = until(first, "disturbed")["step"]
    say(first, do="resume")
    until(first, step=KEEP_EVERY + 10)
    say(first, do="disturb", line="zero 0.0")
    late = until(first, "disturbed")["step"]
    say(first, do="stop")
    until(first, "stopped")
    end(first)
    assert early < KEEP_EVERY < late
    if thinned:
        (trunk / STATES / f"{KEEP_EVERY:06d}.safetensors").unlink()
        if early:
            (trunk / STATES / f"{early:06d}.safetensors").unlink(missing_ok=True)
    fork = home / "fork"
    second = started(fork, {**NO_TWIN, "fork_of": "trunk", "fork_step": KEEP_EVERY})
    until(second, "done")
    assert end(second) == 0
    assert_same(fork, undisturbed(disturbances=(Disturbance(parse("freeze W_K 1"), early),)))
    rows = [row["step"] for row in Film(fork / FILM).curves]
    assert rows[0] == 0 and rows[-1] == 100 and rows == sorted(set(rows))
    assert Film(fork / FILM).steps[-1] == 100 and KEEP_EVERY in Film(fork / FILM).steps


def test_that_a_shipped_film_can_be_forked(home: Path) -> None:
    """There is no state beside it: the steps are made again from the seed, and end where the film says."""
    process = started(home / "fork", {"steps": 60, "twin": False, "fork_of": "instant", "fork_step": 50})
    until(process, "catching up", step=50)
    assert until(process, step=50)["step"] == 50
    until(process, "done")
    assert end(process) == 0
    film = Film(home / "fork" / FILM)
    shipped = Film(checkpoints.film_of("instant") or Path())
    assert film.steps == (0, 10, 20, 30, 40, 50, 60)
    again, there = film.weights(60), shipped.weights(60)
    for name, value in again.items():
        torch.testing.assert_close(value, there[name], rtol=1e-3, atol=1e-4)  # other machines add up otherwise


def test_that_it_pauses_is_disturbed_and_is_put_down_when_the_window_goes(home: Path) -> None:
    spec = {**SMALL, "steps": 3000}
    process = started(home / "run", spec)
    until(process, step=20)
    say(process, do="pause")
    paused = until(process, "paused")["step"]
    for line, said in (
        ("force 0.9 previous", "no head 0.9"),
        ("freeze everything", "it is written freeze"),
        ("mix plain 1", "need text"),
        ("mix nothing 1", "no rows of the kind 'nothing'"),
        ('swap z 0.0 from "a b"', "needs another prompt"),
    ):
        say(process, do="disturb", line=line)
        assert said in until(process, "refused")["why"]
    for line in ("force 1.0 previous", "mix chain 1", "freeze layer 0"):
        say(process, do="disturb", line=line)
        assert until(process, "disturbed")["step"] == paused
    say(process, do="resume")
    row = until(process, step=paused + 1)
    assert [line for _, line in row["disturbed"]] == ["force 1.0 previous", "mix chain 1", "freeze layer 0"]
    assert row["previous_token"][1][0] == 1.0 and row["twin"]["step"] == row["step"]
    assert end(process) == 0  # the input ends: so does the run, with its state written
    kept, twin = (
        Run.resumed(Spec.of(spec).recipe().with_layers(layers), sorted((home / name / STATES).iterdir())[-1])
        for layers, name in ((2, "run"), (1, f"run{TWIN}"))
    )
    assert kept.step == twin.step > paused
    assert [str(one.value) for one in kept.disturbances] == ["force 1.0 previous", "mix chain 1", "freeze layer 0"]
    assert [str(one.value) for one in twin.disturbances] == ["mix chain 1", "freeze layer 0"]  # it has no head 1.0


def test_that_what_was_done_just_before_a_stop_is_told_when_the_run_goes_on(home: Path) -> None:
    process = started(home / "run", {**NO_TWIN, "steps": 3000})
    until(process, step=20)
    say(process, do="pause")
    paused = until(process, "paused")["step"]
    say(process, do="disturb", line="zero 0.0")
    until(process, "disturbed")
    say(process, do="stop")
    until(process, "stopped")
    end(process)
    again = started(home / "run")
    assert until(again, step=paused + 1)["disturbed"] == [[paused, "zero 0.0"]]
    say(again, do="disturb", line="")
    ended = until(again, "disturbed")["step"]
    assert until(again, step=ended + 1)["disturbed"] == [[ended, ""]]
    assert end(again) == 0
    curves = [mark for row in Film(home / "run" / FILM).curves for mark in row["disturbed"]]
    assert curves == [[paused, "zero 0.0"], [ended, ""]]


def test_that_a_window_that_follows_gets_checkpoints_as_often_as_curves(home: Path) -> None:
    process = started(home / "run", NO_TWIN)
    say(process, do="follow", on=True)
    until(process, "done")
    assert end(process) == 0
    assert Film(home / "run" / FILM).steps == tuple(range(0, 101, MEASURE_EVERY))


def test_that_old_states_make_room_for_new_ones(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "run" / STATES
    folder.mkdir(parents=True)
    for step in (0, 50, 100):
        (folder / f"{step:06d}.safetensors").write_bytes(bytes(100))
    monkeypatch.setattr(live, "STATES_ROOM", 250)
    live._thin(home / "run")
    assert states(home / "run") == [50, 100]
    monkeypatch.setattr(live, "STATES_ROOM", 10)
    live._thin(home / "run")
    assert states(home / "run") == [100]  # the last one stays whatever its size


def test_that_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(home: Path) -> None:
    process = started(home / "run", {**NO_TWIN, "rate": 0.1, "steps": 3000})
    until(process, "kept")
    say(process, do="pause")
    until(process, "paused")
    end(process)
    path = sorted((home / "run" / STATES).iterdir())[-1]
    with safe_open(path, "pt") as file:
        notes, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    step = int(path.stem)
    tensors["model/W_E"][1:] = torch.inf
    broken = path.with_name(f"{step + 1:06d}.safetensors")
    save_file(tensors, broken, metadata={**notes, "step": str(step + 1)})
    second = started(home / "run")
    assert f"the loss is no number at step {step + 1}" in until(second, "failed")["why"]
    assert end(second) == 1
    assert Film(home / "run" / FILM).steps[-1] == step


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"colour": "red"}, "a run has no 'colour'"),
        ({"width": "wide"}, "width cannot be 'wide'"),
        ({"context": 8}, "a repeat would not fit"),
    ],
)
def test_that_what_cannot_be_trained_ends_in_one_line(home: Path, spec: dict[str, Any], said: str) -> None:
    process = started(home / "run", spec)
    assert said in until(process, "failed")["why"]
    assert end(process) == 1


def test_that_what_does_not_fit_the_memory_is_not_begun(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Little", (), {"available": 1e8})())
    (home / "run").mkdir(parents=True)
    (home / "run" / SPEC).write_text(json.dumps(SMALL))
    with pytest.raises(ModelFileError, match=r"this run needs about 0\.4 GB of memory and 0\.1 GB are free"):
        live.Watched(home / "run")
    assert not (home / "run" / STATES).exists()
