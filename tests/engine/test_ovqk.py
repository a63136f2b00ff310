"""The full OV circuit against matrices formed in full (V17), and Olsson's copying score (V18)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.circuits import ovqk
from engine.circuits.copying import WatchCopying
from engine.circuits.ovqk import copying_eigenvalues, diagonal_rates, eigenvalue_score, full_ov
from engine.circuits.probes import random_repeat
from engine.model.config import HeadRef
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.shapes import KINDS, random_model, random_tokens


def dense_ov(model: Transformer, head: HeadRef) -> Tensor:
    """(V, V) with the norms folded, written out for the last layer's reading of plain embeddings."""
    config = model.config
    attention, h = model.layers[head.layer].attention, config.d_head
    group = head.head * config.kv_heads // config.heads
    W_V, W_O = attention.W_V[:, group * h : (group + 1) * h], attention.W_O[head.head * h : (head.head + 1) * h]
    centre = torch.eye(config.d_model, dtype=W_V.dtype) - (1 / config.d_model if config.norm == "layer" else 0.0)
    first, last = model.layers[head.layer].norm_1, model.norm_final
    scale = [torch.eye(config.d_model, dtype=W_V.dtype)] * 2
    if config.norm != "none":
        scale = [first.weight.diag(), last.weight.diag()]
    return model.W_E @ centre @ scale[0] @ W_V @ W_O @ centre @ scale[1] @ model.unembedding


