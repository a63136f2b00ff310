"""Which sentence stands at the bottom of the window."""

from __future__ import annotations

from html import escape

from engine.work.requests import Prompt
from engine.work.results import Analysis, Behaviour, Failure
from gui.wording import Sentence, behaviour_sentence, sentence_case
from gui.words.interventions import intervention_sentence


def sentence_of(
    behaviour: Behaviour | None,
    analysis: Analysis | None,
    baseline: Analysis | None,
    opening: bool,
    prompt: Prompt,
    problem: Failure | None,
) -> Sentence:
    """The one sentence at the bottom of the window; it never speaks of another prompt than the present one."""
    if opening:
        return Sentence("waiting", "Opening the model …")
    if not prompt.text.strip() and prompt.repeat is None:
        return Sentence("nothing", "the prompt is empty: type a few words, some of them twice", offers_prompt=True)
    if problem is not None:
        return Sentence("waiting", escape(sentence_case(problem.title)), offers_prompt=True)
    if analysis is not None and analysis.interventions and baseline is not None and baseline.prompt == analysis.prompt:
        return intervention_sentence(analysis, baseline)
    return behaviour_sentence(behaviour, analysis)
