"""The tokenizer of a folder: tokenizer.json, and which token begins a text, if any.

Must not import torch or tokenizers: the window lists models before torch is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.model.loaders.header import ModelFileError
from engine.model.loaders.huggingface.fields import Fields
from engine.model.loaders.huggingface.files import LARGEST_TOKENIZER, file_in, read_object

TOKENIZER, SETTINGS, SPECIAL, GENERATION = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
)


@dataclass(frozen=True)
class Words:
    """`definition` is JSON text as the tokenizers library reads it; `bos` the id of the token that may begin a text."""

    definition: str
    bos: int | None
    prepends: bool


def read_words(folder: Path, config: Fields, vocabulary: int, prepends: bool | None = None) -> Words:
    """`config` is the model's config.json, `vocabulary` the size of its embedding.

    `prepends` is whether BOS begins every text, None to do as the tokenizer's own template does (`add_bos_token` beside
    it changes nothing in transformers 5).

    Raises ModelFileError when a file is missing or damaged.
    """
    definition = read_object(folder, TOKENIZER, LARGEST_TOKENIZER)
    if not definition:
        raise ModelFileError(f"{folder.name} has no {TOKENIZER}: {_instead(folder)}")
    settings = Fields(SETTINGS, read_object(folder, SETTINGS))
    template = _template(definition.get("post_processor"))
    bos = _id(definition, template) if template is not None else None
    if bos is None:
        bos = _named(definition, settings, Fields(SPECIAL, read_object(folder, SPECIAL)))
    for file in (config, Fields(GENERATION, read_object(folder, GENERATION))):
        if bos is None and file.has("bos_token_id"):
            number = file.count("bos_token_id", least=0)
            bos = number if number < vocabulary else None  # small models keep the number of the large ones
    if prepends is None:
        prepends = template is not None
    # for batches, not for reading: these would cut or lengthen the prompt in silence
    definition |= {"truncation": None, "padding": None}
    try:
        text = json.dumps(definition, ensure_ascii=False)
    except RecursionError:
        raise ModelFileError(f"{TOKENIZER} of {folder.name} is damaged: it cannot be read as JSON") from None
    return Words(text, bos, prepends and bos is not None)


def _instead(folder: Path) -> str:
    if any(file_in(folder, name) for name in ("vocab.json", "tokenizer.model", "vocab.txt")):
        return "write it with AutoTokenizer.from_pretrained(folder).save_pretrained(folder) of transformers"
    return "put the one that the model was trained with into the folder"


def _template(processor: Any) -> str | None:
    """The token that the tokenizer itself puts before every text."""
    for stage in _stages(processor):
        single = stage.get("single")
        first = single[0] if isinstance(single, list) and single else None
        special = first.get("SpecialToken") if isinstance(first, dict) else None
        if isinstance(special, dict) and isinstance(special.get("id"), str):
            return str(special["id"])
    return None


def _stages(processor: Any) -> Iterator[dict[str, Any]]:
    """A post-processor, or those of a sequence."""
    if isinstance(processor, dict):
        yield processor
        inner = processor.get("processors")
        yield from (stage for stage in (inner if isinstance(inner, list) else []) if isinstance(stage, dict))


def _named(definition: dict[str, Any], *files: Fields) -> int | None:
    """The id of the first `bos_token` that the files name, as text or as an object with its `content`."""
    for file in files:
        if file.has("bos_token"):
            text = file.part("bos_token").text("content") if file.is_object("bos_token") else file.text("bos_token")
            return _id(definition, text)
    return None


def _id(definition: dict[str, Any], text: str) -> int | None:
    """The id of a token by its text; None when the tokenizer has no such token."""
    added, model = definition.get("added_tokens"), definition.get("model")
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and token.get("content") == text and isinstance(token.get("id"), int):
            return int(token["id"])
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    number = vocabulary.get(text) if isinstance(vocabulary, dict) else None
    return number if isinstance(number, int) else None
