"""A folder as Hugging Face keeps a model: config.json, safetensors files, tokenizer.json.

Code that lies in such a folder is never looked at. Must not import torch at the top: the window lists models before
torch is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.model.config import ModelConfig
from engine.model.loaders.header import Header, Report, quiet
from engine.model.loaders.huggingface import weights
from engine.model.loaders.huggingface.families import read_config
from engine.model.loaders.huggingface.fields import Fields
from engine.model.loaders.huggingface.files import CONFIG, file_in, in_cache, licence, read_object
from engine.model.loaders.huggingface.words import GENERATION, SETTINGS, SPECIAL, TOKENIZER, Words, read_words

if TYPE_CHECKING:
    from engine.model.loaders.huggingface.weights import Stored
    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer


def read_header(path: Path) -> Header:
    """What the files say, without the weights. Raises ModelFileError."""
    values = _values(path)
    config, naming = read_config(values)
    words = read_words(path, values, config.vocabulary)
    return header(path, config, weights.find(path, config, naming), words, "Hugging Face")


def load(path: Path, report: Report = quiet) -> tuple[Transformer, Tokenizer]:
    """The model in float32 and its tokenizer. Raises ModelFileError."""
    from engine.model.loaders.assemble import assemble, tokenizer_for

    values = _values(path)
    config, naming = read_config(values)
    stored, words = weights.find(path, config, naming), read_words(path, values, config.vocabulary)
    tokenizer = tokenizer_for(path.name, config, words.definition, words.bos, words.prepends)
    return assemble(path.name, config, weights.load(path, stored, config, naming, report)), tokenizer


def files(path: Path) -> tuple[Path, ...]:
    """Every file that decides what the model computes and reads."""
    beside = [file_in(path, name) for name in (CONFIG, TOKENIZER, SETTINGS, SPECIAL, GENERATION, weights.INDEX)]
    return (*(file for file in beside if file is not None), *weights.files(path))


def header(path: Path, config: ModelConfig, stored: Stored, words: Words, maker: str) -> Header:
    """What is told of a folder, whoever made it."""
    return Header(
        config,
        stored.parameters,
        size=sum(file.stat().st_size for file in files(path)),
        stored=stored.described(maker),
        has_bos=words.bos is not None,
        prepends_bos=words.prepends,
        title=in_cache(path.resolve()) or path.resolve().name,
        licence=licence(path),
    )


def _values(path: Path) -> Fields:
    return Fields(CONFIG, read_object(path, CONFIG))
