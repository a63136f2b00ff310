"""What the composition diagram and the matrix say of themselves: where edges come from, and why there are none."""

from __future__ import annotations

from functools import partial

from engine.work.circuit_results import PairFigures, PromptCircuit
from engine.work.requests import Pair
from engine.work.results import Analysis, Failure
from gui.numbers import percent
from gui.widgets.diagram_model import FROM_WEIGHTS, READS, Filter, Shown, Telling, hidden_words
from gui.widgets.token_text import spoken
from gui.wording import number

WEIGHTS_TIP = (
    "From weights alone: how much of what one head writes a later head could read, as a share of the most that their "
    "spectra allow. It is room for composition, no proof of use."
)
PROMPT_TIP = (
    "On this prompt, at one token: what each head gave the score or the logit of a later one, as a share of all that "
    "this head was given, times how much the reader itself adds to the prediction beside the head that adds most."
)
ONE_LAYER = "one layer: heads side by side cannot feed one another"
MEASURING, TRACING = "Measuring composition from weights …", "Not traced on this prompt yet: tracing …"


def source_note(circuit: PromptCircuit | None, analysis: Analysis | None, wanted: bool) -> tuple[str, str]:
    """The quiet words beside the title, and their tooltip."""
    if not wanted:
        return "from weights", WEIGHTS_TIP
    if circuit is None or analysis is None:
        return "tracing this prompt …", PROMPT_TIP
    return _at(circuit, analysis), PROMPT_TIP


def waiting(words: str) -> Telling:
    """Edges that are not known yet, or cannot be; `words` say why."""
    return Telling(partial(_unknown, words), partial(_uncounted, words), FROM_WEIGHTS.thick)


def alone() -> Telling:
    """The ends of a one-layer model, which are all the edges it has."""
    return Telling(FROM_WEIGHTS.edge, _one_layer_words, FROM_WEIGHTS.thick)


def on_prompt(circuit: PromptCircuit, analysis: Analysis) -> Telling:
    """Edges that were traced on a prompt."""
    edge, counted = partial(_given_words, circuit, analysis), partial(_traced_words, _at(circuit, analysis))
    return Telling(edge, counted, "thick: gives most", relative=True)


def trouble_words(trouble: Failure | None) -> str:
    """Why there is no answer, as one line."""
    return "" if trouble is None else f"{trouble.title[:1].upper()}{trouble.title[1:]}. {trouble.hint}".strip()


def _at(circuit: PromptCircuit, analysis: Analysis) -> str:
    here = analysis.tokens[circuit.destination].text
    chance = percent(circuit.token.value)
    return f"at {spoken(here)} ({circuit.destination}) for {spoken(circuit.token.text)} ({chance})"


def _unknown(words: str, pair: Pair, figures: PairFigures | None) -> str:
    return f"{pair.writer} → {pair.reader}, {READS[pair.kind]}: {words[:1].lower()}{words[1:]}"


def _uncounted(words: str, seen: Shown, chosen: Filter) -> str:
    return words


def _one_layer_words(seen: Shown, chosen: Filter) -> str:
    rest = hidden_words(seen, chosen, f"under {chosen.threshold:.2f} of their ceiling")
    return f"Heads of one layer cannot feed one another: what remains are tokens, positions and logits; {rest}."


def _traced_words(where: str, seen: Shown, chosen: Filter) -> str:
    return f"{where[:1].upper()}{where[1:]}: {hidden_words(seen, chosen, f'weaker than {chosen.threshold:.2f}')}."


def _given_words(circuit: PromptCircuit, analysis: Analysis, pair: Pair, figures: PairFigures | None) -> str:
    """One edge of this prompt's circuit, as numbers."""
    if figures is None:
        return f"{pair.writer} → {pair.reader}: no such pair, a head is read only by later layers"
    rank = "" if figures.rank is None else f", rank {figures.rank:,} of {figures.of:,}"
    strength = f"strength {figures.fraction:.2f}{rank}"
    token = spoken(circuit.token.text)
    if pair.kind == "unembed":
        return f"{pair.writer} adds {number(figures.score, signed=True)} to the logit of {token} by itself · {strength}"
    row, column = circuit.writers.index(pair.writer), circuit.readers.index(pair.reader)
    share = float(circuit.shares[pair.kind][row, column])
    source = analysis.tokens[int(circuit.sources[column])].text
    if pair.kind == "v":
        what = f"the logit of {token} through {pair.reader}'s values"
    else:
        side = "query" if pair.kind == "q" else "key"
        what = f"{pair.reader}'s score for {spoken(source)} through its {side}, over the row's mean"
    added = number(figures.score, signed=True)
    return f"{pair.writer} adds {added} to {what}: {percent(share)} of what it is given · {strength}"
