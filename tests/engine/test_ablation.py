"""Ablations do what their definitions say, and nothing else; and they compose."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.lines import parse
from engine.circuits.interventions.values import Ablate
from engine.circuits.scores.losses import token_losses
from engine.model.config import HeadRef
from engine.model.handbuilt import VOCABULARY, k_composition
from engine.model.taps import Cancelled, Capture, Pause, chain
from engine.model.transformer import Transformer
from tests.engine.change_of_basis import change_of_basis
from tests.engine.intervened import REST, ROWS, TOKENS, UNIFORM, L, differ, induction, kept, run, tap_of
from tests.engine.shapes import KINDS, heads_apart, random_model, random_tokens

BARE = ("absolute-bare", "shortformer-bare", "alibi-bare")


def test_that_zero_ablation_of_the_hand_built_heads_is_as_calculated() -> None:  # V19
    resting = sum(1 / (REST + i) for i in ROWS) / L
    assert differ(induction(k_composition(rest=False).double(), "zero 0.0"), UNIFORM) < 1e-9
    assert pytest.approx(0.0573710, abs=1e-7) == UNIFORM
    assert differ(induction(k_composition().double(), "zero 0.0"), resting) < 1e-9
    assert resting == pytest.approx(6.1e-6, abs=1e-7)
    logits = run(k_composition(), TOKENS, "zero 1.0")
    assert logits.count_nonzero() == 0
    assert differ(token_losses(logits, TOKENS)[:, 1:], math.log(VOCABULARY)) < 1e-6


def test_that_a_previous_token_head_is_invisible_to_pattern_preserving_ablation() -> None:  # V20
    model = k_composition()
    assert torch.equal(run(model, TOKENS, "zero 0.0 keep-pattern"), model(TOKENS))
    assert torch.equal(run(model, TOKENS, "zero 1.0 keep-pattern"), run(model, TOKENS, "zero 1.0"))
    assert differ(run(model, TOKENS, "zero 0.0"), model(TOKENS)) > 10


def test_that_its_note_is_all_that_value_preserving_ablation_takes() -> None:
    model = k_composition()
    assert torch.equal(run(model, TOKENS, "zero 0.0 keep-value"), run(model, TOKENS, "zero 0.0"))


def path_terms(model: Transformer, patterns: dict[str, Tensor], tokens: Tensor) -> dict[tuple[HeadRef, ...], Tensor]:
    """Every path from the embedding to the logits, through one head or none of each layer; (B, T, V) each."""
    config, group = model.config, model.config.heads // model.config.kv_heads
    start = model.W_E[tokens]  # (B, T, d)
    if config.positions == "absolute":
        start = start + model.W_pos[: tokens.shape[1]]
    terms = {}
    for path in itertools.product(*[[None, *range(config.heads)] for _ in range(config.layers)]):
        x = start
        for layer, head in enumerate(path):
            if head is not None:
                attention = model.layers[layer].attention
                W_V = attention.W_V.unflatten(1, (config.kv_heads, -1))[:, head // group]  # (d, h)
                W_O = attention.W_O.unflatten(0, (config.heads, -1))[head]  # (h, d)
                x = patterns[f"{layer}.pattern"][:, head] @ x @ W_V @ W_O
        through = tuple(HeadRef(layer, head) for layer, head in enumerate(path) if head is not None)
        terms[through] = x @ model.unembedding
    return terms


@pytest.mark.parametrize("kind", BARE)
@pytest.mark.parametrize("head", ["0.1", "1.0", "2.2"])
def test_that_pattern_preserving_subtracts_all_paths_through_the_head(kind: str, head: str) -> None:  # V20
    model = random_model(kind, layers=3, heads=4, kv_heads=2, scale=0.3)
    tokens = random_tokens(model, length=9)
    patterns = kept(model, tokens)
    terms = path_terms(model, patterns, tokens)
    assert differ(sum(terms.values(), torch.zeros(())), model(tokens)) < 1e-9
    without = sum((x for path, x in terms.items() if HeadRef.parse(head) not in path), torch.zeros(()))
    ablated = run(model, tokens, f"zero {head} keep-pattern")
    assert differ(ablated, without) < 1e-9
    if not head.startswith("2"):
        assert differ(ablated, run(model, tokens, f"zero {head}")) > 1e-3


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_that_preserving_holds_all_that_it_names_and_nothing_more(kind: str) -> None:
    model = random_model(kind, layers=3)
    tokens = random_tokens(model)
    plain = kept(model, tokens)
    for what, held, free in (("pattern", "pattern", "v"), ("value", "v", "pattern")):
        ablated = kept(model, tokens, f"zero 0.2 keep-{what}")
        assert ablated["0.z"][:, :, 2].count_nonzero() == 0
        assert all(torch.equal(ablated[f"{layer}.{held}"], plain[f"{layer}.{held}"]) for layer in range(3))
        assert differ(ablated[f"1.{free}"], plain[f"1.{free}"]) > 1e-3


def test_that_value_preserving_is_its_definition_written_out() -> None:
    model = random_model("absolute-bare", layers=3, kv_heads=2)
    tokens = random_tokens(model, length=9)
    values = kept(model, tokens)
    x = model.W_E[tokens] + model.W_pos[:9]  # (B, T, d)
    mask = torch.full((9, 9), -math.inf).triu(1)
    for layer in range(3):
        attention = model.layers[layer].attention
        q = (x @ attention.W_Q).unflatten(-1, (4, 6)).transpose(1, 2)  # (B, H, T, h)
        k = (x @ attention.W_K).unflatten(-1, (2, 6)).repeat_interleave(2, 2).transpose(1, 2)  # (B, H, T, h)
        pattern = (q @ k.mT / math.sqrt(6) + mask).softmax(-1)  # (B, H, T, T)
        z = (pattern @ values[f"{layer}.v"].transpose(1, 2)).transpose(1, 2)  # (B, T, H, h)
        if layer == 1:
            z[:, :, 3] = 0
        x = x + z.flatten(2) @ attention.W_O
    assert differ(run(model, tokens, "zero 1.3 keep-value"), x @ model.unembedding) < 1e-9


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_that_taking_from_the_same_prompts_is_no_change(kind: str) -> None:  # V21
    model = random_model(kind)
    tokens = random_tokens(model)
    where = "0.1 1.2 mlp.0" if model.config.d_mlp else "0.1 1.2"
    assert torch.equal(run(model, tokens, f"resample {where}", reference=tokens), model(tokens))
    one = tokens[:1]
    for ablation in ("resample", "mean"):
        assert torch.equal(run(model, one, f"{ablation} {where} @0,3-5", reference=one), model(one))
    assert torch.equal(run(model, one, "keep 0.0 else mean", reference=one), model(one))


def test_that_references_are_taken_row_by_row_or_averaged_at_each_position() -> None:
    model = random_model("gpt2-like")
    tokens, other = random_tokens(model), random_tokens(model, seed=5)
    there = kept(model, other)
    for kind, expected in (("resample", there["1.z"]), ("mean", there["1.z"].mean(0, keepdim=True))):
        plain = kept(model, tokens)["1.z"].clone()
        ablated = kept(model, tokens, f"{kind} 1.2 @3-5", reference=other)["1.z"]
        plain[:, 3:6, 2] = expected[:, 3:6, 2]
        assert torch.equal(ablated, plain)
    alone = run(model, tokens, "resample 1.2", reference=other[:1])
    assert differ(alone, run(model, tokens, "resample 1.2", reference=other[:1].repeat(2, 1))) < 1e-12


def test_that_a_mean_without_reference_is_the_runs_own() -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    plain, ablated = kept(model, tokens), kept(model, tokens, "mean 0.1 mlp.1 @2")
    changed = plain["0.z"].clone()
    changed[:, 2, 1] = plain["0.z"][:, :, 1].mean((0, 1))  # over all positions, put at one
    assert differ(ablated["0.z"], changed) < 1e-12
    before = kept(model, tokens, "mean 0.1 @2")["1.mlp_out"]
    assert differ(ablated["1.mlp_out"][:, 2], before.mean((0, 1))) < 1e-12
    assert torch.equal(ablated["1.mlp_out"][:, 3], before[:, 3])


def test_that_ablation_at_a_position_leaves_earlier_ones_alone() -> None:
    model = random_model("neox-like")
    tokens = random_tokens(model)
    ablated, plain = run(model, tokens, "zero 0.1 mlp.0 @6"), model(tokens)
    assert torch.equal(ablated[:, :6], plain[:, :6])
    assert differ(ablated[:, 6], plain[:, 6]) > 1e-3
    assert torch.equal(run(model, tokens, "zero 0.1 mlp.0 @0-13"), run(model, tokens, "zero 0.1 mlp.0"))


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
@pytest.mark.parametrize("order", [("1.2", "0.1"), ("0.1", "1.2")])
def test_that_two_ablations_are_the_ablation_of_both(kind: str, order: tuple[str, str]) -> None:
    model = random_model("llama-like")
    tokens, other = random_tokens(model), random_tokens(model, seed=5)
    reference = None if kind == "zero" else other
    one_by_one = run(model, tokens, *(f"{kind} {head}" for head in order), reference=reference)
    assert torch.equal(one_by_one, run(model, tokens, f"{kind} 0.1 1.2", reference=reference))


def test_that_what_is_preserved_is_preserved_as_what_came_before_left_it() -> None:
    model = random_model("shortformer-bare", layers=3)
    tokens = random_tokens(model)
    first = "force 1.1 uniform"
    both = kept(model, tokens, first, "zero 0.2 keep-pattern")
    assert torch.equal(both["2.pattern"], kept(model, tokens, first)["2.pattern"])
    assert torch.equal(both["1.pattern"][:, 1], kept(model, tokens, first)["1.pattern"][:, 1])
    behind = kept(model, tokens, "zero 0.2 keep-pattern", first)
    assert torch.equal(behind["2.pattern"], kept(model, tokens)["2.pattern"])
    assert torch.equal(behind["1.pattern"][:, 1], both["1.pattern"][:, 1])


def test_that_keeping_all_changes_nothing_and_keeping_none_leaves_no_attention() -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    everyone = " ".join(map(str, model.config.all_heads))
    assert torch.equal(run(model, tokens, f"keep {everyone}"), model(tokens))
    nothing = kept(model, tokens, "keep none")
    assert nothing["0.z"].count_nonzero() == nothing["1.z"].count_nonzero() == 0
    assert torch.equal(nothing["1.attn_out"][0, 0], model.layers[1].attention.b_O)
    assert torch.equal(run(model, tokens), model(tokens))
    some = run(model, tokens, "keep 0.1 1.0 1.3")
    assert torch.equal(some, run(model, tokens, "zero 0.0 0.2 0.3 1.1 1.2"))


def test_that_the_hand_built_circuit_needs_no_head_but_its_two() -> None:
    model = k_composition()
    assert torch.equal(run(model, TOKENS, "keep 0.0 1.0"), model(TOKENS))
    assert differ(induction(model.double(), "keep 1.0"), induction(model, "zero 0.0")) == 0


@pytest.mark.parametrize("kind", ["absolute-bare", "shortformer-bare"])
def test_that_no_intervention_but_scrambling_depends_on_the_basis(kind: str) -> None:  # V28
    model = random_model(kind, kv_heads=2)
    other = change_of_basis(model, seed=1)
    tokens, reference = random_tokens(model), random_tokens(model, seed=5)
    lines = (
        "zero 0.1 keep-pattern",
        "zero 0.1 keep-value",
        "mean 0.1 1.0 @2-8",
        "resample 1.3",
        "keep 0.1 1.2",
        "force 0.2 induction",
        "force 1.1 random seed 3",
        "positions shuffle seed 2",
        "positions remove in 0.1 1.3",
    )
    for line in lines:
        first = run(model, tokens, line, reference=reference)
        assert differ(first, run(other, tokens, line, reference=reference)) < 1e-9
        assert differ(first, model(tokens)) > 1e-3


@pytest.mark.parametrize(
    "line",
    [
        "zero 0.1 mlp.0",
        "mean 0.1 1.0 @2",
        "force 0.2 uniform",
        "scramble 1.1",
        "positions shuffle",
        "positions shuffle in 0.1",
    ],
)
@pytest.mark.parametrize("kind", ["gpt2-like", "llama-like", "alibi-bare"])
def test_that_whoever_looks_before_sees_what_was(kind: str, line: str) -> None:
    model = random_model(kind, d_mlp=40, activation="gelu")
    tokens = random_tokens(model)
    seen, copied = (Capture(lambda _name: True) for _ in range(2))
    model(tokens, chain(seen, lambda name, x: (copied(name, x.clone()), x)[1], tap_of(model, tokens, line)))
    assert all(torch.equal(x, copied.kept[name]) for name, x in seen.kept.items())


REFUSED = [
    ("zero 2.0", None, "no head 2.0"),
    ("zero 0.1 @20", None, "no position 20 in a prompt of 14 tokens"),
    ("zero mlp.1", None, "no mlp.1"),
    ("force 0.1 painted 1", None, "1 rows and the prompt 14 tokens"),
    ("resample 0.1", None, "needs reference prompts"),
    ("resample 0.1", torch.zeros(3, 14, dtype=torch.int64), "takes 1 or 2 references, not 3"),
    ("mean 0.1", torch.zeros(3, 13, dtype=torch.int64), "need 14 tokens like the prompts, not 13"),
]


@pytest.mark.parametrize(("line", "reference", "answer"), REFUSED)
def test_that_what_the_model_or_prompt_lacks_is_one_clear_line(
    line: str, reference: Tensor | None, answer: str
) -> None:
    model = random_model()
    with pytest.raises(ValueError, match=answer) as refused:
        tap_of(model, random_tokens(model), line, reference=reference)
    assert "\n" not in str(refused.value)


def test_that_runs_made_for_a_tap_can_be_watched_and_stopped() -> None:
    model = random_model()
    tokens, lines = random_tokens(model), [parse("zero 0.1 keep-pattern"), parse("zero 0.2")]
    seen: list[str] = []

    def watch(name: str, x: Tensor) -> Tensor:
        seen.append(name)
        return x

    tap = tap_for(model, tokens, lines, watch=watch)
    assert seen.count("0.resid_pre") == 1
    model(tokens, tap)
    assert seen.count("0.resid_pre") == 1  # once for all runs of the tap

    def cancelled() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        tap_for(model, tokens, lines, watch=Pause(cancelled))


def test_that_plain_ablation_makes_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model()
    monkeypatch.setattr(Transformer, "residual", None)
    for line in ("zero 0.1 1.2 @3", "mean 0.1", "keep 1.1", "force 0.1 induction", "scramble 0.2"):
        tap_of(model, random_tokens(model), line)


def test_that_patterns_over_the_budget_are_refused() -> None:
    model = random_model(context=1024)
    budget.set_limit(16)
    try:
        with pytest.raises(budget.TooLarge, match="keep-pattern"):
            tap_of(model, torch.zeros(1, 1000, dtype=torch.int64), "zero 0.1 keep-pattern")
    finally:
        budget.set_limit(budget.DEFAULT_MEGABYTES)


def test_that_a_zeroed_head_writes_nothing_and_the_others_stay() -> None:
    model = random_model("absolute-bare")
    tokens = random_tokens(model)
    plain, ablated = (Capture(lambda name: name.startswith("0.")) for _ in range(2))
    model(tokens, plain)
    model(tokens, chain(tap_for(model, tokens, [Ablate((HeadRef(0, 1), HeadRef(0, 3)))]), ablated))
    written = heads_apart(model, plain.kept["0.z"], 0)[:, :, [0, 2]].sum(2)
    torch.testing.assert_close(ablated.kept["0.attn_out"], written, rtol=0, atol=1e-12)
    assert torch.equal(ablated.kept["0.pattern"], plain.kept["0.pattern"])
