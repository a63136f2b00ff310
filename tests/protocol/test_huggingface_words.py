"""The tokenizer of a Hugging Face folder and its BOS: the nearest file counts, a strange one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from engine.model.loaders.huggingface import folder as loader
from tests.protocol.tiny_folders import change, good, refused, refused_unopened, tensors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return good(tmp_path / "tiny")


def test_that_an_older_tokenizer_comes_with_a_way_out(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "vocab.json")
    refused_unopened(folder, "no tokenizer.json", "save_pretrained")


def test_that_a_tokenizer_with_more_tokens_than_the_embedding_is_refused(folder: Path) -> None:
    smaller = tensors()
    smaller["model.embed_tokens.weight"] = smaller["model.embed_tokens.weight"][:200].clone()
    save_file(smaller, folder / "model.safetensors")
    change(folder / "config.json", vocab_size=200)
    refused(folder, "more tokens")


@pytest.mark.parametrize(
    ("settings", "bos"),
    [
        ({"bos_token": "<bos>"}, 0),
        ({"bos_token": {"content": "<bos>", "lstrip": False}}, 0),
        ({"bos_token": "A"}, None),
        ({"bos_token": "nothing of that name"}, 7),
        ({"bos_token": None}, 7),
        ({}, 7),
    ],
)
def test_that_bos_is_what_the_nearest_file_names(folder: Path, settings: dict[str, Any], bos: int | None) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    change(folder / "config.json", bos_token_id=7)
    (folder / "generation_config.json").write_text('{"bos_token_id": 8}', encoding="utf-8")
    _, tokenizer = loader.load(folder)
    assert tokenizer.bos == (bos if bos is not None else tokenizer.encode("A")[0])
    assert not tokenizer.prepend_bos


@pytest.mark.parametrize("settings", [{"bos_token": 3}, {"bos_token": {"content": 3}}, {"bos_token": ["<bos>"]}])
def test_that_a_bos_that_is_no_token_is_refused(folder: Path, settings: dict[str, Any]) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    refused_unopened(folder, "tokenizer_config.json")


def test_that_a_tokenizer_that_cuts_or_pads_reads_the_whole_prompt(folder: Path) -> None:
    pad = {"strategy": {"Fixed": 9}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "<bos>"}
    cut = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    _, tokenizer = loader.load(folder)
    change(folder / "tokenizer.json", padding=pad | {"pad_to_multiple_of": None}, truncation=cut)
    _, again = loader.load(folder)
    assert again.encode("hello") == tokenizer.encode("hello") and len(again.encode("hello")) == 5
