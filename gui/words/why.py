"""Why a head looks there, why a token is predicted, what removal does: numbers to sentences."""

from __future__ import annotations

import numpy as np

from engine.work.circuit_results import AttentionSplit, HeadSweep, PathEffect, PathProof, PredictionSplit
from engine.work.results import Analysis
from gui.numbers import percent
from gui.widgets.token_text import spoken
from gui.wording import NOT_MEASURED, number

ENOUGH = 0.05  # of the largest term: smaller ones are not named in a sentence
REMOVAL_TIP = "zero ablation, everything after it recomputed"


def attention_sentence(split: AttentionSplit, analysis: Analysis) -> str:
    """Who looks at whom with what weight, and which term makes most of it."""
    here, there = (spoken(analysis.tokens[place].text) for place in (split.query, split.key))
    start = f"In head {split.head} {here} attends to {there} with {number(split.weight)}."
    total = float(split.centred.sum())
    row, column = np.unravel_index(int(np.abs(split.centred).argmax()), split.centred.shape)
    best = float(split.centred[row, column])
    over = "over" if total >= 0 else "under"
    lead = f" Its score is {number(abs(total))} {over} the row's mean"
    term = f"query from {split.names[row]}, key from {split.names[column]}: {number(best, signed=True)}"
    return f"{start}{lead}; the largest part is {term}."


def note_sentence(split: AttentionSplit, analysis: Analysis) -> str:
    """What the key was told by an earlier head, where one speaks for it."""
    note = split.note
    if note is None:
        return "No earlier head's note speaks for this key."
    there, before = spoken(analysis.tokens[split.key].text), spoken(note.expected.text)
    share = "" if note.share is None else f", {percent(note.share)} of the score over the mean"
    if note.rank is None:
        return f"Head {note.writer} wrote at {there} what speaks most for it{share}; the note names no token."
    named = spoken(note.names.text) if note.names is not None else "none"
    place = "the token before" if note.rank == 1 else f"{before} before it has rank {note.rank:,}"
    return f"The note of head {note.writer} at {there} speaks most for it{share}; it names {named}, {place}."


def check_sentence(total: float, measured: float, remainder: float, unit: str) -> str:
    """That a split is exact, or how far it is not."""
    left = f"{remainder:+.0e}".replace("-", "−")
    return f"The parts sum to {number(total)}, {unit} is {number(measured)}: remainder {left}."


def prediction_sentence(split: PredictionSplit, analysis: Analysis) -> str:
    """What is asked about, and which component pushes it most."""
    here = spoken(analysis.tokens[split.position].text)
    lead = "over the mean" if split.against is None else f"over {spoken(split.against.text)}"
    best = int(np.abs(split.values).argmax())
    start = f"After {here} the logit of {spoken(split.token.text)} ({percent(split.token.value)}) is"
    value = float(split.values[best])
    does = "adds most" if value >= 0 else "takes most away"
    return (
        f"{start} {number(split.measured)} {lead}; {split.names[best]} {does} by itself, {number(value, signed=True)}."
    )


def sweep_sentence(sweep: HeadSweep) -> str:
    """What is measured, and which removal does most."""
    name = spoken(sweep.token.text)
    if not sweep.rows:
        return f"Removing one component after another, and watching {name} ({percent(sweep.token.value)}) …"
    worst = min(sweep.rows, key=lambda row: row.chance)
    if worst.chance >= 0:
        return f"No single removal lowers the chance of {name} ({percent(sweep.token.value)})."
    left = percent(max(sweep.token.value + worst.chance, 0.0))
    return f"Without {worst.name} the chance of {name} falls from {percent(sweep.token.value)} to {left}, most of all."


def proof_sentence(proof: PathProof, analysis: Analysis) -> str:
    """Which path carries the attention, if any does, beside the control."""
    effects = {effect.kind: effect for effect in proof.effects if is_noised_attention(effect)}
    there = spoken(analysis.tokens[proof.source].text)
    known = {kind: effect.value for kind, effect in effects.items() if effect.value is not None}
    if not known:
        return f"The corrupt prompt changes nothing about the attention to {there}: nothing can be shown with it."
    kind = max(known, key=lambda name: abs(known[name]))
    effect = effects[kind]
    if abs(known[kind]) < ENOUGH:
        return f"No path from {proof.writer} to {proof.reader} matters for its attention to {there} here."
    side = {"q": "queries", "k": "keys", "v": "values"}[kind]
    after = effect.clean + known[kind] * (effect.corrupt - effect.clean)
    words = f"Through {proof.reader}'s {side} alone: its attention to {there} goes from {number(effect.clean)} to"
    control = next((one for one in proof.control if is_noised_attention(one) and one.kind == kind), None)
    if control is None or control.value is None:
        return f"{words} {number(after)}; control: {NOT_MEASURED}."
    beside = control.clean + control.value * (control.corrupt - control.clean)
    return f"{words} {number(after)}; with the other heads of layer {proof.writer.layer} in its place {number(beside)}."


def is_noised_attention(effect: PathEffect) -> bool:
    return effect.direction == "noising" and effect.metric == "attention"
