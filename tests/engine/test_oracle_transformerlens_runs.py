"""Meddling with a run, and its attribution, against TransformerLens's on the same random weights, in float64.

docs/oracles.md tells where the two differ in what they define.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from tqdm import tqdm
from transformer_lens import TransformerBridge, patching

from engine.circuits.attribution.logit_attribution import Target, attribute, attribution_taps
from engine.circuits.attribution.stream import Stream
from engine.circuits.interventions.edges import HeadInput
from engine.circuits.interventions.values import Part
from engine.circuits.patching.activations import Kind, patch, sites
from engine.circuits.patching.metrics import TokenLogit, TokenLoss
from engine.circuits.patching.paths import exact_paths, linearised_paths
from engine.circuits.patching.sweeps import removals
from engine.model.config import HeadRef
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.oracle_bridges import HUGGING_FACE, LAYER_NORMED, NATIVE, assert_same, cached, pair
from tests.engine.oracle_models import V, widened

T = 24


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(autouse=True)
def _no_progress_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their progress bars, even those not shown, start a thread of tqdm's that never ends."""
    monkeypatch.setattr(tqdm, "monitor_interval", 0)


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, V, (2, T), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", [*HUGGING_FACE, *NATIVE])
def test_that_removing_each_head_costs_what_it_costs_in_theirs(name: str, tokens: Tensor) -> None:
    """V19"""
    ours, theirs = pair(name)
    metric = TokenLoss(ours, tokens, first=1)
    values = torch.cat([removed.values for removed in removals(ours, tokens, metric)])
    assert_same(values, their_losses_without_each_head(theirs, tokens))


def their_losses_without_each_head(theirs: TransformerBridge, tokens: Tensor) -> Tensor:
    """(N, B)"""

    def removing(head: int) -> Any:
        def hook(z: Tensor, hook: Any) -> Tensor:
            z[:, :, head] = 0.0
            return z

        return hook

    losses = []
    with widened(), torch.inference_mode():
        for number in range(theirs.cfg.n_layers):
            for head in range(theirs.cfg.n_heads):
                name = f"blocks.{number}.attn.hook_z"
                logits = theirs.run_with_hooks(tokens, fwd_hooks=[(name, removing(head))])
                logprobs = logits[:, :-1].log_softmax(-1)
                losses.append(-logprobs.gather(-1, tokens[:, 1:, None])[..., 0].mean(-1))
    return torch.stack(losses)


def test_that_folding_the_value_bias_changes_what_their_removal_takes(tokens: Tensor) -> None:
    """Their z is without the value bias then, so what it writes stays when a head goes; ours goes with the head."""
    ours, theirs = pair("gpt2", processed=True)
    values = torch.cat([removed.values for removed in removals(ours, tokens, TokenLoss(ours, tokens, first=1))])
    difference = (values - their_losses_without_each_head(theirs, tokens)).abs()
    assert difference.max() == pytest.approx(0.70, abs=0.01)
    _, unfolded = pair("gpt2", processed=True, fold_value_biases=False)
    assert_same(values, their_losses_without_each_head(unfolded, tokens))


THEIR_PATCHES = {
    "z": patching.get_act_patch_attn_head_out_all_pos,
    "q": patching.get_act_patch_attn_head_q_all_pos,
    "k": patching.get_act_patch_attn_head_k_all_pos,
    "v": patching.get_act_patch_attn_head_v_all_pos,
    "pattern": patching.get_act_patch_attn_head_pattern_all_pos,
}


@pytest.mark.parametrize("kind", THEIR_PATCHES)
def test_that_patching_each_head_is_theirs(kind: Kind, tokens: Tensor) -> None:
    """V23. Theirs notes what it measures, because its table is in float32."""
    ours, theirs = pair("gpt2")
    clean, corrupt = tokens[:1], tokens[1:]
    effects = patch(ours, clean, corrupt, sites(ours.config, kind), TokenLogit(ours, torch.tensor([5])), "denoising")
    _, clean_cache = cached(theirs, clean)
    seen: list[Tensor] = []
    with widened(), torch.inference_mode():
        THEIR_PATCHES[kind](theirs, corrupt, clean_cache, noting(seen))
    assert_same(torch.cat([effect.values for effect in effects]), torch.stack(seen))


def noting(seen: list[Tensor]) -> Callable[[Tensor], Tensor]:
    """A metric: the logit of token 5 after the last one, noted in `seen`."""

    def metric(logits: Tensor) -> Tensor:
        seen.append(logits[:, -1, 5])
        return logits[0, -1, 5]

    return metric


def our_path_effects(
    ours: Transformer, corrupt: Tensor, clean: Tensor, sender: HeadRef, part: Part, frozen: bool = False
) -> Tensor:
    """The logit of token 5 after the last one, with the edge to each later head patched in turn; (n, B)."""
    patched, metric = linearised_paths if frozen else exact_paths, TokenLogit(ours, torch.tensor([5]))
    later = [HeadInput(head, part) for head in ours.config.all_heads if head.layer > sender.layer]
    return torch.cat(
        [
            effects.values
            for receiver in later
            for effects in patched(ours, clean, corrupt, [[sender]], [receiver], metric, "denoising")
        ]
    )


