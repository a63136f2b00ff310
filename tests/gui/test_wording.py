"""Sentences against altered numbers: they may say no more than was measured."""

from dataclasses import replace

import pytest

from engine.model.config import HeadRef
from engine.work.requests import Prompt, removing
from engine.work.results import Behaviour, HeadScores, MatcherGuess, Prediction, Token
from gui import wording
from gui.words.interventions import intervention_sentence
from tests.gui import canned

PROMPT = Prompt(canned.SAMPLE)
ANALYSIS = canned.analysis_of(PROMPT)
BEHAVIOUR = canned.behaviour_of(PROMPT, None)


def sentence(behaviour: Behaviour | None = BEHAVIOUR) -> str:
    return wording.behaviour_sentence(behaviour, ANALYSIS).plain


@pytest.mark.parametrize(
    ("chance", "text"),
    [
        (0.88, "88 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.021, "2.1 %"),
        (0.0004, "< 0.1 %"),
        (0.0, "0 %"),
        (0.9946, "99 %"),
        (0.9961, "99.6 %"),
        (0.99999, "> 99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_that_a_chance_is_never_rounded_to_certainty(chance: float, text: str) -> None:
    assert wording.percent(chance) == text


def test_that_the_sentence_says_who_attends_to_whom_and_what_removal_does() -> None:
    text = sentence(replace(BEHAVIOUR, attention=0.88))
    assert text == (
        "“keeper” attends to “Orla” with 0.88 in head 1.3; "
        "without that head the chance of “Orla” falls from 88 % to 9 %"
    )


def test_that_a_removal_without_effect_is_said_so() -> None:
    text = sentence(replace(BEHAVIOUR, probability=0.88, probability_without=0.86))
    assert "removing that head hardly changes the chance of “Orla” (88 %, without it 86 %)" in text
    assert "falls" not in text


def test_that_a_chance_that_rises_is_said_to_rise() -> None:
    text = sentence(replace(BEHAVIOUR, probability=0.2, probability_without=0.5))
    assert "rises from 20 % to 50 %" in text


def test_that_a_removal_that_was_not_measured_is_said_so() -> None:
    text = sentence(replace(BEHAVIOUR, probability_without=None))
    assert "the chance of “Orla” is 88 %; without that head: not measured" in text


def test_that_a_low_chance_is_not_dressed_up_as_a_fall() -> None:
    text = sentence(replace(BEHAVIOUR, probability=0.015, probability_without=0.001))
    assert "the chance of “Orla” is low either way" in text
    assert "falls" not in text


def test_that_weak_attention_is_not_called_attending() -> None:
    text = sentence(replace(BEHAVIOUR, attention=0.04))
    assert "no head attends much to what followed it: at most 0.04, to “Orla” in head 1.3" in text
    assert "attends to" not in text


def test_that_another_best_guess_is_named() -> None:
    result = wording.behaviour_sentence(replace(BEHAVIOUR, best=Prediction(3, " the", 0.4, 2.0)), ANALYSIS)
    assert result.plain.endswith("its best guess is another: “the” with 40 %")
    assert result.kind == "other"


def test_that_a_prompt_without_a_repeat_has_nothing_to_copy() -> None:
    prompt = Prompt("In summer the children play near")
    analysis = canned.analysis_of(prompt)
    result = wording.behaviour_sentence(canned.behaviour_of(prompt, None), analysis)
    assert result.plain == "no earlier “·near” in this prompt: try one that repeats"
    assert result.lead == "Nothing to copy"
    assert result.offers_prompt
    assert "small model" in result.detail


def test_that_a_space_at_the_end_is_named_as_what_stops_the_copying() -> None:
    prompt = Prompt("In summer")
    analysis = canned.analysis_of(prompt)
    tokens = (*analysis.tokens, Token(len(analysis.tokens), 1, " "))
    behaviour = replace(canned.behaviour_of(prompt, None), destination=len(tokens) - 1)
    result = wording.behaviour_sentence(behaviour, replace(analysis, tokens=tokens))
    assert result.plain.startswith("the prompt ends with a space")


def test_that_a_large_model_is_not_called_small() -> None:
    prompt = Prompt("In summer")
    analysis = canned.analysis_of(prompt)
    large = replace(analysis, model=replace(analysis.model, parameters=134_000_000))
    assert wording.behaviour_sentence(canned.behaviour_of(prompt, None), large).detail == ""


def test_that_nothing_is_said_of_a_prompt_not_yet_read() -> None:
    assert wording.behaviour_sentence(None, ANALYSIS).kind == "waiting"
    assert wording.behaviour_sentence(BEHAVIOUR, None).kind == "waiting"


def test_that_before_and_after_are_told_while_a_head_is_removed() -> None:
    removed = canned.analysis_of(PROMPT, (HeadRef(1, 3),))
    text = intervention_sentence(removed, ANALYSIS).plain
    assert text == "without head 1.3 the chance of “Orla” falls from 88 % to 9 %"


def test_that_a_guess_that_left_the_ten_best_is_said_so() -> None:
    removed = canned.analysis_of(PROMPT, (HeadRef(1, 3), HeadRef(1, 0)))
    others = tuple(row for row in removed.predictions if row.text != " Orla")
    text = intervention_sentence(replace(removed, predictions=others), ANALYSIS).plain
    assert text.startswith("without heads 1.3, 1.0")
    assert "the chance of “Orla” falls from 88 % to 9 %; the best guess is now “of” with 2 %" in text


def test_that_a_removal_that_changes_nothing_is_said_so() -> None:
    removed = replace(ANALYSIS, interventions=removing((HeadRef(0, 1),)))
    assert "hardly changes (88 %, now 88 %)" in intervention_sentence(removed, ANALYSIS).plain


def test_that_the_users_own_words_cannot_become_markup() -> None:
    prompt = Prompt("the <b> x <b>")
    analysis = canned.analysis_of(prompt)
    result = wording.behaviour_sentence(canned.behaviour_of(prompt, None), analysis)
    assert "“&lt;b&gt;”" in result.text
    assert "“<b>” attends to “x”" in result.plain


def test_that_the_matcher_says_what_followed_and_how_often() -> None:
    last = ANALYSIS.tokens[-1]
    guess = MatcherGuess(5, " Orla", 2, (4, 9))
    other = MatcherGuess(6, " hums", 1, (12,))
    assert wording.matcher_sentence((guess,), last) == "“Orla”, which followed “keeper” twice"
    assert wording.matcher_sentence((guess, other), last).endswith("twice; 1 other continuation")
    assert wording.matcher_sentence((), last) == "nothing: no earlier “keeper”"


@pytest.mark.parametrize(
    ("text", "said"),
    [(" Orla", "“Orla”"), ("\n", "“line break”"), (" ", "“space”"), ("   ", "“3 spaces”"), (".", "“.”")],
)
def test_that_tokens_without_letters_are_named(text: str, said: str) -> None:
    assert wording.spoken(text) == said


def test_that_a_score_that_was_not_measured_shows_no_number() -> None:
    row = HeadScores(1, 3, induction=0.9)
    assert wording.number(None) == "–"
    assert "not measured" in wording.criteria_tooltip(wording.role_of(row))
