"""Transformers written by hand, whose every number is known exactly: demonstrations, and oracles for tests.

Three circuits of two layers with one head each, no norm, no biases, no MLP. The
residual stream is a row of blocks; a head reads some blocks and writes another, so that it is plain what
composes with what: `handbuilt-k` is induction by K-composition, `handbuilt-q` induction by Q-composition (a
pointer), `handbuilt-v` the token two places back by V-composition.
"""

from __future__ import annotations

import json
import math

import torch
from torch import Tensor

from engine.model.config import ModelConfig
from engine.model.tokenizer import BOS_TEXT, Tokenizer
from engine.model.transformer import Attention, Transformer

NAMES = ("handbuilt-k", "handbuilt-q", "handbuilt-v")
LETTERS = "ABCDEFGHIJK"
VOCABULARY = 1 + len(LETTERS)  # BOS is 0
MATCH = 25.0  # the score of a match; exp(25) is far from the end of float32
REST = 12.0  # the score of BOS: below a match, above everything else
LOGIT = 12.0  # what the copied token gains


def build(name: str) -> tuple[Transformer, Tokenizer]:
    """One of NAMES in float32, with its tokenizer. Raises ValueError on others."""
    builders = dict(zip(NAMES, (k_composition, q_composition, v_composition), strict=True))
    if name not in builders:
        raise ValueError(f"there is no hand-built model {name!r}, only {', '.join(NAMES)}")
    return builders[name](), tokenizer()


def k_composition(context: int = 32, rest: bool = True) -> Transformer:
    """Head 0.0 notes the previous token; head 1.0 finds the note that is its own token, and copies what stands there.

    Stream: tok (V) | prev (V) | out (V) | pos (P) | one. With `rest` head 1.0 attends to BOS where nothing matches.
    """
    draft = Draft({"tok": VOCABULARY, "prev": VOCABULARY, "out": VOCABULARY, "pos": context, "one": 1})
    tokens, sink = range(VOCABULARY), range(VOCABULARY, VOCABULARY + 1)
    draft.previous_token_head(0, "tok", "prev")
    draft.query(1, draft.blocks["tok"], tokens, MATCH)
    draft.key(1, draft.blocks["prev"], tokens)
    if rest:
        draft.query(1, draft.blocks["one"], sink, REST)
        draft.key(1, draft.blocks["tok"][:1], sink)
    draft.copy(1, "tok", "out", LOGIT)
    return draft.model


def q_composition(context: int = 23) -> Transformer:
    """Head 0.0 finds the earlier copy and notes its position (a pointer); head 1.0 attends one place after it.

    Stream: tok (V) | ptr (P) | out (V) | pos (P) | one. Head 0.0 rests on BOS where the token is new.
    """
    draft = Draft({"tok": VOCABULARY, "ptr": context, "out": VOCABULARY, "pos": context, "one": 1})
    tokens, places = range(VOCABULARY), range(VOCABULARY, VOCABULARY + context)
    sink = range(places.stop, places.stop + 1)
    draft.query(0, draft.blocks["tok"], tokens, MATCH)
    draft.query(0, draft.blocks["pos"], places, -2 * MATCH)  # a token is no copy of itself
    draft.query(0, draft.blocks["one"], sink, REST)
    draft.key(0, draft.blocks["tok"], tokens)
    draft.key(0, draft.blocks["pos"], places)
    draft.key(0, draft.blocks["tok"][:1], sink)
    draft.copy(0, "pos", "ptr")
    draft.query(1, draft.blocks["ptr"][:-1], range(1, context), MATCH)
    draft.key(1, draft.blocks["pos"], range(context))
    draft.copy(1, "tok", "out", LOGIT)
    return draft.model


def v_composition(context: int = 32) -> Transformer:
    """Two previous-token heads in a row: head 1.0 copies the note of 0.0, so that i - 2 is predicted after i.

    Stream: tok (V) | prev (V) | out (V) | pos (P) | one; `out` holds the token two places back.
    """
    draft = Draft({"tok": VOCABULARY, "prev": VOCABULARY, "out": VOCABULARY, "pos": context, "one": 1})
    draft.previous_token_head(0, "tok", "prev")
    draft.previous_token_head(1, "prev", "out", LOGIT)
    return draft.model


class Draft:
    """An empty model of two layers with one head each (unless told), and the ways to wire it.

    Dimensions of a second head follow those of the first, in queries and keys as in what `copy` is told.

    Tokens are one-hot in the block `tok`; positions are one-hot in `pos` and 1 in `one`; logits are read off `out`.
    """

    def __init__(self, sizes: dict[str, int], heads: int = 1) -> None:
        self.blocks: dict[str, range] = {}
        for name, size in sizes.items():
            start = sum(len(block) for block in self.blocks.values())
            self.blocks[name] = range(start, start + size)
        self.context = sizes["pos"]
        config = ModelConfig(
            layers=2,
            heads=heads,
            kv_heads=heads,
            d_model=sum(sizes.values()),
            d_head=VOCABULARY + self.context + 1,
            vocabulary=VOCABULARY,
            context=self.context,
            positions="absolute",
        )
        self.model = Transformer(config).requires_grad_(False)
        for weight in self.model.parameters():
            weight.zero_()
        _put(self.model.W_E, range(VOCABULARY), self.blocks["tok"], 1.0)
        _put(self.model.W_pos, range(self.context), self.blocks["pos"], 1.0)
        self.model.W_pos[:, self.blocks["one"].start] = 1.0
        _put(self.model.W_U, self.blocks["out"], range(VOCABULARY), 1.0)

    def head(self, layer: int) -> Attention:
        attention = self.model.layers[layer].attention
        assert isinstance(attention, Attention)
        return attention

    def query(self, layer: int, block: range, dims: range, score: float) -> None:
        """Read stream dimensions into the query, so that they give `score` with a key of 1."""
        _put(self.head(layer).W_Q, block, dims, score * math.sqrt(self.model.config.d_head))

    def key(self, layer: int, block: range, dims: range) -> None:
        _put(self.head(layer).W_K, block, dims, 1.0)

    def copy(self, layer: int, source: str, target: str, gain: float = 1.0, head: int = 0) -> None:
        """What the head attends to: its block `source` goes to block `target` here, times `gain`."""
        first = head * self.model.config.d_head
        dims = range(first, first + len(self.blocks[source]))
        _put(self.head(layer).W_V, self.blocks[source], dims, 1.0)
        _put(self.head(layer).W_O, dims, self.blocks[target], gain)

    def previous_token_head(self, layer: int, source: str, target: str, gain: float = 1.0) -> None:
        self.query(layer, self.blocks["pos"][1:], range(self.context - 1), MATCH)
        self.key(layer, self.blocks["pos"], range(self.context))
        self.copy(layer, source, target, gain)


def _put(matrix: Tensor, rows: range, columns: range, value: float) -> None:
    """`value` times the identity, from these rows to these columns."""
    matrix[torch.tensor(rows), torch.tensor(columns)] = value


def tokenizer() -> Tokenizer:
    """Reads the letters A to K, with or without spaces between them; everything else counts as unknown."""
    words = {BOS_TEXT: 0} | {letter: number for number, letter in enumerate(LETTERS, 1)}
    special = {
        "id": 0,
        "content": BOS_TEXT,
        "special": True,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
    }
    every_character = {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False}
    definition = {
        "version": "1.0",
        "added_tokens": [special],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, every_character]},
        "model": {"type": "WordLevel", "vocab": words, "unk_token": BOS_TEXT},
    }
    return Tokenizer(json.dumps(definition), bos=0, prepend_bos=True)
