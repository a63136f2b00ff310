"""The card of a model: what it is, how it was made, what it can do and what it cannot, as plain JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.model.checkpoints import TWIN
from engine.training.recipes import Recipe

LICENCE = "MIT"
REPRODUCIBLE = (
    "bit for bit with the same seed, processor kind, library versions and number of threads; elsewhere rounding "
    "differs and acts like another seed: copying figures within 0.05, as far as the five seeds of instant lie apart"
)
TEXTS = {
    "shakespeare": "37 plays of Shakespeare (public domain; package content CC BY 2.5)",
    "addresses": "90 State of the Union addresses, 1934-2021 (public domain)",
    "wordnet_examples": "usage examples of WordNet 3.0 (WordNet licence)",
    "holmes": "The Adventures of Sherlock Holmes (public domain)",
    "war_and_peace": "War and Peace in the Maude translation (public domain)",
}


@dataclass(frozen=True)
class About:
    """The words of a card that no measurement gives."""

    title: str
    summary: str
    limits: tuple[str, ...]


_INSTANT = About(
    "Instant",
    "A very small model that learns to copy in under a minute; it reads 64 common words.",
    (
        "It reads only the 64 words of its list, apart by spaces.",
        "It was trained on random words that come back and on nothing else: it knows no language.",
        "Two previous-token heads share one job, so neither scores near 1.",
    ),
)
_DEFAULT = About(
    "Default",
    "Two attention-only layers that continue what the prompt has said before.",
    (
        "It continues what it has seen in the prompt and knows little else: its plain text is poor.",
        "The copying circuit was trained on rows made for it, in a curriculum that starts with few tokens; "
        "it did not emerge from plain text.",
        "Prompts of up to 256 tokens, English first; other scripts are read byte by byte.",
    ),
)
_ABSOLUTE = About(
    "Absolute positions",
    "The contrast to instant: same rows, same size, but learned positions that stand in the residual stream.",
    (
        *_INSTANT.limits[:2],
        "Positions can be carried by values here, so that induction could work by pointing to a place; "
        "it does so in none of the five seeds: path patching finds a note in the keys in all of them.",
    ),
)
_TEXT_ONLY = About(
    "Default, text only",
    "The null run beside default: the same steps on running text alone.",
    (
        "Nothing in its rows was made to be copied, and it hardly learns to: plain text does not form induction heads "
        "in a model of this size.",
    ),
)
_MARKOV = About(
    "Markov chains",
    "Statistical induction: it learns to count what followed each symbol, in chains that are new in every row.",
    (
        "It reads three words, red, green and blue, and knows nothing but chains of them.",
        "It predicts shares, not copies: its best guess for a word is how often it followed the present one.",
    ),
)
_TRAINED = {
    "default": _DEFAULT,
    "default-text-only": _TEXT_ONLY,
    "instant": _INSTANT,
    "absolute": _ABSOLUTE,
    "markov": _MARKOV,
}
_HANDBUILT = {
    "handbuilt-k": About(
        "Hand-built, K-composition",
        "Induction by hand: head 0.0 notes the previous token, head 1.0 finds the note through its keys.",
        ("It reads the letters A to K and knows nothing but this one circuit.",),
    ),
    "handbuilt-q": About(
        "Hand-built, Q-composition",
        "The pointer way: head 0.0 finds the earlier copy and notes its place, head 1.0 looks one further.",
        ("It reads the letters A to K and knows nothing but this one circuit.",),
    ),
    "handbuilt-v": About(
        "Hand-built, V-composition",
        "Two previous-token heads in a row: together they read the token two places back. It copies nothing.",
        ("It reads the letters A to K; its predictions mean nothing, it shows a virtual head.",),
    ),
}
_TWIN_LIMIT = "One layer cannot compose heads: it is the control that must fail to copy."


def about(recipe: Recipe) -> About:
    """The words for a recipe, or for its one-layer twin."""
    words = _TRAINED[recipe.name]
    if recipe.config.layers > 1:
        return words
    summary = f"The one-layer twin of {recipe.name}: same data, same steps, no second layer, no induction."
    if recipe.name == "markov":
        limit = "One layer counts symbols, not what followed each: it is the control that stays with the unigram."
        return About(f"{words.title}, one layer", summary, (limit, *words.limits))
    return About(f"{words.title}, one layer", summary, (_TWIN_LIMIT, *words.limits[:2]))


def card(recipe: Recipe, seed: int, curves: list[dict[str, Any]], copying: dict[str, Any]) -> dict[str, Any]:
    """The card of a trained model; `copying` is what evaluation.evaluate measured on the last checkpoint."""
    words = about(recipe)
    depth, draw = "" if recipe.config.layers > 1 else TWIN, f"-seed-{seed}" if seed else ""
    return {
        "name": f"{recipe.name}{depth}{draw}",
        "title": f"{words.title}, seed {seed}" if seed else words.title,
        "summary": words.summary,
        "kind": "trained",
        "licence": LICENCE,
        "data": [TEXTS[source] for source in recipe.sources] or ["random words from the recipe's list"],
        "recipe": asdict(recipe),
        "seed": seed,
        "steps": recipe.steps,
        "reproducible": REPRODUCIBLE,
        "versions": versions(),
        "copying": copying,
        "limits": list(words.limits),
        "curves": curves,
    }


def handbuilt_card(name: str) -> dict[str, Any]:
    """The card of a model whose weights were written down, not learned."""
    words = _HANDBUILT[name]
    return {
        "name": name,
        "title": words.title,
        "summary": words.summary,
        "kind": "hand-built",
        "licence": LICENCE,
        "data": [],
        "recipe": {"name": name},
        "seed": None,
        "steps": 0,
        "reproducible": "bit for bit",
        "versions": versions(),
        "limits": list(words.limits),
        "curves": [],
    }


def versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "numpy", "tokenizers", "safetensors")}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


def write(folder: Path, values: dict[str, Any]) -> None:
    temporary = folder / "card.tmp"
    temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "card.json")
