"""Experiments on words: near matches, labels shown by examples, and the analogy that the literal circuit gets wrong."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.circuits.interventions.values import Ablate
from engine.work.experiments.bench import Bench, NotPossible, Seen
from engine.work.experiments.catalogue import Measure
from engine.work.experiments.literal import FILL, Outcome

NOUNS = (
    "cat dog book house tree bird king ship word hand eye friend day year door road girl boy song "
    "star river hill horse field garden letter window table"
).split()
_PAIRS = (
    "dog chien house maison water eau love amour day jour night nuit king roi world monde life vie time temps".split()
)
FRENCH = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
ANIMALS = "dog cat horse bird fish cow lion mouse wolf sheep bear duck".split()
COLOURS = "red blue green yellow black white brown grey pink purple orange silver".split()
LABELS, SHOTS = (" yes", " no"), 8
ANALOGIES = (
    *(("apple", "fruit", "dog", "animal"), ("rose", "flower", "oak", "tree"), ("red", "colour", "two", "number")),
    *(("hand", "body", "door", "house"), ("king", "man", "queen", "woman"), ("boy", "man", "girl", "woman")),
    *(("day", "light", "night", "dark"), ("hot", "fire", "cold", "ice"), ("bird", "air", "fish", "water")),
    *(("ship", "sea", "horse", "land"), ("pen", "paper", "knife", "bread"), ("foot", "shoe", "hand", "glove")),
    *(("eye", "see", "ear", "hear"), ("cow", "milk", "tree", "wood"), ("morning", "evening", "spring", "winter")),
)
ANALOGY_TOLD = (
    ("analogy", "probability of the literal “fruit”"),
    ("analogy", "probability of the right “animal”"),
    ("exact repetition", "probability of “fruit”"),
    ("analogy", "attention of the induction heads on “fruit”"),
    ("analogy", "logit of “fruit” over the mean"),
    ("analogy", "of it, total effect of the induction heads"),
    ("analogy", "of it, their direct effect"),
)
LEAST = 5  # words below which nothing is said
LIKE = 0.1  # attention that relatives may get over unrelated words and still be no match


def fuzzy(bench: Bench) -> Outcome:
    kinds = {
        "another case": {f" {noun}": f" {noun.capitalize()}" for noun in NOUNS},
        "without the space": {f" {noun}": noun for noun in NOUNS},
        "plural": {f" {noun}": f" {noun}s" for noun in NOUNS},
        "translation": {f" {english}": f" {french}" for english, french in FRENCH.items()},
    }
    measures, found = [], dict[str, Measure]()
    for kind, texts in kinds.items():
        pairs = [(bench.single(word), bench.single(relative)) for word, relative in texts.items()]
        known = [(word, relative) for word, relative in pairs if word is not None and relative not in (None, word)]
        if len(known) < LEAST:
            continue
        words, relatives = (torch.tensor(column) for column in zip(*known, strict=True))
        literal, related, unrelated = (_after(bench, words, stood) for stood in (words, relatives, words.roll(1)))
        measures.append(bench.measure(f"{kind}: the same token", "attention on B", literal))
        found[kind] = bench.measure(f"{kind}: related less unrelated", "attention on B", related - unrelated)
        measures += [found[kind], bench.measure(f"{kind}: unrelated", "attention on B", unrelated, control=True)]
    if not found:
        raise NotPossible("this model's words are not tokens of their own")
    held = all(one.mean < LIKE for one in found.values())
    told = ", ".join(f"{kind} {one.mean:+.2f} (n = {one.n})" for kind, one in found.items())
    return measures, held, f"Over unrelated words, relatives get: {told}; the same token gets {measures[0].mean:.2f}."


def _after(bench: Bench, asked: Tensor, stood: Tensor) -> Tensor:
    """(words): attention on what followed `stood`, from `asked`; the mean over some fillings, so a word counts once."""
    times = max(1, bench.samples // len(asked))
    place, found = bench.shift + FILL + 1, []
    for _ in range(times):
        ordinary = np.setdiff1d(np.asarray(bench.tokenizer.ordinary), np.concatenate([asked.numpy(), stood.numpy()]))
        drawn = np.stack([bench.generator.choice(ordinary, 2 * FILL + 1, replace=False) for _ in asked])
        columns = (drawn[:, :FILL], stood[:, None].numpy(), drawn[:, FILL:], asked[:, None].numpy())
        found.append(bench.see(bench.rows(*columns)).on(place))
    return torch.stack(found).mean(0)


def few_shot(bench: Bench) -> Outcome:
    labels = [bench.single(label) for label in LABELS]
    if None in labels:
        raise NotPossible("the labels yes and no are not tokens of this model")
    ids = torch.tensor(labels)
    sets = bench.random_heads()
    prompts = [_examples(bench, shuffled=False) for _ in range(bench.samples)]
    confused = [_examples(bench, shuffled=True) for _ in range(bench.samples)]
    intact = _leads(bench, prompts, ids)
    without = _leads(bench, prompts, ids, Ablate(bench.heads))
    random = torch.stack([_leads(bench, prompts, ids, Ablate(heads)) for heads in sets]).mean(0)
    measures = [
        bench.measure("examples", "lead of the right label", intact),
        bench.measure("examples", "right", (intact > 0).double()),
        bench.measure("induction heads removed", "lead of the right label", without),
        bench.measure(f"{len(sets)} sets of random heads removed", "lead of the right label", random, control=True),
        bench.measure("removed: induction heads less random ones", "lead that is lost", random - without),
        bench.measure("labels shuffled", "lead of the right label", _leads(bench, confused, ids), control=True),
    ]
    lost, able = measures[4], measures[0]
    held = None if able.low <= 0 or lost.low <= 0 <= lost.high else lost.low > 0
    told = "the model does not do the task, so nothing can be lost" if able.low <= 0 else ""
    told = told or f"removing induction heads costs {lost.mean:+.2f} more than removing random ones"
    return measures, held, f"Right in {measures[1].mean:.0%} (lead {able.mean:+.2f}); {told}."


def _examples(bench: Bench, shuffled: bool) -> tuple[str, bool]:
    """A prompt that ends before the label, and whether that label is the first."""
    animals, colours = (bench.generator.permutation(words).tolist() for words in (ANIMALS, COLOURS))
    shown = [*((word, 0) for word in animals[: SHOTS // 2]), *((word, 1) for word in colours[: SHOTS // 2])]
    truth = [kind for _, kind in shown]
    truth = bench.generator.permutation(truth).tolist() if shuffled else truth
    lines = [f"{word}:{LABELS[label]}" for (word, _), label in zip(shown, truth, strict=True)]
    first = bool(bench.generator.random() < 0.5)
    asked = animals[-1] if first else colours[-1]
    return "\n".join([*(lines[place] for place in bench.generator.permutation(SHOTS)), f"{asked}:"]), first


def _leads(bench: Bench, prompts: list[tuple[str, bool]], labels: Tensor, *removed: Ablate) -> Tensor:
    """(B): the logit of the right label over the wrong one. Prompts differ in length and run one by one."""
    leads = []
    for text, first in prompts:
        logits = _see(bench, text, *removed).logits[0]
        lead = float(logits[labels[0]] - logits[labels[1]])
        leads.append(lead if first else -lead)
    return torch.tensor(leads)


def _see(bench: Bench, text: str, *removed: Ablate) -> Seen:
    ids = bench.tokenizer.encode(text, bos=bench.tokenizer.bos is not None)
    if len(ids) > bench.model.config.context:
        raise NotPossible("the examples do not fit this model's context")
    return bench.see(torch.tensor([ids]), removed)


def analogy(bench: Bench) -> Outcome:
    usable = []
    for one, its, other, right in ANALOGIES:
        literal, wanted = bench.single(f" {its}"), bench.single(f" {right}")
        if literal is not None and wanted is not None:
            usable.append((f"{one} is to {its} as {other} is to", f"{one} is to {its}. {one} is to", literal, wanted))
    if len(usable) < LEAST:
        raise NotPossible("the words of the analogies are not tokens of this model")
    rows = []
    for text, repeated, literal, wanted in usable:
        voted, right_one = torch.tensor([literal]), torch.tensor([wanted])
        seen, removed, again = _see(bench, text), _see(bench, text, Ablate(bench.heads)), _see(bench, repeated)
        place = bench.tokenizer.encode(text, bos=bench.tokenizer.bos is not None).index(literal)
        lead, direct = float(seen.lead(voted)), bench.direct(text, literal)
        chances = [float(seen.chance(voted)), float(seen.chance(right_one)), float(again.chance(voted))]
        rows.append([*chances, float(seen.on(place)), lead, lead - float(removed.lead(voted)), direct])
    columns = zip(ANALOGY_TOLD, torch.tensor(rows).T, strict=True)  # (7, n)
    measures = [bench.measure(name, what, row, control=name != "analogy") for (name, what), row in columns]
    said, wanted_too, exact, looked, _, _, pushed = measures
    finding = (
        f"The induction heads give “fruit” {looked.mean:.2f} of their attention and {pushed.mean:+.2f} logit; its "
        f"chance is {said.mean:.2f}, that of the right word {wanted_too.mean:.3f}; repeated exactly {exact.mean:.2f}."
    )
    return measures, pushed.low > 0, finding
