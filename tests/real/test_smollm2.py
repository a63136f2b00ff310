"""SmolLM2-135M as its package brings it: known induction heads, copied names and lists, long prompts, round trips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.circuits import budget
from engine.circuits.scores.losses import copy_losses, token_losses
from engine.circuits.scores.patterns import ScorePatterns
from engine.circuits.scores.probes import random_repeat
from engine.model import library
from engine.model.config import HeadRef
from engine.model.loaders import native
from engine.work.jobs.analyze import analyze
from engine.work.jobs.examine_head import examine_head
from engine.work.jobs.judge import judged
from engine.work.jobs.walk_through import walk_through
from engine.work.requests import Analyze, ExamineHead, Judge, Prompt, WalkThrough
from engine.work.results import steps
from engine.work.state import EngineState
from engine.work.task import Task


def test_that_it_is_found_by_name_with_its_facts() -> None:
    info = next(info for info in library.listing() if info.name == "smollm2")
    assert (info.layers, info.heads, info.vocabulary, info.context) == (30, 9, 49_152, 8192)
    assert (info.title, info.licence, info.stored) == ("SmolLM2-135M", "Apache-2.0", "GGUF, Q4_1")
    assert info.parameters == 134_515_008 and not info.prepends_bos
    assert 0.5e9 < info.memory < 1.2e9


def test_that_it_copies_random_tokens_by_the_heads_that_are_known(smol: EngineState) -> None:
    """BOS + 50 + 50 tokens. Four draws scatter the scores by 0.03, so they are taken over twelve."""
    opened = smol.require()
    bos, length = opened.tokenizer.bos, 50
    scored, losses = [], []
    for seed in range(3):
        tokens = random_repeat(opened.tokenizer.ordinary, length, 4, seed, bos)
        for part in tokens.split(1):
            watch = ScorePatterns(part, bos, length)
            losses.append(token_losses(opened.model(part, watch), part))
            scored.append(watch.scores().induction)
    first, second = copy_losses(torch.cat(losses), length)
    assert 13.5 < first < 15 and second < 3.5
    induction = torch.cat(scored).mean(0).view(30, 9)
    assert [divmod(place, 9) for place in induction.flatten().topk(3).indices.tolist()] == [(18, 6), (17, 3), (17, 4)]
    assert induction.flatten().topk(3).values.tolist() == pytest.approx([0.90, 0.79, 0.77], abs=0.05)


@pytest.mark.parametrize(
    ("text", "follows"),
    [
        (
            "Dr. Velkorin Mashtabad wrote the first report in March. The second one was also written by Dr. Velkorin",
            " Mash",
        ),
        ("Captain Mirelda Tross sailed north. The crew feared Captain Mirelda", " T"),
        (
            "First list: river, pencil, orange, velvet, bicycle. Second list: river, pencil, orange, velvet,",
            " bicycle",
        ),
        (
            "Words: candle tractor violet seven anchor pepper. Words: candle tractor violet seven anchor",
            " pepper",
        ),
    ],
)
def test_that_a_made_up_name_and_a_list_of_random_words_are_continued(
    smol: EngineState, text: str, follows: str
) -> None:
    analysis = analyze(Analyze(Prompt(text)), smol, Task())
    assert analysis.predictions[0].text == follows
    assert analysis.predictions[0].probability > 0.3
    assert "".join(token.text for token in analysis.tokens) == text


def test_that_a_thousand_tokens_fit_the_memory_budget(smol: EngineState) -> None:
    words = "candle tractor violet seven anchor pepper window gravel " * 128
    analysis = analyze(Analyze(Prompt(words)), smol, Task())
    assert 1000 < len(analysis.tokens) < 1300
    kept = 270 * len(analysis.tokens) ** 2 * 2
    assert (analysis.patterns is None) == (kept > budget.limit())
    assert analysis.thumbnails.shape == (30, 9, 48, 48)
    pattern = examine_head(ExamineHead(Prompt(words), HeadRef(18, 6)), smol, Task()).pattern
    assert np.allclose(pattern.sum(-1), 1.0, atol=1e-4)


def test_that_saved_natively_it_gives_the_same_logits_bit_for_bit(smol: EngineState, tmp_path: Path) -> None:
    opened = smol.require()
    native.save(tmp_path / "model.safetensors", opened.model, opened.tokenizer)
    again, tokenizer = native.load(tmp_path / "model.safetensors")
    tokens = torch.tensor([tokenizer.encode("The tide comes in and the tide goes")])
    assert torch.equal(again(tokens), opened.model(tokens))


@pytest.mark.long
def test_that_the_verdict_is_k_composition_or_honestly_unclear(smol: EngineState) -> None:
    verdict = judged(Judge(length=20, samples=8), smol, Task())
    assert verdict.mechanism in ("k-composition", "unclear")
    assert verdict.criterion("k_noising").state == "passed"
    assert verdict.criterion("q_noising").state == "failed"
    assert verdict.mechanism == "k-composition" or any("does not decide" in line for line in verdict.against)


@pytest.mark.long
def test_that_the_walk_reaches_the_moved_note_on_random_letters(smol: EngineState) -> None:
    walk = walk_through(WalkThrough(Prompt("zq fl wk pt ho xj. zq fl wk pt")), smol, Task())
    told = {step.name: step.holds for step in steps(walk)}
    assert all(told[name] for name in "repeat previous write says query keys pattern moved".split())
    assert walk.moved is not None and walk.moved.after[2] > 0.8
