"""Random-weight models of every family as GGUF files: our logits and patterns are those of transformers (V26)."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from torch import Tensor
from tqdm import tqdm
from transformers import LlamaForCausalLM, PreTrainedModel

from engine.model.loaders import native
from engine.model.loaders.gguf import model as loader
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.gguf_writer import plain_vocabulary, write_gguf
from tests.engine.oracle_models import V, gpt2, llama, mistral, neox, qwen2, shaken

MODELS = {
    "gpt2": gpt2(),
    "neox-parallel": neox(),
    "neox-sequential-full-rotary": neox(rotary_pct=1.0, use_parallel_residual=False),
    "llama": llama(),
    "llama-grouped-tied": llama(num_key_value_heads=2, tie_word_embeddings=True),
    "llama-other-base": llama(rope_parameters={"rope_type": "default", "rope_theta": 500.0}, rms_norm_eps=1e-3),
    "mistral-grouped": mistral(num_key_value_heads=2, sliding_window=None),
    "qwen2-grouped-tied": qwen2(num_key_value_heads=2, tie_word_embeddings=True),
    "qwen2-untied": qwen2(),
}


def opened(folder: Path, model: PreTrainedModel, stored: Type = Type.F32) -> Transformer:
    path = folder / "model.gguf"
    write_gguf(path, model, plain_vocabulary(model.config.vocab_size), stored)
    return loader.load(path)[0]


def agree(theirs: PreTrainedModel, ours: Transformer, tokens: Tensor) -> None:
    with torch.inference_mode():
        wanted = theirs(tokens, output_attentions=True, use_cache=False)
        watch = Capture(lambda name: name.endswith(".pattern"))
        logits = ours(tokens, watch)
    assert torch.allclose(logits, wanted.logits, atol=1e-4, rtol=1e-4)
    assert torch.equal(logits.argmax(-1), wanted.logits.argmax(-1))
    for pattern, theirs_ in zip(watch.kept.values(), wanted.attentions, strict=True):
        assert torch.allclose(pattern, theirs_, atol=1e-4)


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(1, V, (2, 24), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", MODELS)
def test_that_logits_and_patterns_equal_transformers(name: str, tmp_path: Path, tokens: Tensor) -> None:
    theirs = shaken(*MODELS[name], torch.float32)
    agree(theirs, opened(tmp_path, theirs), tokens)


@pytest.mark.parametrize("stored", [Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1])
def test_that_a_quantised_model_is_the_one_with_its_weights_dequantised(
    stored: Type, tmp_path: Path, tokens: Tensor
) -> None:
    """The oracle's matrices go through the gguf package, in the order of rows in which the file keeps them."""
    make, config = llama(hidden_size=64, intermediate_size=96, num_key_value_heads=2)
    theirs = shaken(make, config, torch.float32)
    ours = opened(tmp_path, theirs, stored)
    with torch.no_grad():
        for weight in theirs.parameters():
            if weight.ndim == 2:  # rows are quantised one by one, so their order changes nothing
                raw = gguf.quantize(weight.numpy(), stored)
                weight.copy_(torch.from_numpy(gguf.dequantize(raw, stored)).float())
    agree(theirs, ours, tokens)


def test_that_transformers_own_reader_of_gguf_files_agrees(
    tmp_path: Path, tokens: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second way round: what it reads back from our test file, turned as it turns it."""
    monkeypatch.setattr(tqdm, "monitor_interval", 0)  # its progress bar would leave a thread behind
    theirs = shaken(*llama(num_key_value_heads=2), torch.float32)
    ours = opened(tmp_path, theirs)
    again = LlamaForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", attn_implementation="eager")
    agree(again.eval(), ours, tokens)


def test_that_the_header_tells_what_loading_gives(tmp_path: Path) -> None:
    theirs = shaken(*llama(num_key_value_heads=2, tie_word_embeddings=True), torch.float32)
    path = tmp_path / "model.gguf"
    names = {"general.name": "Tiny", "general.license": "mit"}
    write_gguf(path, theirs, plain_vocabulary(V), Type.Q8_0, **names)
    header, (model, tokenizer) = loader.read_header(path), loader.load(path)
    assert header.config == model.config
    assert header.parameters == sum(weight.numel() for weight in model.parameters())
    assert (header.title, header.licence, header.size) == ("Tiny", "mit", path.stat().st_size)
    assert header.stored == "GGUF, Q8_0" and header.prepends_bos == tokenizer.prepend_bos is True
    with path.open("rb") as stream:
        assert loader.header_of(stream, path.stat().st_size, path.name) == header


def test_that_saved_natively_the_logits_stay_bit_for_bit(tmp_path: Path, tokens: Tensor) -> None:
    theirs = shaken(*qwen2(num_key_value_heads=2), torch.float32)
    write_gguf(tmp_path / "model.gguf", theirs, plain_vocabulary(V), Type.Q8_0)
    model, tokenizer = loader.load(tmp_path / "model.gguf")
    native.save(tmp_path / "model.safetensors", model, tokenizer)
    again, _ = native.load(tmp_path / "model.safetensors")
    assert torch.equal(again(tokens), model(tokens))


def test_that_opening_reports_and_can_be_stopped(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf", shaken(*llama(), torch.float32), plain_vocabulary(V))
    told: list[tuple[int, int]] = []
    loader.load(tmp_path / "model.gguf", lambda done, total, what: told.append((done, total)))
    assert len(told) > 20 and told[-1][0] == told[-1][1] - 1

    def stop(done: int, total: int, what: str) -> None:
        if done == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        loader.load(tmp_path / "model.gguf", stop)
