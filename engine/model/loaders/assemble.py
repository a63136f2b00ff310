"""From configuration, weights and tokenizer as a file gave them to a model that can be trusted to run: the checks that
every format shares.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.model.config import ModelConfig
from engine.model.loaders.header import ModelFileError
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer


def assemble(name: str, config: ModelConfig, weights: Mapping[str, Tensor]) -> Transformer:
    """The model; weights that are contiguous are taken over without a copy. `name` is the file's, for the message.

    Raises ModelFileError when a weight is missing, too many, of another shape, or not finite.
    """
    with torch.device("meta"):
        model = Transformer(config)
    try:
        model.load_state_dict({name: value.contiguous() for name, value in weights.items()}, assign=True)
    except (RuntimeError, TypeError):
        raise ModelFileError(f"{name} is damaged: its weights do not fit its configuration") from None
    broken = next((name for name, value in weights.items() if not _finite(value)), None)
    if broken:
        raise ModelFileError(f"{name} cannot be used: the weights {broken} hold numbers that are not finite")
    return model.eval()


def _finite(weights: Tensor) -> bool:
    """The sum of a tensor is finite only if all of it is, and many times quicker to make than a tensor of answers."""
    return bool(weights.sum().isfinite()) or bool(weights.isfinite().all())


def tokenizer_for(name: str, config: ModelConfig, definition: str, bos: int | None, prepend_bos: bool) -> Tokenizer:
    """Raises ModelFileError when the definition cannot be read, or has tokens that the embedding lacks."""
    try:
        tokenizer = Tokenizer(definition, bos, prepend_bos)
    except Exception:  # the tokenizers library raises nothing more special
        raise ModelFileError(f"{name} is damaged: its tokenizer cannot be read") from None
    if max(tokenizer.size, 1 + (tokenizer.bos or 0)) > config.vocabulary:
        raise ModelFileError(f"{name} is damaged: its tokenizer has more tokens than its embedding")
    return tokenizer