@pytest.mark.parametrize("kind", KINDS)
def test_that_factors_eigenvalues_and_rates_are_those_of_the_full_matrix(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # V17
    monkeypatch.setattr(ovqk, "BLOCK_ELEMENTS", 7 * 50)  # several blocks of rows
    model = random_model(kind, vocabulary=50)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    scores = copying_eigenvalues(model)
    for place, head in enumerate(model.config.all_heads):
        full, circuit = dense_ov(model, head), full_ov(model, head)
        assert circuit.reads.shape == (50, 6)
        torch.testing.assert_close(circuit.reads @ circuit.writes, full, rtol=0, atol=1e-10)
        eigenvalues = torch.linalg.eigvals(full)
        small = torch.linalg.eigvals(circuit.writes @ circuit.reads)
        largest = eigenvalues[eigenvalues.abs().argsort(descending=True)][:6]
        torch.testing.assert_close(largest.abs(), small.abs().sort(descending=True).values, rtol=0, atol=1e-8)
        assert scores[place] == pytest.approx(float(eigenvalues.real.sum() / eigenvalues.abs().sum()), abs=1e-8)
        better = (full > full.diagonal()[:, None]).sum(1)
        rates = diagonal_rates(model, head)
        assert rates is not None
        assert rates.top1 == pytest.approx(float((better == 0).double().mean()))
        assert rates.top5 == pytest.approx(float((better < 5).double().mean()))
        assert rates.sources == 50
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_that_folding_follows_what_the_head_really_adds_up_to_the_norms_scales() -> None:
    """One source attended to by itself: the head's true direct effect on centred logits is a row of the circuit."""
    model = random_model("gpt2-like", layers=1, attention_bias=False, positions="none", d_mlp=0, activation="none")
    kept = Capture(lambda _name: True)
    token = 7
    model(torch.tensor([[token]]), kept)
    head = HeadRef(0, 2)
    written = kept.kept["0.z"][0, 0, 2] @ model.layers[0].attention.W_O[12:18]  # (d)
    norm = model.norm_final
    effect = ((written - written.mean()) * kept.kept["final.scale"].item() * norm.weight) @ model.unembedding  # (V)
    # the first norm's bias is a source of its own, it belongs to no token
    unbiased = kept.kept["embed"][0, 0] - kept.kept["embed"].mean()
    seen = kept.kept["0.norm_1.scale"].item() * unbiased * model.layers[0].norm_1.weight + model.layers[0].norm_1.bias
    bias_part = model.layers[0].norm_1.bias @ model.layers[0].attention.W_V[:, 12:18] @ full_ov(model, head).writes
    circuit = full_ov(model, head)
    row = circuit.reads[token] @ circuit.writes * kept.kept["0.norm_1.scale"].item()
    torch.testing.assert_close((row + bias_part) * kept.kept["final.scale"].item(), effect, rtol=0, atol=1e-10)
    torch.testing.assert_close(seen @ model.layers[0].attention.W_V, kept.kept["0.v"].flatten(), rtol=0, atol=1e-10)


def test_that_eigenvalues_tell_copying_from_anti_copying() -> None:  # V17
    identity = torch.eye(8, dtype=torch.float64)
    assert eigenvalue_score(identity) == pytest.approx(1.0)
    assert eigenvalue_score(-identity) == pytest.approx(-1.0)
    assert eigenvalue_score(torch.tensor([[0.0, -1.0], [1.0, 0.0]])) == pytest.approx(0.0)
    assert eigenvalue_score(torch.zeros(4, 4)) is None
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(100):
        left, right = (torch.randn(64, 96, generator=generator, dtype=torch.float64) for _ in range(2))
        drawn.append(eigenvalue_score(left @ right.T))
    values = torch.tensor([score for score in drawn if score is not None])
    assert len(values) == 100
    assert values.abs().max() < 0.2
    assert values.mean().abs() < 0.02


def test_that_a_head_that_writes_nothing_readable_is_undefined() -> None:
    model = random_model(dtype=torch.float32)
    model.W_U[:12] = 0.0
    model.layers[0].attention.W_O[:6, 12:] = 0.0
    assert [score is None for score in copying_eigenvalues(model)] == [True] + [False] * 7
    assert diagonal_rates(model, HeadRef(0, 0)) is None
    assert diagonal_rates(model, HeadRef(0, 1)) is not None


def test_that_large_vocabularies_are_sampled_and_the_number_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(vocabulary=9000, layers=1)
    monkeypatch.setattr(ovqk, "BLOCK_ELEMENTS", 64 * 9000)  # several blocks
    rates, again = diagonal_rates(model, HeadRef(0, 1)), diagonal_rates(model, HeadRef(0, 1))
    assert rates is not None
    assert rates.sources == 500
    assert rates == again
    full = full_ov(model, HeadRef(0, 1))
    better = torch.tensor(
        [int((full.reads[a] @ full.writes > full.reads[a] @ full.writes[:, a]).sum()) for a in range(9000)]
    )
    assert rates.top5 == pytest.approx(float((better < 5).double().mean()), abs=0.05)


def copying_model(ov: Tensor) -> Transformer:
    """One head over one-hot tokens that writes `ov` (V, V) straight into the logits."""
    size = len(ov)
    shape = {"layers": 1, "heads": 1, "kv_heads": 1, "d_model": 2 * size, "d_head": size, "vocabulary": size}
    model = random_model("absolute-bare", scale=0.0, **shape)
    model.W_E[:, :size] = torch.eye(size)
    model.W_U[size:] = torch.eye(size)
    attention = model.layers[0].attention
    attention.W_Q[:size] = 8 * torch.randn(size, size, generator=torch.Generator().manual_seed(0)).double()
    attention.W_K[:size] = torch.eye(size)
    attention.W_V[:size] = torch.eye(size)
    attention.W_O[:, size:] = ov
    return model


def copying_score(model: Transformer) -> Tensor:
    tokens = random_repeat(range(model.config.vocabulary), 10, samples=4, seed=0, bos=None, copies=1)
    watch = WatchCopying(model, tokens)
    model(tokens, watch)
    return watch.scores()


def test_that_raising_only_the_attended_token_scores_one_and_only_others_minus_one() -> None:  # V18
    identity = torch.eye(30, dtype=torch.float64)
    torch.testing.assert_close(copying_score(copying_model(identity)), torch.ones(4, 1).double())
    torch.testing.assert_close(copying_score(copying_model(1 - identity)), -torch.ones(4, 1).double())
    assert copying_score(copying_model(0 * identity)).isnan().all()


def test_that_raising_one_other_token_as_much_gives_a_third() -> None:
    """r = 1 / (1 + 2): the attended token and another one of the sample rise alike."""
    ov = torch.eye(10, dtype=torch.float64)
    ov = ov + ov.roll(1, dims=1)
    torch.testing.assert_close(copying_score(copying_model(ov)), torch.full((4, 1), 4 / 3 - 1).double())


def test_that_the_copying_score_is_that_of_contributions_written_out() -> None:
    model = random_model("llama-like")
    tokens = random_repeat(range(19), 8, samples=2, seed=0, bos=None, copies=1)
    watch, kept = WatchCopying(model, tokens), Capture(lambda name: name.endswith((".v", ".pattern")))
    model(tokens, watch)
    model(tokens, kept)
    for layer in range(2):
        for head in range(4):
            W_O = model.layers[layer].attention.W_O[head * 6 : head * 6 + 6]
            readers = model.norm_final.weight[:, None] * model.W_U  # (d, V)
            for row in range(2):
                logits = kept.kept[f"{layer}.v"][row, :, head] @ W_O @ readers  # (source, V)
                rise = (logits - logits.mean(-1, keepdim=True)).relu()[:, tokens[row]]  # (source, sample token)
                weight = kept.kept[f"{layer}.pattern"][row, head].sum(0)
                attended, everything = (weight * rise.diagonal()).sum(), (weight * rise.sum(1)).sum()
                expected = 4 * attended / (attended + everything) - 1
                assert float(watch.scores()[row, layer * 4 + head]) == pytest.approx(float(expected), abs=1e-10)


def test_that_measuring_copying_changes_nothing() -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    assert torch.equal(model(tokens), model(tokens, WatchCopying(model, tokens)))
