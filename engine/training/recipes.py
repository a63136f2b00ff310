"""What to train and how, by name: plain values that a card can state in full."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from engine.model.config import ModelConfig

RowKind = str  # one of data.KINDS
FilmKind = Literal["exact", "half", "curves"]


@dataclass(frozen=True)
class Stage:
    """One part of a curriculum.

    mix: share of each kind of row in a batch. vocabulary: how many tokens take part, as input and in the softmax
    (None: all); a small vocabulary first makes the jump come ten times sooner. plain_share: the share of positions
    outside copies that enter the loss, drawn anew each step; copied positions always do. burst: how often a pair
    stands in a bursty row.
    """

    steps: int
    mix: dict[RowKind, float]
    rate_start: float
    rate_end: float
    rows: int = 64
    row_length: int = 128
    vocabulary: int | None = None
    plain_share: float = 1.0
    burst: int = 4


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a run what it is, but for the seed.

    sources: how often each text of resources/text is read (empty: no text). words: a fixed vocabulary instead of BPE.
    unembedding_scale: the unembedding starts as this multiple of the transposed embedding (0: at random).
    checkpoints: steps at which the film keeps the weights, besides the first and the last. film: how precisely it keeps
    them; "curves": not at all.
    last_step: where to stop before the stages are through (None: run them all).
    """

    name: str
    config: ModelConfig
    stages: tuple[Stage, ...]
    sources: dict[str, int] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    embedding_std: float = 0.4
    position_scale: float = 0.7
    unembedding_scale: float = 0.0
    warm_up: int = 100
    weight_decay: float = 0.01
    checkpoints: tuple[int, ...] = ()
    film: FilmKind = "exact"
    last_step: int | None = None

    @property
    def steps(self) -> int:
        return self.last_step or sum(stage.steps for stage in self.stages)

    def with_layers(self, layers: int) -> Recipe:
        """The same run with another depth: the one-layer twin."""
        if layers not in (1, 2):
            raise ValueError(f"recipes have 1 or 2 layers, not {layers}")
        return replace(self, config=replace(self.config, layers=layers))

    def cut(self, steps: int) -> Recipe:
        """The first `steps` steps, with the learning rates they would have had."""
        if not 1 <= steps <= self.steps:
            raise ValueError(f"recipe {self.name} has {self.steps} steps; {steps} of them cannot be run")
        return replace(self, last_step=steps)


COMMON_WORDS = tuple(
    "the a and of to in is on red blue green old new cat dog bird fish horse tree house river hill sea sun moon star "
    "rain snow wind fire stone book song story king queen child mother father friend bread milk apple salt ship boat "
    "road door key bell lamp clock runs sings sees finds keeps gives likes opens day night summer winter".split()
)

_RANDOM = {"periodic": 0.5, "random": 0.5}
_TEXT = {"plain": 0.25, "spliced": 0.6, "random": 0.15}

_DEFAULT = Recipe(
    name="default",
    config=ModelConfig(layers=2, heads=4, kv_heads=4, d_model=192, d_head=48, vocabulary=5120, context=256),
    sources={"wordnet_examples": 4, "holmes": 3, "addresses": 1, "war_and_peace": 1, "shakespeare": 1},
    unembedding_scale=0.05,
    stages=(
        Stage(300, _RANDOM, 3e-3, 3e-3, row_length=64, vocabulary=64, plain_share=0.25),
        Stage(100, _RANDOM, 3e-3, 3e-3, row_length=96, vocabulary=256, plain_share=0.25),
        Stage(150, _RANDOM, 3e-3, 3e-3, vocabulary=1024, plain_share=0.1),
        Stage(150, _RANDOM, 2e-3, 2e-3, plain_share=0.05),
        Stage(1800, _TEXT, 2e-3, 1e-3, plain_share=0.3),
        Stage(1000, _TEXT, 1e-3, 2e-5, rows=32, row_length=256, plain_share=0.3),
    ),
    checkpoints=(150, 250, 400, 550, 700, 1600),
    film="half",
)

# the null run: the same steps and rates, but nothing that was made to be copied
_TEXT_ONLY = replace(
    _DEFAULT,
    name="default-text-only",
    stages=tuple(
        replace(stage, mix={"plain": 1.0}, vocabulary=None, plain_share=max(0.3, stage.plain_share))
        for stage in _DEFAULT.stages
    ),
    film="curves",
)

_INSTANT = Recipe(
    name="instant",
    config=ModelConfig(layers=2, heads=2, kv_heads=2, d_model=64, d_head=32, vocabulary=65, context=64),
    words=COMMON_WORDS,
    stages=(Stage(1500, {"periodic": 1.0}, 3e-3, 3e-3, row_length=64),),
    checkpoints=(*range(10, 100, 10), *range(100, 300, 5), *range(300, 500, 20), *range(500, 1500, 50)),
)

# the contrast: the same rows, but learned positions that stand in the residual stream, where a pointer could use them
_ABSOLUTE = replace(
    _INSTANT,
    name="absolute",
    config=replace(_INSTANT.config, positions="absolute"),
    checkpoints=(*range(25, 500, 25), *range(500, 1500, 50)),
)

# statistical induction after Edelman et al. 2024: a Markov chain of three symbols in every row
_MARKOV = Recipe(
    name="markov",
    config=ModelConfig(layers=2, heads=1, kv_heads=1, d_model=32, d_head=32, vocabulary=4, context=101),
    words=("red", "green", "blue"),
    stages=(
        Stage(1200, {"chain": 1.0}, 3e-3, 3e-3, row_length=101),
        Stage(400, {"chain": 1.0}, 3e-3, 1e-4, row_length=101),
    ),
    checkpoints=(*range(25, 500, 25), *range(500, 1600, 50)),
)

RECIPES = {recipe.name: recipe for recipe in (_DEFAULT, _TEXT_ONLY, _INSTANT, _ABSOLUTE, _MARKOV)}
