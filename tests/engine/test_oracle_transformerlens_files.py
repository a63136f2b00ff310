"""Checkpoints that TransformerLens wrote, opened as folders: its own logits and patterns, which lie beside them.

transformerlens_files/write.py tells how they were made.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.model.loaders import native, transformerlens
from engine.model.loaders.formats import format_of
from engine.model.loaders.header import ModelFileError
from engine.model.taps import Capture
from tests.engine.oracle_models import word_tokenizer

FILES = Path(__file__).parent / "transformerlens_files"
KINDS = sorted(folder.name for folder in FILES.iterdir() if (folder / "config.json").exists())
BOS = json.dumps({"bos_token": "w3"})


def copied(kind: str, folder: Path) -> Path:
    """A checkpoint with a tokenizer beside it."""
    shutil.copytree(FILES / kind, folder)
    (folder / "tokenizer.json").write_text(word_tokenizer(23), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(BOS, encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied("standard-norms", tmp_path / "model")


def changed(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8")


def refused(folder: Path, word: str) -> None:
    with pytest.raises(ModelFileError, match=word) as caught:
        transformerlens.load(folder)
    assert "\n" not in str(caught.value)


def test_that_every_kind_of_checkpoint_is_tried() -> None:
    assert len(KINDS) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_that_logits_and_patterns_are_theirs(kind: str, tmp_path: Path) -> None:
    folder = copied(kind, tmp_path / kind)
    assert format_of(folder) is transformerlens
    model, _ = transformerlens.load(folder)
    answers = load_file(folder / "answers.safetensors")
    patterns = Capture(lambda name: name.endswith(".pattern"))
    with torch.inference_mode():
        logits = model(answers["tokens"], patterns)
    torch.testing.assert_close(logits, answers["logits"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.stack(list(patterns.kept.values()), 1), answers["patterns"], rtol=1e-4, atol=1e-4)
    assert torch.equal(logits.argmax(-1), answers["logits"].argmax(-1))
    assert answers["patterns"][..., 8:, :].max(-1).values.median() > 0.2, "attention is nearly uniform"


def test_that_a_checkpoint_survives_being_saved_as_our_own(folder: Path, tmp_path: Path) -> None:
    model, tokenizer = transformerlens.load(folder)
    native.save(tmp_path / "own.safetensors", model, tokenizer)
    again, _ = native.load(tmp_path / "own.safetensors")
    tokens = torch.arange(20)[None]
    assert torch.equal(model(tokens), again(tokens))


def test_that_the_header_tells_what_lies_there(folder: Path) -> None:
    header = transformerlens.read_header(folder)
    model, tokenizer = transformerlens.load(folder)
    assert header.config == model.config
    assert (header.stored, header.title) == ("TransformerLens, F32", "model")
    assert header.parameters == sum(weight.numel() for weight in model.parameters())
    assert (header.prepends_bos, tokenizer.prepend_bos, tokenizer.bos) == (True, True, 3)
    changed(folder, default_prepend_bos=False)
    assert not transformerlens.read_header(folder).prepends_bos


def test_that_configurations_from_before_the_library_had_its_names_are_read(tmp_path: Path) -> None:
    folder = copied("shortformer", tmp_path / "model")
    fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in ("positional_embedding_type", "normalization_type", "d_vocab_out", "attn_scale", "use_attn_scale"):
        del fields[name]
    older = fields | {"shortformer_pos": True, "normalization": None}
    (folder / "config.json").write_text(json.dumps(older), encoding="utf-8")
    config = transformerlens.read_header(folder).config
    assert (config.positions, config.norm) == ("shortformer", "none")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"use_attn_scale": False}, "not scaled"),
        ({"attn_scale": 1.0}, "root of 4"),
        ({"use_local_attn": True}, "local attention"),
        ({"final_rms": True}, "final norm"),
        ({"output_logits_soft_cap": 30.0}, "soft-capped logits"),
        ({"attention_dir": "bidirectional"}, "later positions"),
        ({"attn_only": False, "act_fn": "solu_ln"}, "solu_ln"),
        ({"positional_embedding_type": "alibi"}, "alibi"),
        ({"normalization_type": "Soft"}, "Soft"),
        ({"n_key_value_heads": 2}, "share keys"),
        ({"d_vocab_out": 5}, "output vocabulary"),
        ({"rotary_scaling_factor": 8.0}, "scaled rotary"),
        ({"n_layers": 3}, "2 layers, not for 3"),
        ({"n_layers": 10**9}, "2 layers, not for 1000000000"),
        ({"n_layers": "two"}, "n_layers"),
        ({"d_model": 10**12}, "d_model"),
        ({"d_vocab": 24, "d_vocab_out": 24}, "embedding"),
        ({"n_ctx": 2**31 - 1}, "W_pos"),
        ({"n_heads": 2}, "W_Q"),
        ({"normalization_type": None}, "norm_1"),
    ],
)
def test_that_a_checkpoint_that_is_not_computed_exactly_is_refused(
    folder: Path, fields: dict[str, Any], word: str
) -> None:
    changed(folder, **fields)
    refused(folder, word)


def test_that_a_bias_of_the_logits_is_refused_unless_it_is_zero(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["unembed.b_U"][5] = 0.5
    save_file(weights, folder / "model.safetensors")
    refused(folder, "b_U")
    del weights["unembed.b_U"]
    save_file(weights, folder / "model.safetensors")
    transformerlens.load(folder)


def test_that_a_tokenizer_must_lie_beside(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    refused(folder, "no tokenizer.json")
    with pytest.raises(ModelFileError, match=r"no tokenizer\.json"):
        transformerlens.read_header(folder)
