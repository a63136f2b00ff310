"""Films: read piece by piece, checked before they are believed, and the rule by which a jump is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from engine.model import checkpoints, library
from engine.model.loaders import native
from engine.model.loaders.film import Film, fingerprint
from engine.model.loaders.header import ModelFileError
from engine.training.film import FilmWriter
from engine.training.phase import phase_change
from engine.work.jobs.load import load_model
from engine.work.jobs.perform import perform
from engine.work.jobs.read_film import read_film
from engine.work.recent import RecentRuns
from engine.work.requests import LoadModel, ReadFilm, ScoreHeads
from engine.work.results import RoleScores
from engine.work.state import EngineState
from engine.work.task import Task

INSTANT = checkpoints.FILMS / "instant.safetensors"


def test_that_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model, tokenizer = native.load(library.resolve("instant"))
    writer = FilmWriter(tmp_path / "f.safetensors", "exact", tokenizer)
    writer.add(0, model, [])
    writer.add(50, model, [{"step": 0}])
    film = Film(tmp_path / "f.safetensors")
    assert film.steps == (0, 50) and film.curves == [{"step": 0}]
    found = film.weights(50)
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())


def test_that_a_full_disk_leaves_the_older_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = native.load(library.resolve("instant"))
    writer = FilmWriter(tmp_path / "f.safetensors", "exact", tokenizer)
    writer.add(0, model, [])
    old = (tmp_path / "f.safetensors").read_bytes()

    def full(*_arguments: object, **_named: object) -> None:
        (tmp_path / "f.tmp").write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("engine.training.film.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        writer.add(50, model, [])
    assert (tmp_path / "f.safetensors").read_bytes() == old and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("base", ["instant", "absolute", "default"])
def test_that_the_last_checkpoint_is_the_finished_model(base: str) -> None:
    """To the bit where the film is in single precision, to half precision in the default's."""
    path = checkpoints.film_of(base)
    assert path is not None
    film, (model, _) = Film(path), native.load(library.resolve(base))
    last = film.weights(film.steps[-1])
    for name, value in model.state_dict().items():
        torch.testing.assert_close(last[name].float(), value.to(last[name].dtype).float(), rtol=0, atol=0)


def test_that_names_stand_for_checkpoints_only_where_there_is_a_film() -> None:
    assert checkpoints.parted("instant@300") == ("instant", 300)
    for name in ("instant", "smollm2@3", "instant@x", "../instant@3", "@3", ""):
        assert checkpoints.parted(name) == (name, None)


def test_that_checkpoints_open_as_models_of_the_same_run() -> None:
    state = EngineState(None, RecentRuns())
    early, late = (load_model(LoadModel(f"instant@{step}"), state, Task()) for step in (20, 1500))
    whole = load_model(LoadModel("instant"), state, Task())
    assert (early.name, early.run, early.step) == ("instant@20", "instant", 20)
    assert early.steps == late.steps == whole.steps and whole.step is None and whole.run == "instant"
    assert len({early.hash, late.hash, whole.hash}) == 3
    assert early.hash == fingerprint(Film(INSTANT).weights(20))
    with pytest.raises(ModelFileError, match="no checkpoint at step 26; it has 0, 10, 20, …, 1450, 1500"):
        load_model(LoadModel("instant@26"), state, Task())


def test_that_curves_come_with_those_of_the_twin() -> None:
    film = read_film(ReadFilm("instant"))
    assert film.twin is not None and film.jump is not None and film.twin.jump is None
    assert film.heads["induction"].shape[1:] == (2, 2) and film.twin.heads["induction"].shape[1:] == (1, 2)
    assert 70 <= len(film.steps) <= 90 and set(film.steps) <= set(film.measured)
    assert 90 <= film.jump[0] <= 150 and 180 <= film.jump[1] <= 250
    inside = [step for step in film.steps if film.jump[0] <= step <= film.jump[1]]
    assert len(inside) >= 15  # dense around the jump
    assert film.losses["repeat_loss_second"][-1] < 0.1 < 4 < film.twin.losses["repeat_loss_second"][-1]
    with pytest.raises(ModelFileError, match="has no film"):
        read_film(ReadFilm("handbuilt-k"))


def test_that_curves_come_with_those_of_all_seeds_and_of_the_null_run() -> None:
    film = read_film(ReadFilm("instant"))
    assert [run.name for run in film.seeds] == [f"instant-seed-{seed}" for seed in range(1, 5)]
    for run in film.seeds:
        assert run.jump is not None and run.twin is not None and run.twin.jump is None
    default = read_film(ReadFilm("default"))
    null = default.text_only
    assert null is not None and null.jump is None and not null.steps
    assert null.losses["repeat_loss_second"][-1] > 5 > 1 > default.losses["repeat_loss_second"][-1]
    assert null.heads["induction"][-1].max() < 0.1 < 0.8 < default.heads["induction"][-1].max()


