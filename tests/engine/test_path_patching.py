"""Path patching: edges carry what they must in circuits written by hand, and what dense arithmetic says elsewhere."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engine.circuits import budget
from engine.circuits.interventions.edges import HeadInput, MLPRef, Receiver, Sender, senders_before
from engine.circuits.interventions.variants import Run
from engine.circuits.patching.activations import Direction
from engine.circuits.patching.corruption import fresh_first_copy, single_note
from engine.circuits.patching.metrics import HeadAttention, LogitDifference, Metric, TokenLogit, TokenLoss, measured
from engine.circuits.patching.paths import exact_paths, four_pass_paths, linearised_paths
from engine.circuits.scores.patterns import followers
from engine.circuits.scores.probes import random_repeat
from engine.model.config import HeadRef
from engine.model.handbuilt import VOCABULARY, k_composition, q_composition
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.shapes import KINDS, heads_apart, random_model, random_tokens

L = 5
QUERY = 2 * L - 1  # the last position whose next token is known
SOURCE = QUERY - L + 1
FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)
CLEAN = random_repeat(range(1, VOCABULARY), L, samples=3, seed=0, bos=0)  # (3, 11)
FRESH = fresh_first_copy(CLEAN, L, range(1, VOCABULARY), seed=0)
SINGLE = single_note(CLEAN, SOURCE, range(1, VOCABULARY), seed=0)
PARTS = ("q", "k", "v")


def attention_metric() -> HeadAttention:
    targets = torch.zeros(3, 2 * L + 1, 2 * L + 1, dtype=torch.bool)
    targets[:, QUERY, SOURCE] = True
    assert (followers(CLEAN, 0) & targets).sum() == 3
    return HeadAttention(SECOND, targets)


def logit_metric(model: Transformer) -> TokenLogit:
    return TokenLogit(model, CLEAN[:, QUERY + 1], position=QUERY)


def by_part(
    model: Transformer,
    corrupt: Tensor,
    metric: Metric,
    direction: Direction,
    positions: Collection[int] | None = None,
    senders: Collection[Sender] = (FIRST,),
) -> dict[str, float]:
    """The effect of the path from the first head to the query, key and value of the second; the same in all prompts."""
    effects = {}
    for part in PARTS:
        receivers = [HeadInput(SECOND, part)]
        found = next(exact_paths(model, CLEAN, corrupt, [senders], receivers, metric, direction, positions))
        assert found.effect.std() < 1e-4
        effects[part] = float(found.effect.mean())
    return effects


def near(**effects: float) -> object:
    return pytest.approx(effects, abs=1e-4)


@pytest.mark.parametrize("corrupt", [FRESH, SINGLE])
def test_that_breaking_the_key_path_alone_breaks_k_composition(corrupt: Tensor) -> None:  # V22
    model = k_composition().double()
    for metric in (attention_metric(), logit_metric(model)):
        assert by_part(model, corrupt, metric, "noising") == near(q=0, k=1, v=0)


def test_that_mending_the_key_path_brings_the_attention_back_but_not_what_is_copied() -> None:  # V22
    """With a fresh first copy the attention lands on a fresh token; only the single note brings the logit too."""
    model = k_composition().double()
    for corrupt in (FRESH, SINGLE):
        assert by_part(model, corrupt, attention_metric(), "denoising") == near(q=0, k=1, v=0)
    assert by_part(model, FRESH, logit_metric(model), "denoising") == near(q=0, k=0, v=0)
    assert by_part(model, SINGLE, logit_metric(model), "denoising") == near(q=0, k=1, v=0)


@pytest.mark.parametrize("direction", ["denoising", "noising"])
def test_that_only_the_query_path_carries_a_pointer(direction: Direction) -> None:  # V22
    model = q_composition().double()
    assert by_part(model, SINGLE, attention_metric(), direction) == near(q=1, k=0, v=0)
    assert by_part(model, SINGLE, logit_metric(model), direction) == near(q=1, k=0, v=0)


def test_that_the_path_counts_only_where_the_note_stands() -> None:
    model = k_composition().double()
    assert by_part(model, FRESH, attention_metric(), "noising", positions=[SOURCE]) == near(q=0, k=1, v=0)
    others = [place for place in range(2 * L + 1) if place != SOURCE]
    assert by_part(model, FRESH, attention_metric(), "noising", positions=others) == near(q=0, k=0, v=0)


def test_that_embeddings_carry_no_note() -> None:
    model = k_composition().double()
    assert by_part(model, SINGLE, attention_metric(), "noising", senders=["embed", "pos"]) == near(q=0, k=0, v=0)


def test_that_what_the_second_head_reads_reaches_the_logits_by_its_own_output_only() -> None:
    model = k_composition().double()
    groups: list[list[Sender]] = [["embed"], [FIRST], [SECOND]]
    found = next(exact_paths(model, CLEAN, FRESH, groups, ["logits"], logit_metric(model)))
    assert found.what == (("embed",), (FIRST,), (SECOND,))
    torch.testing.assert_close(found.effect.mean(1), torch.tensor([0.0, 0.0, 1.0]).double(), rtol=0, atol=1e-4)


def pair(model: Transformer, rows: int = 2, length: int = 6) -> tuple[Tensor, Tensor]:
    return random_tokens(model, rows, length, seed=1), random_tokens(model, rows, length, seed=2)


def every_input(model: Transformer) -> list[Receiver]:
    return [HeadInput(head, part) for head in model.config.all_heads for part in PARTS]


@pytest.mark.parametrize("kind", KINDS)
def test_that_nothing_new_changes_nothing_and_everything_new_changes_all(kind: str) -> None:  # V22
    model = random_model(kind, layers=3)
    clean, corrupt = pair(model)
    metric, senders = TokenLoss(model, clean, first=1), senders_before(model.config, 3)
    receivers: list[Receiver] = [*every_input(model), "logits"]
    for paths in (exact_paths, linearised_paths):
        found = next(paths(model, clean, clean, [senders], receivers, metric))
        torch.testing.assert_close(found.values[0], measured(model, clean, metric), rtol=0, atol=1e-9)
    found = next(exact_paths(model, clean, corrupt, [senders], receivers, metric))
    torch.testing.assert_close(found.values[0], measured(model, corrupt, metric), rtol=0, atol=1e-9)
    some = next(exact_paths(model, clean, corrupt, [senders[1:]], receivers, metric))  # all but the embeddings
    assert (some.values[0] - measured(model, corrupt, metric)).abs().max() > 1e-3


def normed(model: Transformer, layer: int, x: Tensor) -> Tensor:
    """The first norm of a layer, with torch's own functions."""
    norm = model.layers[layer].norm_1
    if norm.kind == "none":
        return x
    if norm.kind == "rms":
        return functional.rms_norm(x, x.shape[-1:], norm.weight, norm.epsilon)
    return functional.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.epsilon)


