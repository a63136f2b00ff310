"""Swaps, patched paths and moved notes as interventions do what activation and path patching measure elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.edges import HeadInput, Receiver
from engine.circuits.interventions.lines import parse
from engine.circuits.interventions.values import Intervention, MoveNote, Part, PatchPath, Swap
from engine.circuits.patching.metrics import TokenLogit
from engine.circuits.patching.moved_note import moved_note
from engine.circuits.patching.paths import exact_paths
from engine.circuits.scores.probes import random_repeat
from engine.model.config import HeadRef
from engine.model.handbuilt import VOCABULARY, k_composition
from engine.model.taps import Capture, chain
from engine.model.transformer import Transformer
from tests.engine.shapes import KINDS, random_model, random_tokens

FIRST, SECOND = HeadRef(0, 1), HeadRef(1, 2)
PLACES = (3, 5)


def run(
    model: Transformer, tokens: Tensor, other: Tensor | None, *values: Intervention
) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits and every activation; `other` is what the text "other" reads as."""
    seen = Capture(lambda _name: True)
    others = {} if other is None else {"other": other}
    logits = model(tokens, chain(tap_for(model, tokens, values, others=others), seen))
    return logits, seen.kept


def two_prompts(model: Transformer) -> tuple[Tensor, Tensor]:
    tokens = random_tokens(model, length=9)
    other = tokens.clone()
    other[:, 2:4] = (tokens[:, 2:4] + 5) % 19
    return tokens, other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["z", "q", "k", "v", "pattern"])
def test_that_a_swapped_activation_is_the_other_runs_there_and_nowhere_else(kind: str, part: str) -> None:
    model = random_model(kind).double()
    tokens, other = two_prompts(model)
    value = parse(f'swap {part} {FIRST} @3,5 from "other"')
    theirs, ours = run(model, other, None)[1], run(model, tokens, None)[1]
    logits, now = run(model, tokens, other, value)
    axis = 1 if part == "pattern" else 2
    name = f"{FIRST.layer}.{part}"
    expected = ours[name].clone()
    expected.select(axis, FIRST.head)[:, PLACES] = theirs[name].select(axis, FIRST.head)[:, PLACES]
    torch.testing.assert_close(now[name], expected, rtol=0, atol=0)
    assert (logits - run(model, tokens, None)[0]).abs().max() > 1e-6


def test_that_all_heads_swapped_leave_only_the_embedding_of_the_own_prompt() -> None:
    model = random_model("shortformer-bare").double()
    tokens, other = two_prompts(model)
    logits, _ = run(model, tokens, other, Swap("z", model.config.all_heads, "other"))
    theirs = run(model, other, None)[1]
    added = sum(theirs[f"{layer}.attn_out"] for layer in range(model.config.layers))
    torch.testing.assert_close(logits, (model.W_E[tokens] + added) @ model.unembedding, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["q", "k", "v", "logits"])
def test_that_a_patched_path_is_the_exact_path_of_path_patching(kind: str, part: str) -> None:
    model = random_model(kind).double()
    tokens, other = two_prompts(model)
    metric = TokenLogit(model, tokens[:, 4], position=8)
    receiver: Receiver = "logits" if part == "logits" else HeadInput(SECOND, _part(part))
    oracle = next(exact_paths(model, tokens, other, [(FIRST,)], [receiver], metric, "noising", PLACES)).values[0]
    to = "logits" if part == "logits" else f"{SECOND}.{part}"
    logits, _ = run(model, tokens, other, parse(f'path {FIRST} > {to} @3,5 from "other"'))
    torch.testing.assert_close(logits[range(2), 8, tokens[:, 4]], oracle, rtol=0, atol=1e-9)


def _part(text: str) -> Part:
    value = parse(f'path 0.0 > 1.0.{text} from "other"')
    assert isinstance(value, PatchPath)
    return value.part


def test_that_a_moved_note_moves_the_attention_and_the_prediction() -> None:
    model, length = k_composition().double(), 7
    tokens = random_repeat(range(1, VOCABULARY), length, samples=3, seed=0, bos=0)  # (3, 15)
    query, first, second = 2 * length - 2, HeadRef(0, 0), HeadRef(1, 0)
    k = query - length
    oracle = moved_note(model, tokens, [first], second, k, query)
    logits, kept = run(model, tokens, None, MoveNote((first,), (second,), k + 1, k + 2))
    torch.testing.assert_close(logits[:, query], oracle.logits_after, rtol=0, atol=1e-12)
    assert torch.equal(logits[:, query].argmax(-1), tokens[:, k + 2])
    assert float(kept["1.pattern"][:, 0, query, k + 2].min()) > 0.999


def test_that_what_is_put_in_is_measured_under_the_interventions_before() -> None:
    """A head that is gone has no note to move, and its path carries what it would on the other prompt."""
    model = k_composition().double()
    tokens = random_repeat(range(1, VOCABULARY), 7, samples=1, seed=0, bos=0)
    move, gone = parse("move-note 0.0 > 1.0 @6 to 7"), parse("zero 0.0")
    torch.testing.assert_close(run(model, tokens, None, gone, move)[0], run(model, tokens, None, gone)[0])
    path = parse('path 0.0 > 1.0.k from "other"')
    torch.testing.assert_close(run(model, tokens, tokens, gone, path)[0], run(model, tokens, None)[0])


@pytest.mark.parametrize("line", ['swap z 0.1 from "other"', 'path 0.1 > 1.2.k from "other"'])
def test_that_prompts_of_different_length_are_refused(line: str) -> None:
    model = random_model("shortformer-bare").double()
    tokens, other = two_prompts(model)
    with pytest.raises(ValueError, match="has 8 tokens and this one 9"):
        run(model, tokens, other[:, :8], parse(line))
