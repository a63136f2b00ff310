"""The jobs behind the circuit workspace, on circuits whose every number is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from engine.circuits.interventions.values import Ablate, ForcePattern
from engine.model import handbuilt
from engine.model.config import HeadRef
from engine.model.loaders import native
from engine.session import Session
from engine.work.requests import (
    Analyze,
    Compare,
    ExamineVirtualHead,
    ExplainAttention,
    ExplainPrediction,
    FindFirings,
    MeasureComposition,
    Pair,
    PatchPair,
    Prompt,
    StudyHead,
    SweepHeads,
    TraceCircuit,
)

PROMPT = Prompt("A B C D E A B")
FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Session]:
    sessions: dict[str, Session] = {}

    def open_model(name: str) -> Session:
        if name not in sessions:
            folder = tmp_path_factory.mktemp(name)
            native.save(folder / "model.safetensors", *handbuilt.build(name))
            sessions[name] = Session(str(folder))
        return sessions[name]

    return open_model


def strongest(composition: Any) -> list[str]:
    """The kinds in which the one pair of heads is at its ceiling."""
    found = {kind: composition.figures(Pair("0.0", "1.0", kind)) for kind in "qkv"}
    return [kind for kind, figures in found.items() if figures is not None and figures.fraction > 0.5]


@pytest.mark.parametrize(("name", "kind"), [("handbuilt-k", "k"), ("handbuilt-q", "q"), ("handbuilt-v", "v")])
def test_that_each_hand_built_circuit_composes_in_its_own_way_only(opened: Any, name: str, kind: str) -> None:
    composition = opened(name).ask(MeasureComposition())
    assert strongest(composition) == [kind]
    assert composition.figures(Pair("1.0", "0.0", kind)) is None


def test_that_a_score_is_its_terms_and_the_note_names_the_token_before(opened: Any) -> None:
    found = opened("handbuilt-k").ask(ExplainAttention(PROMPT, SECOND, 7, 3))
    assert found.weight > 0.99
    assert found.total + found.remainder == pytest.approx(found.measured)
    row, column = np.unravel_index(int(np.abs(found.centred).argmax()), found.centred.shape)
    assert (found.names[row], found.names[column]) == ("embed", "0.0")
    assert found.note.rank == 1 and found.note.expected.text == found.note.names.text == "B"


def test_that_a_logit_is_its_components_and_the_induction_head_makes_it(opened: Any) -> None:
    session = opened("handbuilt-k")
    found = session.ask(ExplainPrediction(PROMPT))
    assert found.token.text == "C"
    assert float(found.values.sum()) + found.remainder == pytest.approx(found.measured, abs=1e-4)
    assert found.names[int(found.values.argmax())] == "1.0" and found.head == SECOND
    assert int(found.by_source.argmax()) == 3
    assert [row.rank for row in found.lens][-1] == 1 and found.lens[-1].chance == pytest.approx(found.token.value)
    lead = session.ask(ExplainPrediction(PROMPT, token="C", against="D"))
    assert lead.measured == pytest.approx(12.0, abs=1e-3)


@pytest.mark.parametrize(("text", "line"), [("A B", "2 tokens"), ("  ", "type a word")])
def test_that_a_text_which_is_no_token_is_refused_in_one_line(opened: Any, text: str, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        opened("handbuilt-k").ask(ExplainPrediction(PROMPT, token=text))


def test_that_a_token_has_no_lead_over_itself(opened: Any) -> None:
    with pytest.raises(ValueError, match="over itself"):
        opened("handbuilt-k").ask(ExplainPrediction(PROMPT, token="C", against="C"))


def test_that_the_prompt_circuit_is_token_by_query_and_note_by_key(opened: Any) -> None:
    found = opened("handbuilt-k").ask(TraceCircuit(PROMPT))
    column = found.readers.index("1.0")
    assert int(found.sources[column]) == 3 and found.attention[column] > 0.99
    rows = {kind: found.writers[int(np.nanargmax(np.abs(found.contributions[kind][:, column])))] for kind in "qkv"}
    assert rows == {"q": "embed", "k": "0.0", "v": "embed"}
    assert found.direct[found.writers.index("1.0")] == pytest.approx(11.0, abs=1e-3)
    assert found.shares["k"][found.writers.index("0.0"), column] > 0.9, "the rest is ⟨bos⟩'s"


@pytest.mark.parametrize(("name", "kind"), [("handbuilt-k", "k"), ("handbuilt-q", "q")])
def test_that_path_patching_tells_keys_from_queries(opened: Any, name: str, kind: str) -> None:
    proof = opened(name).ask(PatchPair(PROMPT, FIRST, SECOND))
    values = {(one.kind, one.direction): one.value for one in proof.effects if one.metric == "attention"}
    for (part, direction), value in values.items():
        assert value == pytest.approx(1.0 if part == kind else 0.0, abs=1e-3), (part, direction)
    assert proof.source == 3 and "in place of 'B'" in proof.how


def test_that_nothing_is_proven_without_an_earlier_copy_or_under_interventions(opened: Any) -> None:
    session = opened("handbuilt-k")
    with pytest.raises(ValueError, match="no earlier 'C'"):
        session.ask(PatchPair(Prompt("A B C"), FIRST, SECOND))
    with pytest.raises(ValueError, match="switch the interventions off"):
        session.ask(PatchPair(PROMPT, FIRST, SECOND, interventions=(Ablate((FIRST,)),)))
    with pytest.raises(ValueError, match="earlier"):
        session.ask(PatchPair(PROMPT, SECOND, FIRST))


def test_that_another_prompt_can_be_the_corrupt_one(opened: Any) -> None:
    proof = opened("handbuilt-k").ask(PatchPair(PROMPT, FIRST, SECOND, other=Prompt("A D C D E A B")))
    wanted = ("k", "noising", "attention")
    effect = next(one for one in proof.effects if (one.kind, one.direction, one.metric) == wanted)
    assert proof.how == "prompt B" and effect.value == pytest.approx(1.0, abs=1e-3)


def test_that_the_page_of_the_induction_head_says_that_it_copies(opened: Any) -> None:
    found = opened("handbuilt-k").ask(StudyHead(PROMPT, SECOND))
    assert (found.ov.copying, found.ov.top1) == (pytest.approx(1.0), 1.0)
    assert len(found.ov.eigenvalues) == min(opened("handbuilt-k").model.d_head, 12)
    assert found.ov.moves[3].promotes[0].text == "C"
    assert found.best.text == "C" and found.chance_without < 0.2
    earlier = opened("handbuilt-k").ask(StudyHead(PROMPT, FIRST))
    assert earlier.ov.copying is None
    assert float(np.diagonal(earlier.positional, -1).mean()) > 0.99
    assert earlier.by_offset is None


def test_that_the_study_is_what_the_ablated_run_says(opened: Any) -> None:
    session = opened("handbuilt-k")
    found = session.ask(StudyHead(PROMPT, FIRST))
    without = session.ask(Analyze(PROMPT, (Ablate((FIRST,)),)))
    assert found.chance_without == without.chance_of(found.best.id)


def test_that_two_previous_token_heads_are_one_that_looks_two_back(opened: Any) -> None:
    found = opened("handbuilt-v").ask(ExamineVirtualHead(PROMPT, FIRST, SECOND))
    assert float(np.diagonal(found.pattern, -2)[1:].min()) > 0.99
    assert np.allclose(found.pattern.sum(-1), 1.0)
    with pytest.raises(ValueError, match="earlier"):
        opened("handbuilt-v").ask(ExamineVirtualHead(PROMPT, SECOND, FIRST))


def test_that_removing_either_head_of_the_circuit_takes_the_prediction(opened: Any) -> None:
    sweep = opened("handbuilt-k").ask(SweepHeads(PROMPT))
    assert sweep.complete and sweep.token.text == "C" and {row.name for row in sweep.rows} == {"0.0", "1.0"}
    assert all(row.chance < -0.8 for row in sweep.rows)
    one = next(row for row in sweep.rows if row.name == "1.0")
    assert one.logit == pytest.approx(-11.0, abs=1e-3)


def test_that_a_sweep_goes_on_from_the_interventions_in_force(opened: Any) -> None:
    session = opened("handbuilt-k")
    sweep = session.ask(SweepHeads(PROMPT, token="C", interventions=(Ablate((FIRST,)),)))
    assert sweep.token.value < 0.2
    again = next(row for row in sweep.rows if row.name == "0.0")
    assert again.chance == pytest.approx(0.0, abs=1e-6), "it is out already"


def test_that_a_run_is_compared_with_itself_before_an_intervention(opened: Any) -> None:
    session = opened("handbuilt-k")
    forced = (ForcePattern(FIRST, "offset", 2),)
    found = session.ask(Compare(PROMPT, PROMPT, forced, ()))
    assert found.first.interventions == forced and found.second.interventions == ()
    assert found.moved[0, 0] > 0.5
    with pytest.raises(ValueError, match="the same"):
        session.ask(Compare(PROMPT, PROMPT, forced))


def test_that_a_model_that_cannot_read_the_text_has_no_firings(opened: Any) -> None:
    found = opened("handbuilt-k").ask(FindFirings(FIRST))
    assert (found.n_tokens, found.mean, found.firings) == (0, None, ())


def test_that_the_default_model_fires_where_text_repeats() -> None:
    session = Session("default")
    found = session.ask(FindFirings(HeadRef(1, 1)))
    assert found.n_tokens > 1000 and len(found.firings) == 8
    for one in found.firings[:3]:
        before = one.texts[one.source - 1]
        assert one.texts[one.destination] == before, "an induction head looks after the earlier copy"
