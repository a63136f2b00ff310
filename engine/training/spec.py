"""What a person may choose of a run that is trained here, what it will cost, and the recipe that it stands for.

Must not import torch: the window reads it before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from engine.model.config import Positions
from engine.training.data import NEEDS_TEXT
from engine.training.disturbances import mixed
from engine.training.recipes import COMMON_WORDS, RECIPES, Recipe

SPEC, STATES = "spec.json", "states"  # in the folder of a run: what was chosen, and where it can be gone on with
MEASURE_EVERY, KEEP_EVERY = 10, 50  # steps; at most so many are lost when the process is killed
BYTES_WITH_BOS = 257  # the least vocabulary that can write any text
TEXT = "wordnet_examples"
POSITIONS: tuple[Positions, ...] = ("shortformer", "absolute", "rotary", "alibi")

# of a core of a laptop; once the run goes its status says what it measures
OPERATIONS_A_SECOND, SECONDS_A_STEP, SECONDS_A_MEASURE = 6e10, 0.003, 0.02
PROCESS_BYTES = 350e6  # what the process takes before any weight
STORED = 14  # numbers of a layer kept for each position and dimension until the step is done
SHIPPED: Mapping[str, Mapping[str, Any]] = {"instant": {}, "absolute": {"positions": "absolute"}}


@dataclass(frozen=True)
class Range:
    """A number that may be chosen: from `least` to `most`."""

    title: str
    least: float
    most: float


RANGES = {
    "layers": Range("Layers", 1, 2),
    "heads": Range("Heads in a layer", 1, 8),
    "width": Range("Width", 8, 512),
    "vocabulary": Range("Vocabulary", 5, 2048),
    "context": Range("Context", 16, 256),
    "rows": Range("Batch", 4, 256),
    "burst": Range("Burstiness", 2, 16),
    "rate": Range("Learning rate", 1e-4, 0.1),
    "steps": Range("Steps", MEASURE_EVERY, 3000),
    "seed": Range("Seed", 0, 999_999),
}


@dataclass(frozen=True)
class Spec:
    """`mix`: share of each kind of row, in words as a person writes them; `burst`: how often a pair of a bursty row
    stands in it. `twin`: whether the same run with one layer goes beside it. `fork_of` and `fork_step`: the run, and
    the step of it, from which this one goes on ("": from the start).
    """

    layers: int = 2
    heads: int = 2
    width: int = 64
    vocabulary: int = 65
    context: int = 64
    positions: Positions = "shortformer"
    mix: str = "periodic 1"
    burst: int = 4
    rows: int = 64
    rate: float = 3e-3
    steps: int = 600
    seed: int = 0
    twin: bool = True
    fork_of: str = ""
    fork_step: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Spec:
        """From plain values, e.g. of a file. Raises ValueError for names and kinds of value that are none of these."""
        known = {one.name: type(one.default) for one in fields(cls)}
        for name, value in values.items():
            wanted = known.get(name)
            if wanted is None:
                raise ValueError(f"a run has no {name[:40]!r}: it has {', '.join(known)}")
            right = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
            if not right or (wanted is not bool and isinstance(value, bool)):
                raise ValueError(f"{name} cannot be {str(value)[:40]!r}")
        return cls(**values)

    def values(self) -> dict[str, Any]:
        return asdict(self)

    def forked(self, run: str, step: int) -> Spec:
        """The same choices, to go on from a step of the run that was made with them."""
        most = int(RANGES["steps"].most)
        return replace(self, fork_of=run, fork_step=step, steps=min(most, max(self.steps, step + Spec.steps)))

    def recipe(self) -> Recipe:
        """Raises ValueError, in one line, for what cannot be trained."""
        shares = self._check()
        has_text = any(kind in NEEDS_TEXT for kind in shares)
        base = RECIPES["instant"].with_layers(self.layers)
        each = self.width // self.heads
        config = replace(
            base.config,
            heads=self.heads,
            kv_heads=self.heads,
            d_model=self.width,
            d_head=each,
            vocabulary=self.vocabulary,
            context=self.context,
            positions=self.positions,
            rotary_dim=each if self.positions == "rotary" else 0,
        )
        stage = replace(
            base.stages[0],
            steps=self.steps,
            mix=shares,
            rate_start=self.rate,
            rate_end=self.rate,
            rows=self.rows,
            row_length=self.context,
            burst=self.burst,
        )
        words = () if has_text else some_words(self.vocabulary - 1)
        sources = {TEXT: 1} if has_text else {}
        return replace(base, config=config, stages=(stage,), checkpoints=(), words=words, sources=sources)

    def _check(self) -> dict[str, float]:
        """The shares of the mix. Raises ValueError."""
        for name, bounds in RANGES.items():
            value = getattr(self, name)
            if not bounds.least <= value <= bounds.most:
                why = " (a repeat would not fit)" if name == "context" and value < bounds.least else ""
                raise ValueError(f"{bounds.title.lower()}: {bounds.least:g} to {bounds.most:g}, not {value:g}{why}")
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} is not divisible by {self.heads} heads: choose another")
        if self.positions not in POSITIONS:
            raise ValueError(f"positions are {', '.join(POSITIONS)}, not {self.positions[:20]!r}")
        if self.positions == "rotary" and (self.width // self.heads) % 2:
            raise ValueError(f"rotary positions need an even width of a head, not {self.width // self.heads}")
        shares = mixed(self.mix.split(), f"mix {self.mix}")
        texts = [kind for kind in shares if kind in NEEDS_TEXT]
        if texts and self.vocabulary < BYTES_WITH_BOS:
            raise ValueError(f"{texts[0]} rows are text: a vocabulary of at least {BYTES_WITH_BOS} can write it")
        if self.fork_of and not 0 <= self.fork_step < self.steps:
            raise ValueError(f"a fork at step {self.fork_step} has no steps left of {self.steps}")
        if "bursty" in shares and self.context - 1 < 2 * self.burst:
            raise ValueError(f"a pair that stands {self.burst} times does not fit in a context of {self.context}")
        return shares

    # ------------------------------------------------------------ what it costs
    def parameters(self) -> int:
        return self.width * (2 * self.vocabulary + self.context) + 4 * self.layers * self.width**2

    def seconds(self) -> float:
        """An estimate, with the twin and the measuring, on one core."""
        tokens, each = self.rows * self.context, 8 * self.width**2 + 4 * self.context * self.width
        once = [self.layers, *([1] if self.twin and self.layers > 1 else [])]
        operations = 3 * tokens * sum(each * layers + 2 * self.width * self.vocabulary for layers in once)
        step = len(once) * SECONDS_A_STEP + operations / OPERATIONS_A_SECOND
        return self.steps * (step + len(once) * SECONDS_A_MEASURE / MEASURE_EVERY)

    def bytes(self) -> float:
        """An estimate of what the process takes at most: weights with their moments, and one step's activations."""
        places = self.rows * self.context
        activations = places * (self.layers * (STORED * self.width + 3 * self.heads * self.context))
        return PROCESS_BYTES + 4 * (2 * 4 * self.parameters() + activations + 3 * places * self.vocabulary)


def some_words(count: int) -> tuple[str, ...]:
    """So many different words: common ones, then numbered ones."""
    return (*COMMON_WORDS, *(f"word{number}" for number in range(count)))[:count]


def spec_of_shipped(name: str) -> Spec | None:
    """The choices that give a shipped model's run again; None for other models."""
    return Spec(**SHIPPED[name]) if name in SHIPPED else None
