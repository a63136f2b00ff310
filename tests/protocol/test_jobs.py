"""What the jobs answer, checked against the hand-built circuit, and prompts that nobody expects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.model import handbuilt
from engine.model.config import HeadRef
from engine.model.loaders import native
from engine.model.tokenizer import PromptError
from engine.work.jobs.analyze import analyze
from engine.work.jobs.examine_head import examine_head
from engine.work.jobs.load import load_model
from engine.work.jobs.observe_behaviour import observe_behaviour
from engine.work.jobs.pictures import Pictures
from engine.work.jobs.score_heads import score_heads
from engine.work.recent import RecentRuns
from engine.work.requests import Analyze, ExamineHead, LoadModel, ObserveBehaviour, Prompt, Repeat, ScoreHeads, removing
from engine.work.state import EngineState
from engine.work.task import Task

INDUCTION, PREVIOUS = HeadRef(1, 0), HeadRef(0, 0)


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def handbuilt_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("handbuilt-k") / "model.safetensors"
    native.save(path, *handbuilt.build("handbuilt-k"))
    return path


def opened(path: Path) -> EngineState:
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(str(path)), state, Task())
    return state


@pytest.fixture
def handbuilt_k(handbuilt_file: Path) -> EngineState:
    return opened(handbuilt_file)


@pytest.fixture
def bytes_state(bytes_model: Path) -> EngineState:
    return opened(bytes_model)


def test_that_an_analysis_tells_what_the_hand_built_circuit_does(handbuilt_k: EngineState) -> None:
    answer = analyze(Analyze(Prompt("A B C D A B")), handbuilt_k, Task())
    assert [token.text for token in answer.tokens[1:]] == list("ABCDAB")
    assert math.isnan(answer.losses[0])
    assert answer.losses[6] < 0.01 < answer.losses[2]
    assert [guess.text for guess in answer.matcher] == ["C"]
    assert answer.matcher[0].sources == (3,)
    assert answer.predictions[0].text == "C"
    assert answer.predictions[0].probability > 0.99
    assert answer.position_predictions[5].text == "B"
    assert answer.patterns.shape == (2, 1, 7, 7)
    assert answer.patterns[1, 0, 6, 3] > 0.99
    assert np.argwhere(answer.stripe).tolist() == [[5, 2], [6, 3]]


def test_that_the_probabilities_and_losses_are_those_of_the_softmax(bytes_state: EngineState) -> None:
    answer = analyze(Analyze(Prompt("hello hello")), bytes_state, Task())
    model = bytes_state.require().model
    ids = torch.tensor([[token.id for token in answer.tokens]])
    log_probabilities = model(ids)[0].log_softmax(-1)
    best = log_probabilities[-1].topk(10)
    assert [p.id for p in answer.predictions] == best.indices.tolist()
    assert [p.probability for p in answer.predictions] == pytest.approx(best.values.exp().tolist(), rel=1e-4)
    expected = [-float(log_probabilities[i - 1, ids[0, i]]) for i in range(1, ids.shape[1])]
    assert answer.losses[1:].tolist() == pytest.approx(expected, rel=1e-4)


def test_that_every_array_that_leaves_the_engine_is_read_only(handbuilt_k: EngineState) -> None:
    prompt = Prompt("A B A")
    detail = examine_head(ExamineHead(prompt, INDUCTION), handbuilt_k, Task())
    for answer in (analyze(Analyze(prompt), handbuilt_k, Task()), detail):
        arrays = [getattr(answer, field.name) for field in fields(answer)]
        arrays = [array for array in arrays if isinstance(array, np.ndarray)]
        assert arrays
        assert not any(array.flags.writeable for array in arrays)


def test_that_a_head_in_detail_gives_its_scores_and_their_softmax(handbuilt_k: EngineState) -> None:
    detail = examine_head(ExamineHead(Prompt("A B C A"), INDUCTION), handbuilt_k, Task())
    assert np.isnan(detail.scores[np.triu_indices(5, 1)]).all()
    weights = np.exp(np.nan_to_num(detail.scores, nan=-np.inf))
    assert detail.pattern == pytest.approx(weights / weights.sum(-1, keepdims=True), abs=1e-6)
    assert detail.scores[4, 2] == pytest.approx(25.0, abs=1e-4)


def test_that_behaviour_names_the_matching_head_and_what_its_removal_costs(handbuilt_k: EngineState) -> None:
    seen = observe_behaviour(ObserveBehaviour(Prompt("A B C D A B")), handbuilt_k, Task())
    assert (seen.destination, seen.earlier, seen.head, seen.source) == (6, (2,), INDUCTION, 3)
    assert seen.attention == pytest.approx(1.0, abs=1e-4)
    assert seen.probability is not None
    assert seen.probability > 0.99
    assert seen.probability_without == pytest.approx(1 / 12, abs=1e-4)
    assert seen.best.text == "C"
    assert {score.ref: score.n_rows for score in seen.scores} == {PREVIOUS: 2, INDUCTION: 2}


def test_that_behaviour_says_so_when_there_is_nothing_to_copy(handbuilt_k: EngineState) -> None:
    seen = observe_behaviour(ObserveBehaviour(Prompt("A B C")), handbuilt_k, Task())
    assert (seen.earlier, seen.head, seen.source, seen.probability, seen.probability_without) == ((), *[None] * 4)
    assert all(score.induction is None and score.n_rows == 0 and score.rank is None for score in seen.scores)


def test_that_role_scores_are_the_analytic_ones_of_the_hand_built_circuit(handbuilt_k: EngineState) -> None:
    scores = score_heads(ScoreHeads(length=11, samples=2), handbuilt_k, Task())
    previous, induction = scores.heads
    assert previous.previous_token == pytest.approx(1.0, abs=1e-6)
    assert previous.copying_eigenvalue is None
    assert induction.induction == pytest.approx(0.9999977, abs=1e-6)
    assert induction.tl_mul == pytest.approx(11 / 23, abs=1e-4)
    assert induction.chance == pytest.approx(0.0573710, abs=1e-6)
    assert induction.copying_eigenvalue == pytest.approx(1.0)
    assert (induction.rank, induction.n_rows) == (1, 22)
    assert induction.induction_control is not None
    assert induction.induction_control < 1e-6
    assert scores.copy_loss_second == pytest.approx(6.758e-5, abs=5e-7)  # float32 at logits of 12
    uniform = math.log(12) - scores.copy_loss_second
    assert induction.ablation_delta_loss == pytest.approx(uniform, abs=1e-4)


def test_that_removing_a_head_that_is_removed_already_costs_nothing(handbuilt_k: EngineState) -> None:
    scores = score_heads(ScoreHeads(length=5, samples=1, interventions=removing((INDUCTION,))), handbuilt_k, Task())
    assert scores.heads[1].ablation_delta_loss == 0.0
    assert scores.copy_loss_second == pytest.approx(math.log(12), abs=1e-4)


@pytest.mark.parametrize("text", ["", "   ", "\n\t ", "\ud83d"])
def test_that_a_prompt_of_nothing_is_refused_in_one_line(bytes_state: EngineState, text: str) -> None:
    with pytest.raises(PromptError) as caught:
        analyze(Analyze(Prompt(text)), bytes_state, Task())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a", "\x00\x01\x7f", "😀", "👩‍👩‍👧", "שלום", "<bos>", "a\u2028b", "e\u0301"])
def test_that_strange_prompts_are_read_and_nothing_is_lost(bytes_state: EngineState, text: str) -> None:
    answer = analyze(Analyze(Prompt(text)), bytes_state, Task())
    assert "".join(token.text for token in answer.tokens[1:]) == text
    assert len(answer.position_predictions) == len(answer.tokens)


def test_that_a_single_token_without_bos_can_be_analysed(bytes_state: EngineState) -> None:
    answer = analyze(Analyze(Prompt("a", bos=False)), bytes_state, Task())
    assert answer.patterns.shape == (2, 2, 1, 1)
    assert (len(answer.predictions), answer.matcher, answer.notice) == (10, (), None)


def test_that_a_pasted_book_keeps_bos_and_the_last_tokens_and_says_so(bytes_state: EngineState) -> None:
    book = "the end is near. " * 10_000
    answer = analyze(Analyze(Prompt(book)), bytes_state, Task())
    assert answer.tokens[0].id == 0
    assert "".join(token.text for token in answer.tokens[1:]) == book[-31:]
    assert answer.notice is not None
    assert "31" in answer.notice
    with pytest.raises(PromptError, match="170001 tokens"):
        analyze(Analyze(Prompt(book, truncate=False)), bytes_state, Task())


def test_that_a_repeat_that_does_not_fit_is_refused_with_what_does(handbuilt_k: EngineState) -> None:
    with pytest.raises(PromptError, match="1 to 11 do"):
        analyze(Analyze(Prompt(repeat=Repeat(12))), handbuilt_k, Task())
    answer = analyze(Analyze(Prompt(repeat=Repeat(11, seed=3))), handbuilt_k, Task())
    ids = [token.id for token in answer.tokens]
    assert (ids[0], ids[1:12]) == (0, ids[12:])
    assert len(set(ids)) == 12


def test_that_only_so_many_heads_are_removed_as_asked_and_the_rest_is_not_measured(handbuilt_k: EngineState) -> None:
    every = score_heads(ScoreHeads(length=5, samples=2), handbuilt_k, Task())
    one = score_heads(ScoreHeads(length=5, samples=2, removals=1), handbuilt_k, Task())
    none = score_heads(ScoreHeads(length=5, samples=2, removals=0), handbuilt_k, Task())
    costs = {answer: [head.ablation_delta_loss for head in answer.heads] for answer in (every, one, none)}
    assert all(cost is not None for cost in costs[every])
    assert sorted(costs[one], key=lambda cost: cost is None)[1:] == [None]
    assert set(costs[one]) - {None} <= set(costs[every])
    assert costs[none] == [None, None] and none.complete


def test_that_a_head_that_does_not_exist_is_refused(handbuilt_k: EngineState) -> None:
    with pytest.raises(ValueError, match=r"no head 9\.9"):
        analyze(Analyze(Prompt("A"), removing((HeadRef(9, 9),))), handbuilt_k, Task())


def thumbnails(patterns: torch.Tensor) -> np.ndarray:
    """(L, H, T, T), a layer at a time"""
    watch = Pictures(*patterns.shape[:3])
    for number, layer in enumerate(patterns):
        watch(f"{number}.pattern", layer[None])
    return watch.thumbnails


def test_that_thumbnails_keep_the_largest_attention_of_a_block() -> None:
    patterns = torch.zeros(1, 1, 130, 130)
    patterns[0, 0, 129, 7] = 1.0
    small = thumbnails(patterns)
    assert small.shape == (1, 1, 44, 44)
    assert np.argwhere(small[0, 0]).tolist() == [[43, 2]]
    assert small.max() == 255
    assert thumbnails(torch.full((1, 1, 2, 2), 0.5))[0, 0, 0, 0] == round(0.5**0.7 * 255)


def test_that_the_thumbnails_of_very_many_heads_are_smaller_and_keep_their_stripe() -> None:
    patterns = torch.diag_embed(torch.ones(61), offset=-3).expand(20, 20, 64, 64)
    small = thumbnails(patterns)
    assert small.shape == (20, 20, 48, 48)
    assert (small.max(-1)[:, :, 3:] == 255).all()
    assert thumbnails(patterns[:, :2]).shape == (20, 2, 64, 64)
    assert thumbnails(patterns[..., :40, :40]).shape == (20, 20, 40, 40)


def test_that_recent_runs_stay_within_their_bytes() -> None:
    recent = RecentRuns(limit=20_000)
    for number in range(10):
        recent.put(number, number)
    assert recent.used <= 20_000
    assert recent.get(0) is None
    assert recent.get(9) == 9