def their_path_effects(
    theirs: TransformerBridge, corrupt: Tensor, clean: Tensor, sender: HeadRef, part: Part
) -> Tensor:
    """The same; (n, B)."""
    (_, corrupt_cache), (_, clean_cache) = cached(theirs, corrupt), cached(theirs, clean)
    seen: list[Tensor] = []
    with widened(), torch.inference_mode():
        patching.get_act_patch_direct_path(
            theirs, corrupt, clean_cache, corrupt_cache, noting(seen), sender.layer, sender.head, part, verbose=False
        )
    return torch.stack(seen)


# theirs needs its own fork of q, k and v, which its native decoder lacks, and takes no keys or values of grouped heads
@pytest.mark.parametrize(
    ("name", "part"),
    [(name, part) for name in ("gpt2", "neox-parallel", "neox-sequential") for part in ("q", "k", "v")]
    + [("llama-grouped", "q")],
)
def test_that_exact_path_patching_is_theirs_for_every_edge_of_a_head(name: str, part: Part, tokens: Tensor) -> None:
    """V22. Theirs patches the clean run's content into the corrupt run, our denoising."""
    ours, theirs = pair(name)
    clean, corrupt = tokens[:1], tokens[1:]
    effects = our_path_effects(ours, corrupt, clean, HeadRef(0, 1), part)
    assert_same(effects, their_path_effects(theirs, corrupt, clean, HeadRef(0, 1), part))
    assert (effects - ours(corrupt)[:, -1, 5]).abs().max() > 1e-4


def test_that_the_linearised_variant_is_no_longer_theirs(tokens: Tensor) -> None:
    ours, theirs = pair("gpt2")
    clean, corrupt = tokens[:1], tokens[1:]
    linear = our_path_effects(ours, corrupt, clean, HeadRef(0, 1), "k", frozen=True)
    exact = their_path_effects(theirs, corrupt, clean, HeadRef(0, 1), "k")
    effects = exact - ours(corrupt)[:, -1, 5]
    assert effects.abs().max() == pytest.approx(0.0206, abs=1e-4)
    assert (linear - exact).abs().max() == pytest.approx(0.0028, abs=1e-4)


def our_attribution(ours: Transformer, tokens: Tensor, sample: int, target: Target) -> dict[str, Tensor]:
    """Source to its attribution (T)."""
    kept = Capture(attribution_taps(ours).__contains__)
    ours(tokens, kept)
    attribution = attribute(Stream(ours, kept.kept, sample), target)
    return dict(zip(attribution.names, attribution.values, strict=True))


def their_attribution(theirs: TransformerBridge, tokens: Tensor, sample: int, token: int) -> dict[str, Tensor]:
    """The same under our names; their `attn_out` of a layer is all its heads and its bias."""
    _, cache = cached(theirs, tokens)
    with widened(), torch.inference_mode():
        stack, labels = cache.decompose_resid(return_labels=True)
        heads, head_labels = cache.stack_head_results(return_labels=True)
        values = cache.logit_attrs(torch.cat([stack, heads]), token)[:, sample]  # (S, T)
    return dict(zip([ours_called(label) for label in labels + head_labels], values, strict=True))


def ours_called(label: str) -> str:
    """`pos_embed`, `2_mlp_out`, `L0H3` are our `pos`, `mlp.2`, `0.3`."""
    if label.startswith("L"):
        return label[1:].replace("H", ".")
    number, _, kind = label.partition("_")
    return {"pos_embed": "pos", "embed": "embed"}.get(label) or f"{kind.removesuffix('_out')}.{number}"


@pytest.mark.parametrize("name", ["gpt2", "gpt2-untied", "neox-parallel", "attention-only"])
def test_that_direct_logit_attribution_is_theirs_for_every_source(name: str, tokens: Tensor) -> None:
    """V6"""
    normed = name in LAYER_NORMED
    ours, theirs = pair(name, processed=normed, center_unembed=False, fold_value_biases=False)
    for sample, token in ((0, 5), (1, V - 1)):
        values = our_attribution(ours, tokens, sample, Target(token))
        their_values = their_attribution(theirs, tokens, sample, token)
        for source, value in values.items():
            if source.partition(".")[0] != "bias":  # theirs gives biases by no name
                assert_same(value, their_values[source])
        for number in range(ours.config.layers):
            parts = [values[f"{number}.{head}"] for head in range(ours.config.heads)]
            bias = values.get(f"bias.{number}", torch.zeros(T))
            assert_same(sum(parts) + bias, their_values[f"attn.{number}"])
        if normed:
            assert_same(values["bias"], theirs.b_U[token].expand(T))


def test_that_their_default_attribution_is_a_lead_over_the_mean_logit(tokens: Tensor) -> None:
    """They centre the unembedding; and they move the value biases from the heads to the layer's bias."""
    ours, theirs = pair("gpt2", processed=True)
    token = 5
    plain = our_attribution(ours, tokens, 0, Target(token))
    values = our_attribution(ours, tokens, 0, Target(token, against="mean"))
    their_values = their_attribution(theirs, tokens, 0, token)
    for source in ("embed", "pos", "mlp.0", "mlp.2"):
        assert_same(values[source], their_values[source])
    assert (plain["mlp.2"] - their_values["mlp.2"]).abs().max() == pytest.approx(0.153, abs=0.001)
    moved = {head: values[head] - their_values[head] for head in values if head[0].isdigit()}
    assert max(part.abs().max() for part in moved.values()) == pytest.approx(0.55, abs=0.01)
    for number in range(3):
        layer = sum(values[f"{number}.{head}"] for head in range(4)) + values[f"bias.{number}"]
        assert_same(layer, their_values[f"attn.{number}"])
