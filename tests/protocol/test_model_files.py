"""Model files: what is written comes back; what is damaged, foreign or missing is refused in one line."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.model import handbuilt, library
from engine.model.loaders import native
from engine.model.loaders.header import ModelFileError
from tests.protocol.tiny_models import bytes_tokenizer, random_model


def refused(path: Path, *words: str) -> None:
    """Opening `path` fails with one line that has `words` in it."""
    with pytest.raises(ModelFileError) as caught:
        native.load(path)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.fixture
def file(tmp_path: Path, bytes_model: Path) -> Path:
    """A copy of a good file, to be spoilt."""
    path = tmp_path / "model.safetensors"
    path.write_bytes((bytes_model / "model.safetensors").read_bytes())
    return path


def with_header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite the header of a file, its weights untouched."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    fields = json.loads(content[8 : 8 + length])
    change(fields)
    header = json.dumps(fields).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + length :])


def test_that_a_saved_model_comes_back_bit_for_bit(tmp_path: Path) -> None:
    tokenizer = bytes_tokenizer()
    model = random_model(tokenizer)
    native.save(tmp_path / "model.safetensors", model, tokenizer)
    again, reader = native.load(tmp_path / "model.safetensors")
    tokens = torch.tensor([reader.encode("hello")])
    assert tokens.tolist() == [tokenizer.encode("hello")]
    assert torch.equal(model(tokens), again(tokens))
    assert again.config == model.config


def test_that_a_truncated_file_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for size in (0, 4, 8, 40, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:size])
        refused(file, "damaged")


def test_that_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for content in (b"hello world, I am no model", b"\xff" * 64, struct.pack("<Q", 4) + b"null"):
        path.write_bytes(content)
        refused(path)
    save_file({"x": torch.zeros(3)}, path)
    refused(path, "not a Headscope model")


def test_that_a_missing_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "model.safetensors", "No such file")


def test_that_a_header_that_promises_too_much_is_refused_before_anything_is_made(file: Path) -> None:
    def million_layers(fields: dict[str, Any]) -> None:
        notes = fields["__metadata__"]
        notes["config"] = json.dumps(json.loads(notes["config"]) | {"layers": 1_000_000_000})

    with_header(file, million_layers)
    refused(file, "1000000000 layers")


@pytest.mark.parametrize(
    "change",
    [
        {"d_model": 17},
        {"vocabulary": 300},
        {"heads": 3},
        {"layers": 1},
        {"norm": "layer"},
        {"layers": "two"},
        {"new": 1},
    ],
)
def test_that_a_configuration_at_odds_with_the_weights_is_refused(file: Path, change: dict[str, Any]) -> None:
    def at_odds(fields: dict[str, Any]) -> None:
        notes = fields["__metadata__"]
        notes["config"] = json.dumps(json.loads(notes["config"]) | change)

    with_header(file, at_odds)
    refused(file, "damaged")


@pytest.mark.parametrize("tokenizer", [[], {}, {"definition": "{}", "bos": 0, "prepend_bos": True}])
def test_that_a_tokenizer_that_cannot_be_read_is_refused(file: Path, tokenizer: Any) -> None:
    with_header(file, lambda fields: fields["__metadata__"].update(tokenizer=json.dumps(tokenizer)))
    refused(file, "tokenizer")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_that_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    tokenizer = handbuilt.tokenizer()
    model = random_model(tokenizer)
    with torch.no_grad():
        model.W_E[3, 1] = value
    native.save(tmp_path / "model.safetensors", model, tokenizer)
    refused(tmp_path / "model.safetensors", "not finite", "W_E")


def test_that_a_folder_a_file_and_a_listed_name_stand_for_a_model(headscope_home: Path, bytes_model: Path) -> None:
    mine = headscope_home / "models" / "mine"
    mine.mkdir(parents=True)
    weights = mine / "model.safetensors"
    weights.write_bytes((bytes_model / "model.safetensors").read_bytes())
    assert library.resolve("mine") == library.resolve(str(mine)) == library.resolve(str(weights)) == weights
    info = next(info for info in library.listing() if info.name == "mine")
    assert (info.layers, info.heads, info.context, info.path) == (2, 2, 32, str(weights))
    assert (info.licence, info.hash) == ("", "")


def test_that_a_card_gives_the_words_and_a_broken_card_costs_nothing(tmp_path: Path, bytes_model: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes((bytes_model / "model.safetensors").read_bytes())
    card = {"name": "tiny", "title": "Tiny", "kind": "random", "licence": "MIT"}
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    info = library.describe(weights)
    assert (info.name, info.title, info.kind, info.licence) == ("tiny", "Tiny", "random", "MIT")
    for broken in ("{", "[]", '{"title": null}'):
        (tmp_path / "card.json").write_text(broken, encoding="utf-8")
        assert library.describe(weights).name == tmp_path.name


@pytest.mark.parametrize("text", ["", "nothing of that name", "a\0b", "x" * 5000, "../default", "."])
def test_that_a_name_that_stands_for_nothing_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        library.resolve(text)
    assert "\n" not in str(caught.value)


def test_that_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(ModelFileError, match="file is wanted"):
        library.resolve(str(tmp_path / "notes.txt"))


@pytest.mark.allows_log_warnings
def test_that_a_damaged_model_is_left_out_of_the_list(headscope_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = headscope_home / "models" / "broken"
    broken.mkdir(parents=True)
    (broken / "model.safetensors").write_bytes(b"nothing")
    assert "broken" not in [info.name for info in library.listing()]
    assert "broken" in caplog.text
