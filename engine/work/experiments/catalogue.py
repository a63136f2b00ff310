"""What an experiment of the gallery asks and what came of it, as plain values. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.config import HeadRef


@dataclass(frozen=True)
class Experiment:
    """`prediction` stands before the answer is shown; `controls` are what else could give the same numbers."""

    name: str
    title: str
    question: str
    prediction: str
    controls: str
    example: str


@dataclass(frozen=True)
class Measure:
    """One condition: the mean of `what` over `n` prompts and its 95 % bootstrap interval; NaN ends below two."""

    condition: str
    what: str
    mean: float
    low: float
    high: float
    n: int
    control: bool = False


@dataclass(frozen=True)
class Report:
    """`held`: whether the prediction came true, None where the numbers do not say, or the model cannot be asked
    (`finding` says why)."""

    experiment: Experiment
    model: str
    seed: int
    heads: tuple[HeadRef, ...]
    measures: tuple[Measure, ...]
    held: bool | None
    finding: str


GALLERY = (
    Experiment(
        "canonical",
        "A B … A",
        "Does the model continue what followed the earlier copy of the last token?",
        "The induction heads look at B and B becomes likely; with another token for the first A neither happens.",
        "The same prompts with a fresh token for the first A.",
        "… A B … A → B?",
    ),
    Experiment(
        "prefix",
        "Two tokens of context",
        "Both B and C have followed A. Does the token before A decide between them?",
        "Nothing decides: a head that matches one token looks at both alike, once the order is balanced.",
        "Half of the prompts have the matching context first, half last; what the order alone does stands beside it.",
        "… X A B … Y A C … X A → B or C?",
    ),
    Experiment(
        "recency",
        "Several earlier copies",
        "A stood three times, each time before another token. Which one is copied?",
        "All three alike: matching knows no order.",
        "The three followers are drawn at random, so only their order differs.",
        "… A B … A C … A D … A → B, C or D?",
    ),
    Experiment(
        "gap",
        "Gap and length",
        "How far back may the copy stand, and does a longer repeated stretch help?",
        "Neither matters: the match is by content, wherever the note stands.",
        "Gaps and lengths are drawn in the same prompts' other tokens; B and A are never neighbours elsewhere.",
        "… A B (gap) A → B?",
    ),
    Experiment(
        "positions",
        "Positions taken away",
        "Which head needs to know positions?",
        "With a note in the keys, only the heads below: without positions there the stripe dies, without them in the "
        "induction heads it survives. With a pointer it is the other way round. Everywhere, both die.",
        "The three ways are measured on the same repeats; untouched is 1.",
        "positions remove in head 1 | in head 2 | everywhere",
    ),
    Experiment(
        "scrambled",
        "Scrambled copying",
        "What is left when the induction heads look right but what they read out is turned at random?",
        "They go on looking at the same place, and the copied token is lost.",
        "As many other heads of the same layers turned in the same way.",
        "scramble head 2",
    ),
    Experiment(
        "fuzzy",
        "Nearly the same token",
        "Do the induction heads also match another case, a missing space, a plural, a translation?",
        "The same token is matched, relatives hardly more than an unrelated word.",
        "Unrelated words in the same prompts; the literal match stands beside them.",
        "… cat B … cats → B?",
    ),
    Experiment(
        "few-shot",
        "Labels after a colon",
        "Do induction heads carry a small classification that is shown by examples?",
        "Removing them lowers the lead of the right label more than removing as many random heads does.",
        "Random heads outside the circuit, several sets; examples with shuffled labels.",
        "dog: yes / red: no / … / cow: → yes or no?",
    ),
    Experiment(
        "analogy",
        "Apple is to fruit as dog is to",
        "Does the literal circuit solve an analogy?",
        "No: the last “to” stood before “fruit”, so induction heads vote for “fruit”.",
        "Exact repetition of the first half beside it, where “fruit” is right.",
        "apple is to fruit as dog is to → fruit or animal?",
    ),
)

BY_NAME = {experiment.name: experiment for experiment in GALLERY}
