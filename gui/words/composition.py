"""What the composition diagram and the matrix say of themselves: where edges come from, and why there are none."""

from __future__ import annotations

from engine.work.circuit_results import PromptCircuit
from engine.work.requests import Pair
from engine.work.results import Analysis, Failure
from gui.widgets.token_text import spoken
from gui.wording import number

WEIGHTS_TIP = (
    "From weights alone: how much of what one head writes a later head could read, as a share of the most that their "
    "spectra allow. It is room for composition, no proof of use."
)
PROMPT_TIP = (
    "On this prompt, at one token: what each head gave the score or the logit of a later one, as a share of all that "
    "this head was given, times how much the reader itself adds to the prediction."
)
ONE_LAYER = "one layer: heads of one layer work side by side and cannot feed one another"


def source_note(circuit: PromptCircuit | None, analysis: Analysis | None, wanted: bool) -> tuple[str, str]:
    """The quiet words beside the title, and their tooltip."""
    if not wanted:
        return "from weights", WEIGHTS_TIP
    if circuit is None or analysis is None:
        return "tracing this prompt …", PROMPT_TIP
    here = analysis.tokens[circuit.destination].text
    return f"at {spoken(here)} ({circuit.destination}) for {spoken(circuit.token.text)}", PROMPT_TIP


def given_words(pair: Pair, circuit: PromptCircuit, analysis: Analysis) -> str:
    """One edge of this prompt's circuit, as numbers."""
    if pair.kind == "unembed":
        value = float(circuit.direct[circuit.writers.index(pair.writer)])
        return f"{pair.writer} adds {number(value, signed=True)} to the logit of {spoken(circuit.token.text)} by itself"
    row, column = circuit.writers.index(pair.writer), circuit.readers.index(pair.reader)
    value, share = (float(table[pair.kind][row, column]) for table in (circuit.contributions, circuit.shares))
    source = analysis.tokens[int(circuit.sources[column])].text
    if pair.kind == "v":
        what = f"the logit of {spoken(circuit.token.text)} through {pair.reader}'s values"
    else:
        side = "query" if pair.kind == "q" else "key"
        what = f"{pair.reader}'s score for {spoken(source)} through its {side}, over the row's mean"
    return f"{pair.writer} adds {number(value, signed=True)} to {what}: {share:.0%} of what it is given"


def trouble_words(trouble: Failure | None) -> str:
    """Why there is no answer, as one line."""
    return "" if trouble is None else f"{trouble.title[:1].upper()}{trouble.title[1:]}. {trouble.hint}".strip()
