"""The verdict on one position of one prompt: what its last token's earlier copies had to do with where heads look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.circuits.against import with_against
from engine.circuits.patching.corruption import fresh_at
from engine.circuits.patching.metrics import TokenLogit
from engine.circuits.scores.patterns import followers
from engine.circuits.trial import Case, Roles, Trial
from engine.circuits.verdict import Measured, Number, Verdict, judge
from engine.model.config import HeadRef
from engine.model.taps import chain
from engine.work.jobs.causes import LEAST, players
from engine.work.jobs.reading import Reading, read
from engine.work.jobs.running import batch, run_tap
from engine.work.jobs.weighing import FEEDS, FEW_TOKENS, ONE_LAYER, compared, run, weighed
from engine.work.requests import Prompt
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

LEAST_SEEN = LEAST  # attention from which a head takes part
DRAWN = 8  # corrupt prompts, each with other fresh tokens


@dataclass(frozen=True)
class Place:
    """A position and its earlier copies that something follows; `reason` says why there is none that counts."""

    query: int
    copies: tuple[int, ...]
    reason: str = ""


def place_of(reading: Reading, query: int, texts: list[str]) -> Place:
    """Raises ValueError for a position that does not exist."""
    ids = reading.ids
    if not 0 <= query < len(ids):
        raise ValueError(f"position {query} does not exist: the prompt has positions 0 to {len(ids) - 1}")
    same = [place for place in range(query) if ids[place] == ids[query] and ids[place] != reading.bos]
    copies = tuple(place for place in same if place + 1 < query)
    name = f"The token {texts[query].strip() or texts[query]!r} at position {query}"
    if ids[query] == reading.bos:
        return Place(query, (), "The beginning-of-sequence token repeats nothing: choose a later position.")
    if not same:
        return Place(query, (), f"{name} has no earlier copy in this prompt: there is no pattern to continue.")
    if not copies:
        return Place(query, (), f"{name} only stands twice in a row: nothing between its copies could be continued.")
    return Place(query, copies)


@dataclass(frozen=True)
class Seen:
    """Runs looked at from one place: every head's attention from the query (N, T), in the prompt and, `without`, in one
    with other tokens for the earlier copies; and at each copy's follower on the copy (N, copies).

    A head that looks at a place in both does so for another reason than a match: what counts is the difference.
    """

    heads: tuple[HeadRef, ...]
    from_query: Tensor
    without: Tensor
    back_one: Tensor
    place: Place

    @property
    def after(self) -> Tensor:
        return torch.tensor([copy + 1 for copy in self.place.copies])

    def induction(self) -> dict[HeadRef, float]:
        return self._named((self.from_query - self.without)[:, self.after].sum(1))

    def duplicate(self) -> dict[HeadRef, float]:
        return self._named((self.from_query - self.without)[:, torch.tensor(self.place.copies)].sum(1))

    def previous(self, copy: int) -> dict[HeadRef, float]:
        return self._named(self.back_one[:, self.place.copies.index(copy)])

    def copy(self, heads: tuple[HeadRef, ...]) -> int:
        """The earlier copy whose follower these heads look at most; of equals the latest with room to move a note."""
        rows = torch.tensor([self.heads.index(head) for head in heads])
        attention = self.from_query[rows][:, self.after].sum(0).tolist()
        return max(
            zip(attention, self.place.copies, strict=True),
            key=lambda pair: (round(pair[0], 4), pair[1] + 2 < self.place.query, pair[1]),
        )[1]

    def _named(self, scores: Tensor) -> dict[HeadRef, float]:
        return dict(zip(self.heads, scores.tolist(), strict=True))


class _Watch:
    """A tap that keeps what `Seen` needs of one prompt's patterns, a layer at a time."""

    def __init__(self, place: Place) -> None:
        self.place, self.rows, self.back = place, list[Tensor](), list[Tensor]()

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            copies = torch.tensor(self.place.copies)
            self.rows.append(x[0, :, self.place.query])  # (H, T)
            self.back.append(x[0][:, copies + 1, copies])  # (H, copies)
        return x


