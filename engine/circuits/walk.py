"""The walk through the two-head circuit as numbers: what a person is shown step by step, of one prompt and position.

Plain values, no model and no torch; measured by the job `walk_through`, told by walk_steps.py. A place is a position of
the prompt: `query` is asked about, `k` is the earlier copy of its token, k + 1 what follows that copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.model.config import HeadRef

Route = Literal["k", "q"]  # a note read by keys, or a pointer read by queries


@dataclass(frozen=True)
class Share:
    """A part of a sum: a head or another source (`0.3`, `embed`, `pos`, `mlp.4`) and how much it is."""

    name: str
    value: float


@dataclass(frozen=True)
class Note:
    """What one head wrote at k + 1 (a note) or at the query (a pointer).

    `looked`: its attention on k there. Norms of what it wrote, of the stream before and with it; `projection` is its
    signed length along the stream before. Token, position, bias and MLP shares sum to 1, None for an empty note.
    `rank`: the place of the query's token as the reader's query for this key, among `among` tokens: the vocabulary, or
    a sample of a large model's. `likeness`: its cosine to what the head writes for that token, `rank_likeness` the
    place by it. `positional`: attention on i - 1 from positions alone.
    """

    head: HeadRef
    looked: float
    norm: float
    norm_before: float
    norm_after: float
    projection: float | None
    token: float | None
    position: float | None
    mlp: float | None = None
    among: int = 0
    rank: int | None = None
    likeness: float | None = None
    rank_likeness: int | None = None
    positional: float | None = None


@dataclass(frozen=True)
class Reader:
    """A head that matches; the one that adds most is the main reader. Its attention from the query on k, on k + 1, on
    position 0; what it adds to the right logit over the mean logit, directly."""

    head: HeadRef
    on_copy: float
    on_follower: float
    on_first: float
    direct: float


@dataclass(frozen=True)
class Score:
    """The main reader's score for k + 1, less its mean over the keys, by what it is made of.

    `queries` and `keys` are shares by source that sum to 1 each; `at_copy` is the centred score for k.
    """

    at_follower: float
    at_copy: float
    queries: tuple[Share, ...]
    keys: tuple[Share, ...]


@dataclass(frozen=True)
class Weights:
    """Of the best pair of a writer and a reader: composition as a share of its ceiling, of random heads, its rank among
    `pairs`; the strongest directions of the composed circuit as shares of its square."""

    writer: HeadRef
    reader: HeadRef
    fraction: float
    random: float
    rank: int
    pairs: int
    directions: tuple[float, ...]


@dataclass(frozen=True)
class Moved:
    """The note moved one place on: attention on k, k + 1, k + 2 and the best token, before and after. Controls: what as
    many `others` wrote moved instead (attention on k + 1), the note moved back to k (attention on k)."""

    before: tuple[float, float, float]
    after: tuple[float, float, float]
    token_before: str
    token_after: str
    expected_after: str
    others: tuple[HeadRef, ...] = ()
    others_stay: float | None = None
    back_on_copy: float | None = None


@dataclass(frozen=True)
class Value:
    """What the main reader reads out at k + 1, by source (shares sum to 1), and what the writes of all readers together
    raise: the place of the right token, the best three. From weights, of the main reader: eigenvalue score, cosine to
    a scaled identity and the most that its rank allows."""

    sources: tuple[Share, ...]
    rank: int
    best: tuple[str, ...]
    eigenvalues: float | None
    cosine: float | None
    ceiling: float


@dataclass(frozen=True)
class Outcome:
    """Of the right token over the mean logit: `lead` as it is, `lost` when the readers are removed (total effect)."""

    lead: float
    lost: float
    probability: float
    without: float
    rank: int
    best: str


@dataclass(frozen=True)
class Walk:
    """All numbers of one walk. `reason` says why there is none beyond the first steps; then the rest is missing.

    `copies`: earlier copies that something follows. `together`: the rank of all notes as one key. `bystanders`: heads
    that look one back but stand in the readers' layer or above it. `offer`: a prompt that does repeat something.
    """

    tokens: tuple[str, ...]
    query: int
    vocabulary: int
    copies: tuple[int, ...] = ()
    reason: str = ""
    offer: str = ""
    k: int = 0
    route: Route = "k"
    notes: tuple[Note, ...] = ()
    together: int | None = None
    readers: tuple[Reader, ...] = ()
    strongest: Reader | None = None
    bystanders: tuple[HeadRef, ...] = ()
    score: Score | None = None
    weights: Weights | None = None
    moved: Moved | None = None
    value: Value | None = None
    outcome: Outcome | None = None

    @property
    def text(self) -> str:
        return shown(self.tokens[self.query])

    @property
    def right(self) -> str:
        """The token that followed the earlier copy."""
        return shown(self.tokens[self.k + 1])


def shown(token: str) -> str:
    """A token in a sentence."""
    return f"“{token.strip() or token}”"


def total(shares: Sequence[Share], names: Sequence[str]) -> float:
    return sum(share.value for share in shares if share.name in names)