def dense_edge(
    model: Transformer, orig: Tensor, new: Tensor, sender: Sender, receivers: list[HeadInput], metric: Metric
) -> Tensor:
    """Direct edges from one sender, written out: a full run in which the receivers read what the norm makes of it."""
    old, other = Capture(lambda _name: True), Capture(lambda _name: True)
    model(orig, old)
    model(new, other)

    def output(kept: dict[str, Tensor]) -> Tensor:
        if isinstance(sender, HeadRef):
            return heads_apart(model, kept[f"{sender.layer}.z"], sender.layer)[:, :, sender.head]
        return kept[f"{sender.layer}.mlp_out" if isinstance(sender, MLPRef) else sender]

    kept = Capture(metric.reads.__contains__)

    def tap(name: str, x: Tensor) -> Tensor:
        x = x.clone()
        for (layer, head), part in receivers:
            if name == f"{layer}.{part}":
                attention = model.layers[layer].attention
                read = normed(model, layer, old.kept[f"{layer}.resid_pre"] - output(old.kept) + output(other.kept))
                if model.config.positions == "shortformer" and part != "v":
                    read = read + old.kept["pos"]
                shared = head if part == "q" else head * model.config.kv_heads // model.config.heads
                columns = slice(6 * shared, 6 * (shared + 1))
                new = read @ getattr(attention, f"W_{part.upper()}")[:, columns]
                bias = getattr(attention, f"b_{part.upper()}", None)
                x[:, :, head] = new if bias is None else new + bias[columns]
        return kept(name, x)

    return metric(Run(model.residual(orig, tap), kept.kept))