def test_that_the_curves_show_the_circuit_form() -> None:
    """As foretold: composition through keys, matching and copying come with the jump, in two layers only."""
    film = read_film(ReadFilm("instant"))
    assert film.twin is not None
    before, after = film.measured.index(50), len(film.measured) - 1
    assert film.pairs["k"][after].max() > max(film.pairs["q"][after].max(), film.pairs["v"][after].max())
    for scores in (film.pairs["match"], film.heads["memory_copy"]):
        assert np.nanmax(scores[before]) < 0.5 < 0.9 < np.nanmax(scores[after])
    context = film.losses["in_context"]
    assert context[before] > -0.3 > -2 > context[after] and film.twin.losses["in_context"][-1] > -1.2
    assert "k" not in film.twin.pairs and "match" not in film.twin.pairs


def test_that_counting_comes_in_stages() -> None:
    """Edelman et al. 2024: near the unigram predictor first, and only two layers reach the bigram."""
    film = read_film(ReadFilm("markov"))
    two = film.divergence
    assert film.twin is not None and set(two) == {"uniform", "unigram", "bigram"}
    stage = int(two["unigram"].argmin())
    assert two["unigram"][stage] < 0.02 < 0.1 < two["bigram"][stage]
    assert two["bigram"][-1] < 0.02 < 0.1 < two["unigram"][-1]
    assert film.twin.divergence["bigram"].min() > 0.08 and film.twin.divergence["unigram"][-1] < 0.02


