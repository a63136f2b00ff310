"""Show the code: what the page says runs as it stands and gives the numbers that the window shows."""

from __future__ import annotations

from typing import Any

import pytest

from engine.circuits.interventions.values import Ablate, ForcePattern
from engine.model.config import HeadRef
from engine.session import Session
from engine.work.requests import (
    Analyze,
    ExamineHead,
    ExamineVirtualHead,
    ExplainAttention,
    ExplainPrediction,
    FindFirings,
    MeasureComposition,
    PatchPair,
    Prompt,
    Repeat,
    Request,
    ScoreHeads,
    StudyHead,
    SweepHeads,
    TraceCircuit,
)
from gui.code import code_of, spelled

PROMPT, FIRST, SECOND = Prompt("A B C D E A B"), HeadRef(0, 0), HeadRef(1, 0)
REQUESTS: tuple[Request, ...] = (
    Analyze(PROMPT, (Ablate((FIRST,)), ForcePattern(SECOND, "offset", 2))),
    ExamineHead(PROMPT, SECOND),
    ScoreHeads(length=5, samples=2),
    MeasureComposition(),
    TraceCircuit(PROMPT, 7),
    StudyHead(PROMPT, SECOND),
    FindFirings(SECOND),
    ExplainAttention(PROMPT, SECOND, 7, 3),
    ExplainPrediction(PROMPT, token="C"),
    ExamineVirtualHead(PROMPT, FIRST, SECOND),
    PatchPair(PROMPT, FIRST, SECOND),
    SweepHeads(PROMPT),
)


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda request: type(request).__name__)
def test_that_the_code_runs_and_gives_what_the_window_got(asked: Request, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(code_of("handbuilt-k", [asked]), "shown", "exec"), names)
    assert repr(names["found"]) == repr(Session("handbuilt-k").ask(asked))
    assert capsys.readouterr().out or isinstance(asked, FindFirings), "the lines show their numbers"


def test_that_only_what_was_chosen_is_spelled_out() -> None:
    assert spelled(Analyze(Prompt("a 'b'"))) == "Analyze(prompt=Prompt(text=\"a 'b'\"))"
    assert spelled(Prompt(repeat=Repeat(5, 2))) == "Prompt(repeat=Repeat(length=5, seed=2))"
    assert "HeadRef(1, 0)" in spelled(ExamineHead(PROMPT, SECOND))


def test_that_a_long_request_takes_several_lines() -> None:
    text = spelled(Analyze(Prompt("word " * 30)))
    assert text.count("\n") >= 2 and eval(text, {"Analyze": Analyze, "Prompt": Prompt}) == Analyze(Prompt("word " * 30))


def test_that_without_a_model_it_says_so() -> None:
    assert code_of("", REQUESTS) == "# No model is open.\n"
