"""Where the files of a Hugging Face folder lie: shards, links and the cache; nothing outside of it is read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.model.loaders.header import ModelFileError
from engine.model.loaders.huggingface import folder as loader
from tests.protocol.tiny_folders import change, good, refused_unopened, tensors

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return good(tmp_path / "tiny")


@pytest.fixture
def shards(folder: Path) -> Path:
    """The same folder with its weights in two files."""
    (folder / "model.safetensors").unlink()
    halves: dict[str, dict[str, torch.Tensor]] = {"a.safetensors": {}, "b.safetensors": {}}
    for number, (name, tensor) in enumerate(tensors().items()):
        halves["ab"[number % 2] + ".safetensors"][name] = tensor
    for file, half in halves.items():
        save_file(half, folder / file)
    index = {name: file for file, half in halves.items() for name in half}
    (folder / INDEX).write_text(json.dumps({"weight_map": index}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_that_a_truncated_shard_is_refused(shards: Path, share: float) -> None:
    content = (shards / "b.safetensors").read_bytes()
    (shards / "b.safetensors").write_bytes(content[: int(share * len(content))])
    refused_unopened(shards, "b.safetensors", "damaged")


def test_that_a_missing_shard_is_named(shards: Path) -> None:
    assert loader.read_header(shards).stored == "Hugging Face, F32, 2 shards"
    (shards / "a.safetensors").unlink()
    refused_unopened(shards, "a.safetensors", "missing")


@pytest.mark.parametrize(
    "name", ["../tiny/b.safetensors", "..", "/etc/passwd", "x/b.safetensors", "a\0b", "C:b", "", ".", 3, None, ["a"]]
)
def test_that_a_shard_that_lies_elsewhere_is_refused(shards: Path, name: Any) -> None:
    index = json.loads((shards / INDEX).read_text(encoding="utf-8"))["weight_map"]
    change(shards / INDEX, weight_map=index | {"model.norm.weight": name})
    refused_unopened(shards)


@pytest.mark.parametrize("mapping", [[], "a.safetensors", {}, None])
def test_that_an_index_that_says_nothing_is_refused(shards: Path, mapping: Any) -> None:
    change(shards / INDEX, weight_map=mapping)
    refused_unopened(shards)


def test_that_weights_in_two_shards_are_refused(shards: Path) -> None:
    shutil.copy(shards / "a.safetensors", shards / "b.safetensors")
    refused_unopened(shards, "two of its files")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors", "README.md"])
def test_that_a_link_out_of_the_folder_is_refused(folder: Path, file: str, tmp_path: Path) -> None:
    (folder / "README.md").write_text("hello", encoding="utf-8")
    (folder / file).rename(tmp_path / "secret")
    (folder / file).symlink_to(tmp_path / "secret")
    with pytest.raises(ModelFileError, match="link out of the folder"):
        loader.read_header(folder)


def test_that_a_link_in_a_circle_and_one_to_nothing_are_refused(folder: Path) -> None:
    for target in ("tokenizer.json", "nothing"):
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer.json").symlink_to(folder / target)
        refused_unopened(folder, "leads nowhere")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_that_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    refused_unopened(folder, "not a file")


def cached(folder: Path, tmp_path: Path) -> Path:
    """The folder as the cache of Hugging Face keeps it: links from a snapshot into blobs."""
    model = tmp_path / "models--org--tiny"
    snapshot = model / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    folder.rename(model / "blobs")
    for number, file in enumerate(sorted((model / "blobs").iterdir())):
        file.rename(file.with_name(f"blob{number}"))
        (snapshot / file.name).symlink_to(f"../../blobs/blob{number}")
    return snapshot


def test_that_a_snapshot_of_the_cache_opens_under_the_models_name(folder: Path, tmp_path: Path) -> None:
    snapshot = cached(folder, tmp_path)
    loader.load(snapshot)
    assert loader.read_header(snapshot).title == "org/tiny"


def test_that_a_snapshot_may_not_link_to_another_model(folder: Path, tmp_path: Path) -> None:
    snapshot = cached(folder, tmp_path)
    other = tmp_path / "models--org--other" / "blobs"
    other.mkdir(parents=True)
    (other / "blob").write_text("{}", encoding="utf-8")
    (snapshot / "tokenizer_config.json").unlink()
    (snapshot / "tokenizer_config.json").symlink_to("../../../models--org--other/blobs/blob")
    refused_unopened(snapshot, "link out of the folder")