def test_that_a_film_opens_as_a_model_wherever_it_lies(tmp_path: Path) -> None:
    """With its checkpoints under its path, its own curves, and nothing of a model of the same name."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(INSTANT.read_bytes())
    state = EngineState(None, RecentRuns())
    whole = load_model(LoadModel(str(path)), state, Task())
    assert whole.name == whole.run == str(path) and whole.title == "Film mine" and len(whole.steps) > 70
    assert "film of" in whole.stored and whole.parameters == library.describe(library.resolve("instant")).parameters
    early = load_model(LoadModel(f"{path}@100"), state, Task())
    assert (early.run, early.step) == (str(path), 100)
    shipped = load_model(LoadModel("instant@100"), EngineState(None, RecentRuns()), Task())
    assert early.hash == shipped.hash
    curves = read_film(ReadFilm(str(path)))
    assert curves.steps == whole.steps and curves.twin is None and curves.seeds == ()


def test_that_a_film_in_the_folder_one_stands_in_opens_by_its_bare_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.safetensors").write_bytes(INSTANT.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert load_model(LoadModel("mine.safetensors@100"), EngineState(None, RecentRuns()), Task()).step == 100


def test_that_a_film_without_weights_or_configuration_opens_as_no_model(tmp_path: Path) -> None:
    for name, said in (("default-text-only", "holds curves only"),):
        film = checkpoints.FILMS / f"{name}.safetensors"
        with pytest.raises(ModelFileError, match=said):
            load_model(LoadModel(str(film)), EngineState(None, RecentRuns()), Task())
    with pytest.raises(ModelFileError, match=r"damaged: KeyError in its header"):
        load_model(LoadModel(str(damaged(tmp_path))), EngineState(None, RecentRuns()), Task())


def test_that_the_jump_is_found_by_its_rule() -> None:
    steps, first = range(0, 60, 10), [4.0] * 6
    assert phase_change(steps, first, [4.0, 3.9, 3.7, 2.5, 1.9, 0.1]) == (20, 40)
    assert phase_change(steps, first, [4.0, 3.0, 3.9, 1.0, 0.5, 0.1]) == (20, 30)
    assert phase_change(steps, first, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]) == (0, 0)  # there from the start
    assert phase_change(steps, first, [4.0] * 6) is None
    assert phase_change(steps, first, [4.0, 1.0, 1.0, 1.0, 3.9, 4.0]) is None  # lost again
    assert phase_change([], [], []) is None
    # a curriculum that brings new tokens: what counts is the jump that stayed
    assert phase_change(steps, first, [4.0, 1.0, 3.9, 2.5, 1.9, 0.1]) == (20, 40)


def damaged(tmp_path: Path, **changes: str | None) -> Path:
    """The instant film with other notes."""
    notes: dict[str, str] = {"format": "headscope-film-1", "curves": json.dumps([{"step": 0}])}
    for name, value in changes.items():
        notes.pop(name) if value is None else notes.update({name: value})
    path = tmp_path / "f.safetensors"
    save_file({"000000/W_E": torch.zeros(2, 2)}, path, metadata=notes)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "headscope-1"}, "is no film of a training run"),
        ({"format": None}, "is no film of a training run"),
        ({"curves": None}, "is damaged: KeyError in its curves"),
        ({"curves": "not json"}, "is damaged: JSONDecodeError in its curves"),
        ({"curves": '{"step": 1}'}, "no rows with a step each"),
        ({"curves": '[{"step": "one"}]'}, "no rows with a step each"),
    ],
)
def test_that_foreign_and_damaged_films_are_one_line(tmp_path: Path, changes: dict[str, str | None], said: str) -> None:
    with pytest.raises(ModelFileError, match=said) as refused:
        Film(damaged(tmp_path, **changes))
    assert "\n" not in str(refused.value)


def test_that_a_film_cut_short_or_with_a_stray_tensor_is_refused(tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(INSTANT.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="damaged"):
        Film(cut)
    save_file({"W_E": torch.zeros(2)}, cut, metadata={"format": "headscope-film-1", "curves": "[]"})
    with pytest.raises(ModelFileError, match="belongs to no step"):
        Film(cut)


def test_that_a_checkpoint_that_misses_a_weight_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {name: value for name, value in load_file(INSTANT).items() if name != "000020/W_U"}
    notes = {"format": "headscope-film-1", "curves": json.dumps([{"step": 0}])}
    save_file(tensors, tmp_path / "instant.safetensors", metadata=notes)
    monkeypatch.setattr(checkpoints, "FILMS", tmp_path)
    state = EngineState(None, RecentRuns())
    with pytest.raises(ModelFileError, match="at step 20 is damaged: its weights do not fit"):
        load_model(LoadModel("instant@20"), state, Task())
    assert load_model(LoadModel("instant@50"), state, Task()).step == 50


def test_that_a_step_too_long_to_be_a_number_is_a_name() -> None:
    assert checkpoints.parted(f"instant@{'9' * 5000}")[1] is None


def test_that_a_damaged_film_leaves_the_finished_model_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "instant.safetensors").write_bytes(INSTANT.read_bytes()[:-100])
    monkeypatch.setattr(checkpoints, "FILMS", tmp_path)
    assert load_model(LoadModel("instant"), EngineState(None, RecentRuns()), Task()).steps == ()
    with pytest.raises(ModelFileError, match=r"instant\.safetensors is damaged"):
        read_film(ReadFilm("instant"))


@pytest.mark.parametrize(
    "curves",
    [
        [],
        [{"step": 0}],
        [{"step": 0, "induction": [0.1], "previous_token": [0.1]}],
        [{"step": 0, "induction": [[0.1, 0.2]], "previous_token": [[0.1]]}],
        [{"step": 0, "induction": [["x"]], "previous_token": [[0.1]]}],
        [{"step": 0, "induction": [[0.1]], "previous_token": [[0.1]], "text_loss": []}],
    ],
)
def test_that_curves_of_no_shape_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curves: list[object]
) -> None:
    damaged(tmp_path, curves=json.dumps(curves)).rename(tmp_path / "instant.safetensors")
    monkeypatch.setattr(checkpoints, "FILMS", tmp_path)
    with pytest.raises(ModelFileError, match=r"instant\.safetensors is damaged: \w+ in its curves"):
        read_film(ReadFilm("instant"))


def test_that_half_precision_changes_no_score_that_is_shown() -> None:
    """The default's film is in half precision; docs/models.md tells how much that is."""
    film = Film(checkpoints.FILMS / "default.safetensors")
    exact, rounded = (_scores(name) for name in ("default", f"default@{film.steps[-1]}"))
    for one, other in zip(exact.heads, rounded.heads, strict=True):
        assert one.induction == pytest.approx(other.induction, abs=5e-4)
        assert one.previous_token == pytest.approx(other.previous_token, abs=5e-4)
        assert one.copying_eigenvalue == pytest.approx(other.copying_eigenvalue, abs=5e-4)
    assert exact.copy_loss_second == pytest.approx(rounded.copy_loss_second, abs=5e-3)


def _scores(name: str) -> RoleScores:
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(name), state, Task())
    found = perform(ScoreHeads(), state, Task())
    assert isinstance(found, RoleScores)
    return found
