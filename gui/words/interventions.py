"""Interventions in words: what each does, as a statement, and what became of the prediction. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from engine.circuits.interventions.values import (
    Ablate,
    ChangePositions,
    Forbid,
    ForcePattern,
    Intervention,
    KeepOnly,
    MoveNote,
    PatchPath,
    ScrambleOV,
    Swap,
)
from engine.model.config import HeadRef
from engine.work.results import Analysis
from gui.numbers import percent
from gui.steps import Step
from gui.widgets.token_text import spoken
from gui.wording import NOT_MEASURED, SOME_CHANCE, Kind, Sentence, number

FEW = 3  # heads that are named one by one
LONGEST_PROMPT = 24  # characters of another prompt
PARTS = {"q": "queries", "k": "keys", "v": "values", "z": "output", "pattern": "pattern"}


def statement(value: Intervention) -> str:
    """What is the case while it acts, e.g. "0.3 is removed"."""
    match value:
        case Ablate():
            return _ablation(value)
        case KeepOnly(heads=heads, kind=kind):
            others = {"zero": "", "mean": ", the others give their mean", "resample": ", the others are random"}[kind]
            return f"no head is kept{others}" if not heads else f"only {_heads(heads)} {_is(heads)} kept{others}"
        case ScrambleOV(head=head):
            return f"what {head} copies is scrambled"
        case ForcePattern():
            return f"{value.head} {_look(value)}"
        case Forbid(heads=heads, offset=offset):
            may = "cannot attend to the token before" if offset == 1 else f"cannot attend {offset} back"
            return f"{_heads(heads)} {may}"
        case ChangePositions(how=how, by=by, heads=heads):
            done = {"remove": "removed", "shuffle": "shuffled", "shift": f"moved on by {by}"}[how]
            return f"positions are {done}" + ("" if heads is None else f" for {_heads(heads)}")
        case Swap(part=part, heads=heads, other=other, positions=positions):
            come = "comes" if part in ("z", "pattern") else "come"
            return f"the {PARTS[part]} of {_heads(heads)} {come} from {_prompt(other)}{_places(positions)}"
        case PatchPath(senders=senders, receiver=receiver, part=part, other=other, positions=positions):
            to = "the logits" if receiver is None else f"the {PARTS[part]} of {receiver}"
            return f"{to} read {_heads(senders)} as in {_prompt(other)}{_places(positions)}"
        case MoveNote(senders=senders, receivers=receivers, at=at, to=to):
            return f"the keys of {_heads(receivers)} find the note of {_heads(senders)} at {to} instead of {at}"


def _ablation(value: Ablate) -> str:
    parts = [*map(str, value.heads), *(f"mlp.{layer}" for layer in value.mlps)]
    what = _named(parts, "parts" if value.mlps else "heads")
    done = {"zero": "removed", "mean": "replaced by the mean", "resample": "taken from random prompts"}[value.kind]
    held = {"pattern": ", all patterns kept", "value": ", all values kept", None: ""}[value.preserve]
    return f"{what} {_is(parts)} {done}{_places(value.positions)}{held}"


def _look(value: ForcePattern) -> str:
    match value.shape:
        case "previous":
            return "attends to the token before"
        case "offset":
            return f"attends {value.offset} back"
        case "induction":
            return "attends to what followed before"
        case "uniform":
            return "attends to all alike"
        case "random":
            return "attends at random"
        case "painted":
            return "attends as painted"


def _heads(heads: Sequence[HeadRef]) -> str:
    return _named([str(head) for head in heads], "heads")


def _named(parts: Sequence[str], noun: str) -> str:
    if len(parts) > FEW:
        return f"{len(parts)} {noun}"
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _is(parts: Sequence[object]) -> str:
    return "is" if len(parts) == 1 else "are"


def _places(positions: tuple[int, ...] | None) -> str:
    if positions is None:
        return ""
    return f" at {', '.join(map(str, positions))}" if len(positions) <= FEW else f" at {len(positions)} positions"


def _prompt(text: str) -> str:
    short = " ".join(text.split())
    return f"“{short if len(short) <= LONGEST_PROMPT else short[: LONGEST_PROMPT - 1] + '…'}”"


def step_label(step: Step) -> str:
    """How a step stands in the stack: by its name, else by what it does."""
    return step.name or statement(step.value)


def step_tip(step: Step, misfit: str | None) -> str:
    """What it does, its line of text, and why it cannot act here."""
    line = str(step.value)
    lines = [f"{statement(step.value).capitalize()}.", line if len(line) <= 120 else line[:119] + "…"]
    return "\n".join(lines if misfit is None else [f"Not in force: {misfit}.", *lines])


def plainly_removed(interventions: Sequence[Intervention]) -> tuple[HeadRef, ...]:
    """The heads, where nothing else is done than to remove heads everywhere; () else."""
    plain = [value for value in interventions if isinstance(value, Ablate) and value == Ablate(value.heads)]
    return tuple(head for value in plain for head in value.heads) if len(plain) == len(interventions) else ()


def under(interventions: Sequence[Intervention]) -> str:
    """Under what the run in sight is, e.g. "without 0.3" or "while 1.2 attends to all alike"."""
    heads = plainly_removed(interventions)
    if heads:
        return f"without {', '.join(map(str, heads))}"
    return f"while {statement(interventions[0])}" if len(interventions) == 1 else f"under {len(interventions)} changes"


def intervention_sentence(analysis: Analysis, baseline: Analysis) -> Sentence:
    """Before and after: what became of the model's own best guess."""
    first, now = baseline.predictions[0], analysis.predictions[0]
    after = analysis.chance_of(first.id)
    before, name = percent(first.probability), escape(spoken(first.text))
    if abs(after - first.probability) < max(SOME_CHANCE, 0.1 * first.probability):
        effect = f"the chance of {name} hardly changes ({before}, now {percent(after)})"
    else:
        verb = "falls" if after < first.probability else "rises"
        effect = f"the chance of {name} {verb} from {before} to <b>{percent(after)}</b>"
    if now.id != first.id:
        effect += f"; the best guess is now {escape(spoken(now.text))} with {percent(now.probability)}"
    done = analysis.interventions
    kind: Kind = "removed" if plainly_removed(done) else "changed"
    return Sentence(kind, f"{_marked(done)} {effect}", "Ctrl+Z takes it back")