def look(opened: OpenModel, reading: Reading, place: Place, task: Task) -> Seen:
    """A run of the prompt and one of a corrupt one; of the prompt alone where the vocabulary has no other token."""
    clean = batch(reading.ids)  # (1, T)
    ours = _watched(opened, clean, reading.bos, place, task)
    without = torch.zeros_like(torch.cat(ours.rows))  # (N, T)
    if can_corrupt(opened, reading):
        corrupt = fresh_at(clean, place.copies, opened.tokenizer.ordinary, seed=0)
        without = torch.cat(_watched(opened, corrupt, reading.bos, place, task).rows)
    return Seen(opened.model.config.all_heads, torch.cat(ours.rows), without, torch.cat(ours.back), place)


def _watched(opened: OpenModel, tokens: Tensor, bos: int | None, place: Place, task: Task) -> _Watch:
    watch = _Watch(place)
    opened.model.residual(tokens, chain(run_tap(task, opened, tokens, bos), watch))
    return watch


def can_corrupt(opened: OpenModel, reading: Reading) -> bool:
    """Whether the vocabulary has an ordinary token that the prompt does not use."""
    return bool(set(opened.tokenizer.ordinary) - set(reading.ids))


def roles_at(seen: Seen) -> tuple[Roles, int]:
    """Who plays a part at this place, and the earlier copy that the induction heads use."""
    scores = seen.induction()
    induction = players(scores)
    copy = seen.copy(induction or (max(scores, key=lambda head: scores[head]),))
    last = max((head.layer for head in induction), default=0)

    def below(scores: dict[HeadRef, float]) -> tuple[HeadRef, ...]:
        return players({head: score for head, score in scores.items() if head.layer < last}, FEEDS)

    return Roles(below(seen.previous(copy)), induction, below(seen.duplicate())), copy


def judge_prompt(prompt: Prompt, destination: int | None, state: EngineState, task: Task) -> Verdict:
    """Raises PromptError for a prompt that cannot be read, ValueError for a place that does not exist."""
    opened = state.require()
    reading = read(prompt, opened)
    query = len(reading.ids) - 1 if destination is None else destination
    place = place_of(reading, query, opened.tokenizer.texts(reading.ids))
    reason = ONE_LAYER if opened.model.config.layers < 2 else place.reason
    if reason:
        return with_against(judge(Measured("prompt", impossible=reason)))
    seen = look(opened, reading, place, task)
    named, copy = roles_at(seen)
    scores = seen.induction()
    best = max(scores, key=lambda head: scores[head])
    helpers = tuple((head, score) for head, score in scores.items() if head not in named.induction and score >= 0.1)
    heads = named.induction or (best,)
    base = Measured(
        "prompt", named.previous, heads, named.duplicate, {"induction": Number(scores[best])}, helpers=helpers
    )
    if not named.induction:
        return with_against(judge(base))
    if not can_corrupt(opened, reading):
        return with_against(judge(replace(base, untested=FEW_TOKENS)))
    trial = Trial(opened.model, _case(opened, reading, place, copy), compared(named, opened))
    return with_against(judge(weighed(replace(base, numbers=run(trial, task)), state, task)))


def _case(opened: OpenModel, reading: Reading, place: Place, copy: int) -> Case:
    clean = batch(reading.ids).repeat(DRAWN, 1)  # (B, T)
    corrupt = fresh_at(clean, place.copies, opened.tokenizer.ordinary, seed=0)
    targets = followers(clean, reading.bos)
    targets[:, torch.arange(clean.shape[1]) != place.query] = False
    right = clean[:, copy + 1]
    return Case(
        clean=clean,
        corrupt=corrupt,
        targets=targets,
        moves=((copy, place.query),),
        rows=torch.tensor([place.query]),
        right=right[:, None],
        prediction=TokenLogit(opened.model, right, place.query),
        without=corrupt,
        without_targets=targets,
        bos=reading.bos,
        one_prompt=True,
    )
