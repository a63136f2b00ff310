"""Random models that transformers saves, opened by ours: one file or many shards, in every precision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Backend
from tokenizers import processors
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from engine.model.loaders import native
from engine.model.loaders.huggingface import folder as loader
from engine.model.taps import Cancelled, Capture
from engine.model.transformer import Transformer
from tests.engine.oracle_models import MODELS, V, gpt2, llama, shaken, word_tokenizer


def saved(folder: Path, name: str, dtype: torch.dtype = torch.float32, shard: str = "5GB") -> PreTrainedModel:
    """A folder as transformers writes it, and the model that it was written from."""
    logging.disable_progress_bar()  # it leaves a thread behind
    model = shaken(*MODELS[name], dtype=dtype)
    model.save_pretrained(folder, max_shard_size=shard)
    (folder / "tokenizer.json").write_text(word_tokenizer(), encoding="utf-8")
    return model


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, V, (2, 24), generator=torch.Generator().manual_seed(2))


def assert_same(ours: Transformer, theirs: PreTrainedModel, tokens: Tensor) -> None:
    patterns = Capture(lambda name: name.endswith(".pattern"))
    with torch.inference_mode():
        logits = ours(tokens, patterns)
        their = theirs(tokens, output_attentions=True)
    torch.testing.assert_close(logits, their.logits, rtol=1e-4, atol=1e-4)
    assert torch.equal(logits.argmax(-1), their.logits.argmax(-1))
    for pattern, their_pattern in zip(patterns.kept.values(), their.attentions, strict=True):
        torch.testing.assert_close(pattern, their_pattern, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_that_a_folder_computes_what_transformers_computes(name: str, tmp_path: Path, tokens: Tensor) -> None:
    theirs = saved(tmp_path, name)
    ours, _ = loader.load(tmp_path)
    assert_same(ours, theirs, tokens)
    header = loader.read_header(tmp_path)
    assert (header.config, header.stored) == (ours.config, "Hugging Face, F32")
    assert header.parameters == sum(weight.numel() for weight in ours.parameters())
    assert header.size == sum(file.stat().st_size for file in loader.files(tmp_path))


@pytest.mark.parametrize("name", ["gpt2", "neox-quarter-rotary-parallel", "llama-grouped", "qwen2-untied"])
def test_that_shards_make_the_same_model_as_one_file(name: str, tmp_path: Path, tokens: Tensor) -> None:
    saved(tmp_path / "one", name)
    saved(tmp_path / "many", name, shard="20KB")
    heard: list[tuple[int, int, str]] = []
    one, _ = loader.load(tmp_path / "one")
    many, _ = loader.load(tmp_path / "many", lambda *step: heard.append(step))
    assert torch.equal(one(tokens), many(tokens))
    shards = len(list((tmp_path / "many").glob("*.safetensors")))
    assert shards > 2
    assert loader.read_header(tmp_path / "many").stored == f"Hugging Face, F32, {shards} shards"
    assert list(dict.fromkeys(what for _, _, what in heard)) == [
        f"reading shard {n + 1} of {shards}" for n in range(shards)
    ]
    assert [done for done, _, _ in heard] == list(range(heard[0][1]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["gpt2", "neox-quarter-rotary-sequential", "mistral-grouped-wide-heads"])
def test_that_half_precision_is_widened_exactly(name: str, dtype: torch.dtype, tmp_path: Path, tokens: Tensor) -> None:
    make = type(saved(tmp_path, name, dtype))
    ours, _ = loader.load(tmp_path)
    # opened anew: a model that was cast to half precision has rounded the table of its rotary angles too
    assert_same(ours, make.from_pretrained(tmp_path, dtype=torch.float32, attn_implementation="eager"), tokens)
    assert loader.read_header(tmp_path).stored == f"Hugging Face, {'F16' if dtype == torch.float16 else 'BF16'}"
    assert {weight.dtype for weight in ours.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize("name", ["gpt2", "neox-no-attention-bias", "llama-biases", "qwen2-grouped-tied"])
def test_that_a_folder_saved_as_our_own_is_the_same_bit_for_bit(name: str, tmp_path: Path, tokens: Tensor) -> None:
    saved(tmp_path, name)
    model, tokenizer = loader.load(tmp_path)
    native.save(tmp_path / "own.safetensors", model, tokenizer)
    again, reader = native.load(tmp_path / "own.safetensors")
    assert torch.equal(model(tokens), again(tokens))
    assert reader.encode("w5 w7") == tokenizer.encode("w5 w7") == [5, 7]


def test_that_files_of_the_bare_decoder_with_masks_are_read(tmp_path: Path, tokens: Tensor) -> None:
    """As the first GPT-2 was published: no prefix, a mask in every layer."""
    theirs = saved(tmp_path, "gpt2")
    weights = load_file(tmp_path / "model.safetensors")
    bare = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    bare |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 40, 40).tril() for layer in range(3)}
    bare |= {f"h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(3)}
    save_file(bare, tmp_path / "model.safetensors")
    assert_same(loader.load(tmp_path)[0], theirs, tokens)


def test_that_an_unembedding_that_repeats_the_embedding_is_no_second_one(tmp_path: Path, tokens: Tensor) -> None:
    theirs = saved(tmp_path, "gpt2")
    weights = load_file(tmp_path / "model.safetensors")
    before = loader.read_header(tmp_path).parameters
    save_file(weights | {"lm_head.weight": weights["transformer.wte.weight"].clone()}, tmp_path / "model.safetensors")
    assert_same(loader.load(tmp_path)[0], theirs, tokens)
    assert loader.read_header(tmp_path).parameters == before


def test_that_rotary_tables_in_older_files_are_left_aside(tmp_path: Path, tokens: Tensor) -> None:
    theirs = saved(tmp_path, "llama")
    weights = load_file(tmp_path / "model.safetensors")
    tables = {f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": torch.zeros(4) for layer in range(3)}
    save_file(weights | tables, tmp_path / "model.safetensors")
    assert_same(loader.load(tmp_path)[0], theirs, tokens)


@pytest.mark.parametrize("recipe", [gpt2, llama])
def test_that_config_json_as_transformers_4_wrote_it_is_read_alike(recipe: object, tmp_path: Path) -> None:
    name = "gpt2" if recipe is gpt2 else "llama-wide-heads-other-base"
    saved(tmp_path, name)
    newer = loader.read_header(tmp_path).config
    values = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    positions = values.pop("rope_parameters", {})
    values["torch_dtype"] = values.pop("dtype")
    values |= {"rope_theta": positions.get("rope_theta", 1e4), "rope_scaling": None}
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    assert loader.read_header(tmp_path).config == newer


def test_that_an_opening_can_be_stopped(tmp_path: Path) -> None:
    saved(tmp_path, "llama", shard="20KB")

    def stop(done: int, _total: int, _what: str) -> None:
        if done == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        loader.load(tmp_path, stop)


@pytest.mark.parametrize("template", [True, False])
@pytest.mark.parametrize("stated", [True, False, None])
def test_that_bos_is_put_first_where_transformers_puts_it(template: bool, stated: bool | None, tmp_path: Path) -> None:
    saved(tmp_path, "llama")
    backend = Backend.from_str(word_tokenizer())
    if template:
        backend.post_processor = processors.TemplateProcessing(single="w3 $A", special_tokens=[("w3", 3)])
    backend.save(str(tmp_path / "tokenizer.json"))
    settings = {"bos_token": "w3", "tokenizer_class": "PreTrainedTokenizerFast"}
    settings |= {} if stated is None else {"add_bos_token": stated}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    _, ours = loader.load(tmp_path)
    assert (ours.bos, ours.encode("w5 w7")) == (3, theirs.encode("w5 w7"))
    assert loader.read_header(tmp_path).prepends_bos == ours.prepend_bos
