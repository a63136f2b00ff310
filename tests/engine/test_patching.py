"""Activation patching gives what one full run for each patch gives, and its ends are where they must be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.interventions.variants import Run
from engine.circuits.patching.activations import OF_HEADS, Direction, Effects, Kind, Site, patch, patched, sites
from engine.circuits.patching.corruption import fresh_first_copy, single_note
from engine.circuits.patching.metrics import HeadAttention, Metric, TokenLogit, TokenLoss, measured
from engine.circuits.scores.patterns import followers
from engine.circuits.scores.probes import random_repeat
from engine.model.config import HeadRef
from engine.model.handbuilt import VOCABULARY, k_composition
from engine.model.taps import Capture, chain
from engine.model.transformer import Transformer
from tests.engine.shapes import KINDS, random_model, random_tokens

ALL: tuple[Kind, ...] = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", *OF_HEADS)


def kinds_of(model: Transformer) -> list[Kind]:
    serial = model.config.d_mlp and not model.config.parallel_residual
    left_out = {"resid_mid"} if not serial else set()
    return [kind for kind in ALL if kind not in left_out and (model.config.d_mlp or kind != "mlp_out")]


def pair(model: Transformer, rows: int = 2, length: int = 6) -> tuple[Tensor, Tensor]:
    return random_tokens(model, rows, length, seed=1), random_tokens(model, rows, length, seed=2)


def mapped(model: Transformer, into: Tensor, donor: Tensor, wanted: list[Site], metric: Metric) -> dict[Site, Tensor]:
    found = patched(model, into, donor, wanted, metric)
    return {site: value for what, values in found for site, value in zip(what, values, strict=True)}


def by_itself(model: Transformer, into: Tensor, donor: Tensor, site: Site, metric: Metric) -> Tensor:
    """One patch in a full run of its own."""
    new, kept = Capture(lambda name: name == f"{site.layer}.{site.kind}"), Capture(metric.reads.__contains__)
    model(donor, new)

    def put(name: str, x: Tensor) -> Tensor:
        if name not in new.kept:
            return x
        x, place = x.clone(), slice(None) if site.position is None else site.position
        head = slice(None) if site.head is None else site.head
        index = (slice(None), head, place) if site.kind == "pattern" else (slice(None), place)
        index = (*index, head) if site.kind in ("z", "q", "k", "v") else index
        x[index] = new.kept[name][index]
        return x

    if site.kind != "resid_mid":
        return metric(Run(model.residual(into, chain(put, kept)), kept.kept))
    stream, frame = model.begin(into)  # that tap feeds the MLP only, and the stream is to be patched
    for number in range(site.layer):
        stream = model.layers[number](stream, frame, str(number), kept)
    layer, mid = model.layers[site.layer], Capture(lambda name: name == f"{site.layer}.resid_mid")
    layer(stream, frame, str(site.layer), chain(mid, kept))
    x = put(f"{site.layer}.resid_mid", mid.kept[f"{site.layer}.resid_mid"])
    x = x + layer.mlp(layer.norm_2(x, "", kept), "", kept)
    return metric(Run(model.resume(x, frame, site.layer + 1, kept), kept.kept))


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_map_equals_one_full_run_for_each_patch(kind: str) -> None:
    model = random_model(kind)
    into, donor = pair(model)
    metric = TokenLoss(model, into, first=2)
    for what in kinds_of(model):
        wanted = [*sites(model.config, what), *sites(model.config, what, positions=[1, 4])]
        found = mapped(model, into, donor, wanted, metric)
        assert list(found) == sorted(wanted, key=lambda site: site.layer)
        for site in wanted[:: 3 if what in OF_HEADS else 1]:
            expected = by_itself(model, into, donor, site, metric)
            torch.testing.assert_close(found[site], expected, rtol=0, atol=1e-9)


def test_that_a_layers_heads_can_be_patched_together_and_kinds_mixed() -> None:
    model = random_model("gpt2-like")
    into, donor = pair(model)
    metric = HeadAttention(HeadRef(1, 1), torch.ones(2, 6, 6, dtype=torch.bool).tril(-1))
    wanted = [Site("z", 0), Site("resid_mid", 0, position=2), Site("pattern", 1), Site("q", 1, position=3)]
    for site, value in mapped(model, into, donor, wanted, metric).items():
        torch.testing.assert_close(value, by_itself(model, into, donor, site, metric), rtol=0, atol=1e-9)


@pytest.mark.parametrize("direction", ["denoising", "noising"])
@pytest.mark.parametrize("kind", KINDS)
def test_that_the_whole_stream_carries_the_whole_effect(kind: str, direction: Direction) -> None:  # V23
    model = random_model(kind)
    clean, corrupt = pair(model)
    last, metric = len(clean[0]) - 1, TokenLogit(model, clean[:, 2])
    # all there is before layer 0, except the positions that are the same in both; and all that the logits are read off
    for site in (Site("resid_pre", 0), Site("resid_post", 1, position=last)):
        found = next(patch(model, clean, corrupt, [site], metric, direction))
        torch.testing.assert_close(found.effect, torch.ones(1, 2).double(), rtol=0, atol=1e-9)
        whole = torch.full((1, 2), 1.0 if direction == "denoising" else 0.0).double()
        torch.testing.assert_close(found.normalised, whole, rtol=0, atol=1e-9)


def test_that_a_run_patched_from_itself_stays_as_it_is() -> None:  # V23
    model = random_model("neox-like")
    _, corrupt = pair(model)
    metric = TokenLogit(model, corrupt[:, 2])
    plain = measured(model, corrupt, metric)
    for kind in kinds_of(model):
        for value in mapped(model, corrupt, corrupt, sites(model.config, kind), metric).values():
            torch.testing.assert_close(value, plain, rtol=0, atol=1e-12)


def test_that_without_a_difference_there_is_no_effect_to_speak_of() -> None:
    one = torch.ones(1)
    nothing = Effects(("x",), torch.full((1, 1), 5.0), one, one * (1 + 1e-7), "denoising")
    assert nothing.normalised.isnan().all() and nothing.effect.isnan().all()
    zero = Effects(("x",), torch.zeros(1, 2), torch.tensor([0.0, 1.0]), torch.zeros(2), "noising")
    assert zero.normalised[0].isnan().tolist() == [True, False]
    assert zero.effect[0, 1] == 1


def test_that_prompts_of_different_length_are_refused_before_anything_runs() -> None:
    model = random_model()
    with pytest.raises(ValueError, match="the prompts have 12 and 13 tokens"):
        next(patch(model, *(random_tokens(model, length=n) for n in (12, 13)), [], TokenLogit(model, torch.zeros(2))))


@pytest.mark.parametrize(
    ("kind", "site", "reason"),
    [
        ("absolute-bare", Site("mlp_out", 0), r"^this model has no MLPs: patch attn_out$"),
        (
            "absolute-bare",
            Site("resid_mid", 0),
            r"^this model has no stream between attention and MLP: patch resid_pre",
        ),
        ("neox-like", Site("resid_mid", 0), r"^this model has no stream between attention and MLP: patch resid_pre$"),
        ("neox-like", Site("z", 2), r"^there is no layer 2: this model's are 0 to 1$"),
        ("neox-like", Site("z", 1, 4), r"^there is no head 1\.4 with its own z in this model$"),
        ("neox-like", Site("attn_out", 1, 2), r"^there is no head 1\.2 with its own attn_out in this model$"),
        ("neox-like", Site("pattern", 1, 2, 6), r"^there is no position 6: these prompts have 0 to 5$"),
        ("neox-like", Site("resid_pre", 1, None, -1), r"^there is no position -1: these prompts have 0 to 5$"),
    ],
)
def test_that_a_site_which_does_not_exist_is_one_clear_line_and_no_zero(kind: str, site: Site, reason: str) -> None:
    model = random_model(kind)
    clean, corrupt = pair(model)
    with pytest.raises(ValueError, match=reason):
        next(patch(model, clean, corrupt, [site], TokenLogit(model, clean[:, 0])))


def test_that_a_small_memory_budget_changes_the_portions_and_not_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("gpt2-like")
    into, donor = pair(model)
    wanted, metric = sites(model.config, "z", range(6)), TokenLogit(model, into[:, 0])
    whole = mapped(model, into, donor, wanted, metric)
    monkeypatch.setattr(budget, "_limit", 1)
    assert [len(what) for what, _ in patched(model, into, donor, wanted, metric)] == [1] * 48
    for site, value in mapped(model, into, donor, wanted, metric).items():
        torch.testing.assert_close(value, whole[site], rtol=0, atol=1e-12)


def test_that_each_pair_of_a_batch_is_patched_as_if_it_were_alone() -> None:
    model = random_model("shortformer-layer-norm")
    clean, corrupt = pair(model, rows=3)
    wanted = sites(model.config, "k", range(6))

    def effects(rows: slice) -> Tensor:
        metric = TokenLogit(model, clean[rows, 0])
        return torch.cat([found.effect for found in patch(model, clean[rows], corrupt[rows], wanted, metric)])

    alone = torch.cat([effects(slice(row, row + 1)) for row in range(3)], dim=1)
    torch.testing.assert_close(effects(slice(None)), alone, rtol=0, atol=1e-9)


def test_that_in_the_hand_built_circuit_the_note_and_the_copy_are_where_they_were_put() -> None:
    model, length = k_composition().double(), 5
    clean = random_repeat(range(1, VOCABULARY), length, samples=2, seed=0, bos=0)  # (2, 11)
    query = 2 * length - 1  # its next token is known
    source = query - length + 1
    corrupt = single_note(clean, source, range(1, VOCABULARY), seed=0)
    metric = TokenLogit(model, clean[:, query + 1], position=query)
    wanted = sites(model.config, "z", range(11))
    found = {
        site: effect
        for part in patch(model, clean, corrupt, wanted, metric)
        for site, effect in zip(part.what, part.effect.mean(1).tolist(), strict=True)
    }
    strong = {site for site, effect in found.items() if abs(effect) > 1e-3}
    assert strong == {Site("z", 0, 0, source), Site("z", 1, 0, query)}
    assert all(found[site] == pytest.approx(1, abs=1e-4) for site in strong)


def test_that_with_a_fresh_first_copy_the_attention_comes_back_and_the_logit_does_not() -> None:
    model, length = k_composition().double(), 5
    clean = random_repeat(range(1, VOCABULARY), length, samples=2, seed=0, bos=0)  # (2, 11)
    corrupt = fresh_first_copy(clean, length, range(1, VOCABULARY), seed=0)
    query = 2 * length - 1
    targets = followers(clean, 0)
    targets[:, :query] = targets[:, query + 1 :] = False
    site = [Site("k", 1, 0)]
    attention = next(patch(model, clean, corrupt, site, HeadAttention(HeadRef(1, 0), targets)))
    logit = next(patch(model, clean, corrupt, site, TokenLogit(model, clean[:, query + 1], position=query)))
    torch.testing.assert_close(attention.effect, torch.ones(1, 2).double(), rtol=0, atol=1e-4)
    torch.testing.assert_close(logit.effect, torch.zeros(1, 2).double(), rtol=0, atol=1e-4)