@pytest.mark.parametrize("kind", KINDS)
def test_that_an_exact_edge_is_what_dense_arithmetic_gives(kind: str) -> None:
    """With the norm recomputed, biases, shortformer positions, rotation, and shared keys replaced for one head only."""
    model = random_model(kind, layers=3)
    clean, corrupt = pair(model)
    metric = TokenLoss(model, clean, first=1)
    senders: list[Sender] = ["embed", HeadRef(0, 1), *([MLPRef(0)] if model.config.d_mlp else [])]
    several = [HeadInput(HeadRef(1, 0), "q"), HeadInput(HeadRef(1, 3), "k"), HeadInput(HeadRef(2, 1), "v")]
    for receivers in (*([HeadInput(HeadRef(1, 2), part)] for part in PARTS), several):
        found = next(exact_paths(model, clean, corrupt, [[s] for s in senders], receivers, metric, "denoising"))
        for sender, value in zip(senders, found.values, strict=True):
            expected = dense_edge(model, corrupt, clean, sender, receivers, metric)
            torch.testing.assert_close(value, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_linearised_variant_differs_where_there_is_a_norm_to_recompute(kind: str) -> None:  # V22
    model = random_model(kind)
    clean, corrupt = pair(model)
    metric = TokenLoss(model, clean, first=1)
    for receivers in ([HeadInput(HeadRef(1, 2), "k")], ["logits"]):
        exact, linear = (
            next(paths(model, clean, corrupt, [[HeadRef(0, 1)]], receivers, metric)).values
            for paths in (exact_paths, linearised_paths)
        )
        difference = (exact - linear).abs().max()
        assert difference <= 1e-12 if model.config.norm == "none" else difference > 1e-4


def test_that_linearised_edges_add_up_in_the_logits_and_exact_ones_do_not() -> None:
    model = random_model("shortformer-layer-norm")
    clean, corrupt = pair(model)
    metric = LogitDifference(model, clean[:, 0], clean[:, 1])
    plain = measured(model, clean, metric)

    def changes(linear: bool) -> Tensor:
        paths = linearised_paths if linear else exact_paths
        groups: list[list[Sender]] = [[HeadRef(0, 1)], [HeadRef(1, 3)], [HeadRef(0, 1), HeadRef(1, 3)]]
        return next(paths(model, clean, corrupt, groups, ["logits"], metric)).values - plain

    one, other, both = changes(linear=True)
    torch.testing.assert_close(one + other, both, rtol=0, atol=1e-9)
    one, other, both = changes(linear=False)
    assert (one + other - both).abs().max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_four_pass_variant_is_the_exact_edge_when_mlps_are_frozen(kind: str) -> None:
    model = random_model(kind, layers=3)
    clean, corrupt = pair(model)
    metric, senders = TokenLoss(model, clean, first=1), (HeadRef(0, 1), HeadRef(1, 0))
    receivers: tuple[list[Receiver], ...] = (
        [HeadInput(HeadRef(2, 2), "k"), HeadInput(HeadRef(1, 1), "q"), HeadInput(HeadRef(2, 2), "v")],
        ["logits"],
    )
    for where in receivers:
        for at in (None, [1, 4]):
            exact = next(exact_paths(model, clean, corrupt, [senders], where, metric, "denoising", at))
            frozen = four_pass_paths(model, clean, corrupt, senders, where, metric, "denoising", at, freeze_mlps=True)
            torch.testing.assert_close(frozen.values, exact.values, rtol=0, atol=1e-9)
            recomputed = four_pass_paths(model, clean, corrupt, senders, where, metric, "denoising", at)
            difference = (recomputed.values - exact.values).abs().max()
            assert difference > 1e-6 if model.config.d_mlp else difference < 1e-9
            assert frozen.what == exact.what == (senders,)


def test_that_a_sweep_over_senders_is_each_of_them_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("gpt2-like", layers=3)
    clean, corrupt = pair(model)
    metric = TokenLoss(model, clean, first=1)
    groups = [[sender] for sender in senders_before(model.config, 2)]
    assert [str(group[0]) for group in groups[:7]] == ["embed", "pos", "0.0", "0.1", "0.2", "0.3", "mlp.0"]
    for receivers in ([HeadInput(HeadRef(2, 0), "k")], [HeadInput(HeadRef(1, 0), "q"), "logits"]):
        whole = torch.cat([part.values for part in exact_paths(model, clean, corrupt, groups, receivers, metric)])
        with monkeypatch.context() as patched:
            patched.setattr(budget, "_limit", 1)
            parts = list(exact_paths(model, clean, corrupt, groups, receivers, metric))
        assert [part.what for part in parts] == [(tuple(group),) for group in groups]
        torch.testing.assert_close(torch.cat([part.values for part in parts]), whole, rtol=0, atol=1e-9)
        for row in range(2):
            one = slice(row, row + 1)
            alone = exact_paths(model, clean[one], corrupt[one], groups, receivers, TokenLoss(model, clean[one], 1))
            torch.testing.assert_close(torch.cat([p.values for p in alone]), whole[:, one], rtol=0, atol=1e-9)


def test_that_a_path_that_does_not_exist_is_one_clear_line() -> None:
    model = random_model("shortformer-bare")
    clean, corrupt = pair(model)
    metric = TokenLogit(model, clean[:, 0])
    for sender, receiver, reason in (
        (HeadRef(1, 0), HeadInput(HeadRef(1, 1), "k"), "no path"),
        (HeadRef(0, 7), HeadInput(HeadRef(1, 1), "k"), r"no head 0\.7"),
        (MLPRef(0), HeadInput(HeadRef(1, 1), "k"), r"no mlp\.0"),
        ("pos", HeadInput(HeadRef(1, 1), "k"), "no pos that writes"),
        (HeadRef(0, 0), HeadInput(HeadRef(1, 9), "k"), r"no head 1\.9"),
    ):
        with pytest.raises(ValueError, match=reason):
            next(exact_paths(model, clean, corrupt, [[sender]], [receiver], metric))
        with pytest.raises(ValueError, match=reason):
            four_pass_paths(model, clean, corrupt, [sender], [receiver], metric)
    for beyond in (6, -1):
        with pytest.raises(ValueError, match=f"there is no position {beyond}: these prompts have 0 to 5"):
            next(exact_paths(model, clean, corrupt, [[FIRST]], ["logits"], metric, positions=[beyond]))
        with pytest.raises(ValueError, match=f"there is no position {beyond}: these prompts have 0 to 5"):
            four_pass_paths(model, clean, corrupt, [FIRST], ["logits"], metric, positions=[beyond])
    with pytest.raises(ValueError, match="not both"):
        four_pass_paths(model, clean, corrupt, [HeadRef(0, 0)], [HeadInput(SECOND, "k"), "logits"], metric)
    with pytest.raises(ValueError, match="the prompts have 6 and 5 tokens"):
        next(linearised_paths(model, clean, corrupt[:, :5], [[FIRST]], ["logits"], metric))