def _marked(interventions: Sequence[Intervention]) -> str:
    heads = plainly_removed(interventions)
    if heads:
        return f"without {'head' if len(heads) == 1 else 'heads'} <b>{', '.join(map(str, heads))}</b>"
    return escape(under(interventions))


def outcome_label(interventions: Sequence[Intervention]) -> str:
    """An entry of the log."""
    if not interventions:
        return "untouched"
    heads = plainly_removed(interventions)
    if heads:
        return f"− {', '.join(map(str, heads))}" if len(heads) < FEW else f"− {len(heads)} heads"
    return statement(interventions[0]) if len(interventions) == 1 else f"{len(interventions)} changes"


def outcome_tip(interventions: Sequence[Intervention], best: str, chance: str, loss: float | None) -> str:
    """The same in full."""
    done = "\n".join(f"{statement(value).capitalize()}." for value in interventions) or "Nothing is changed."
    surprise = NOT_MEASURED if loss is None else f"{number(loss)} nats"
    return f"{done}\nThe chance of {best} is {chance}; mean loss of the prompt {surprise}. Click to see it again."


def prediction_note(analysis: Analysis) -> tuple[str, str]:
    """After which token, and under what; and the same as a sentence for the tooltip."""
    last = f"after {spoken(analysis.tokens[-1].text)}" if analysis.tokens else ""
    if not analysis.interventions:
        return last, f"The ten most probable next tokens {last}."
    done = under(analysis.interventions)
    return done, f"The ten most probable next tokens {last} {done}."
