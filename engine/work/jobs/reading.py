"""From what was asked to the tokens that the model reads. Bad prompts end here, each in one line
(PromptError).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from engine.circuits import budget
from engine.circuits.scores.probes import random_repeat
from engine.model.config import ModelConfig
from engine.model.tokenizer import PromptError, Tokenizer
from engine.work.requests import Prompt
from engine.work.state import OpenModel

SQUARES, BYTES = 3, 4  # matrices of (T, T) for every head of a layer at a time: scores, pattern, picture
TAIL = 64  # characters kept for each token of context when a pasted book is cut before it is encoded


@dataclass(frozen=True)
class Reading:
    """Token ids, the id of the BOS that stands first (None: none does), and what the user should know about it."""

    ids: list[int]
    bos: int | None
    notice: str | None = None


def read(prompt: Prompt, opened: OpenModel) -> Reading:
    """Raises PromptError for a prompt that is empty, unreadable, or over the context and not to be truncated."""
    if prompt.repeat is not None:
        repeat = prompt.repeat
        rows = repeat_rows(opened, repeat.length, 1, repeat.seed, prompt.bos)  # (1, T)
        return Reading(rows[0].tolist(), probe_bos(opened, prompt.bos))
    if not prompt.text.strip():
        raise PromptError("the prompt is empty" if not prompt.text else "the prompt holds nothing but spaces")
    try:
        prompt.text.encode("utf-8")
    except UnicodeEncodeError:
        raise PromptError("the prompt is not valid text: part of a character is missing") from None
    return _within_context(prompt, opened)


def _within_context(prompt: Prompt, opened: OpenModel) -> Reading:
    tokenizer, (context, reason) = opened.tokenizer, _longest(opened.model.config)
    text = prompt.text[-TAIL * context :] if prompt.truncate else prompt.text
    ids = tokenizer.encode(text, prompt.bos)
    bos = ids[0] if ids and ids[0] == tokenizer.bos else None
    if len(ids) <= context and len(text) == len(prompt.text):
        return Reading(ids, bos)
    if not prompt.truncate:
        raise PromptError(f"the prompt has {len(ids)} tokens, over {reason}")
    first = [] if bos is None else [bos]
    kept = ids[max(0, len(ids) - context) + len(first) :]
    beginning = "BOS and the last" if first else "the last"
    notice = f"This prompt is over {reason}: {beginning} {len(kept)} tokens are read."
    return Reading(first + kept, bos, notice)


def _longest(config: ModelConfig) -> tuple[int, str]:
    """How many tokens can be read, and what sets that limit: the context, or room for the scores of one layer."""
    room = math.isqrt(budget.limit() // (SQUARES * BYTES * config.heads))
    if room < config.context:
        return room, f"the room in the memory budget of {budget.limit() // budget.MEGABYTE} MB, {room} tokens,"
    return config.context, f"the model's context of {config.context}"


def token_id(text: str, tokenizer: Tokenizer) -> int:
    """The one token that a text is, with or without the space before it. Raises PromptError for any other text."""
    spellings = dict.fromkeys((text, f" {text.lstrip()}", text.lstrip()))
    split: list[int] = []
    for spelling in filter(str.strip, spellings):
        ids = tokenizer.encode(spelling, bos=False)
        if len(ids) == 1:
            return ids[0]
        split = split or ids
    if not split:
        raise PromptError("type a word that is one token of this model")
    pieces = " + ".join(repr(piece) for piece in tokenizer.texts(split[:6]))
    raise PromptError(f"{text.strip()[:40]!r} is {len(split)} tokens here, {pieces}: type one of them")


def probe_bos(opened: OpenModel, wanted: bool | None) -> int | None:
    """The BOS of a random probe: there wherever the model has one, unless told otherwise."""
    return None if wanted is False else opened.tokenizer.bos


def longest_repeat(opened: OpenModel, bos: bool | None) -> int:
    """How many distinct tokens can be read twice."""
    begins = probe_bos(opened, bos) is not None
    return min((opened.model.config.context - begins) // 2, len(opened.tokenizer.ordinary))


def repeat_rows(opened: OpenModel, length: int, samples: int, seed: int, bos: bool | None) -> Tensor:
    """Random repeats (samples, [1 +] 2 * length) that fit the model. Raises PromptError when none do."""
    first, context = probe_bos(opened, bos), opened.model.config.context
    ordinary, longest = len(opened.tokenizer.ordinary), longest_repeat(opened, bos)
    if not 1 <= length <= longest:
        raise PromptError(
            f"a repeat of {length} tokens does not fit: 1 to {longest} do "
            f"(context {context}, {ordinary} ordinary tokens)"
        )
    return random_repeat(opened.tokenizer.ordinary, length, samples, seed, first)
