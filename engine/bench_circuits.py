"""The timings of circuits beside TransformerLens, which is imported here and nowhere else outside the tests.

Both sides have the same weights and the same number of torch threads; where it is not installed, a row says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from engine.bench_rows import Row, alternating, around, faster, unmeasured

TOY_BUDGET, COMPOSITION_BUDGET, EIGENVALUES_BUDGET, SWEEP_BUDGET = 5.0, 20.0, 10.0, 3.0
MISSING = "TransformerLens is not installed (requirements-dev.lock)"
RUNS = 5  # of ours beside one run of theirs that takes many seconds


def _pair(processed: bool, **shape: Any) -> tuple[Any, Any]:
    """A GPT-2 with random weights as our model and as theirs; GPT-2 small unless `shape` says otherwise.

    `processed` folds norms into their weights, as all their weight analyses ask for; ours fold as they go.
    Raises ImportError.
    """
    import torch
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
    from transformers import GPT2Config, GPT2LMHeadModel

    from engine.model.loaders.huggingface.families import from_state_dict

    torch.manual_seed(0)
    config = GPT2Config(**shape)
    model = GPT2LMHeadModel(config).train(False).requires_grad_(False)
    ours = from_state_dict(config.to_dict(), copy.deepcopy(model.state_dict()))
    theirs = build_bridge_from_module(model, "GPT2LMHeadModel", hf_config=config, model_name="random")
    if processed:
        theirs.enable_compatibility_mode(disable_warnings=True)
    return ours, theirs


def forward_capture_toy_32() -> Row:
    """2 layers, 8 heads, width 256, 32 tokens: every pattern kept, against their run with its cache."""
    name = "forward_capture_toy_32"
    import torch

    from engine.model.taps import Capture

    try:
        ours, theirs = _pair(processed=False, n_layer=2, n_head=8, n_embd=256, vocab_size=512, n_positions=64)
    except ImportError:
        return unmeasured(name, TOY_BUDGET, MISSING)
    tokens = torch.randint(0, 512, (1, 32))

    def captured() -> object:
        return ours(tokens, Capture(lambda tap: tap.endswith(".pattern")))

    def cached() -> object:
        return theirs.run_with_cache(tokens)

    with torch.inference_mode():
        captured(), cached()
        times = alternating(captured, cached, runs := 50)
    return faster(name, *times, "TransformerLens run_with_cache of the same weights", TOY_BUDGET, runs)


def composition_gpt2s() -> Row:
    """Q-, K- and V-composition of every pair of GPT-2 small's 144 heads; ours from the model's raw weights."""
    name = "composition_gpt2s"
    import torch

    from engine.circuits.weights.composition import scan
    from engine.circuits.weights.composition_edges import merged
    from engine.circuits.weights.view import Weights

    try:
        ours, theirs = _pair(processed=True)
    except ImportError:
        return unmeasured(name, COMPOSITION_BUDGET, MISSING)

    def scanned() -> object:
        return merged(scores for block in scan(Weights(ours)) for scores in block)

    def all_scores() -> object:
        return [theirs.all_composition_scores(kind) for kind in "QKV"]

    with torch.inference_mode():
        times = around(scanned, all_scores, RUNS)
    return faster(name, *times, "TransformerLens all_composition_scores, Q, K and V", COMPOSITION_BUDGET, RUNS)


def ov_eigenvalues_gpt2s() -> Row:
    """The copying scores of 144 heads from the eigenvalues of their full OV circuits, vocabulary 50,257."""
    name = "ov_eigenvalues_gpt2s"
    import torch

    from engine.circuits.weights.ovqk import copying_eigenvalues

    try:
        ours, theirs = _pair(processed=True)
    except ImportError:
        return unmeasured(name, EIGENVALUES_BUDGET, MISSING)

    def copying_scores() -> object:
        eigenvalues = (theirs.W_E @ theirs.OV @ theirs.W_U).eigenvalues  # (L, H, h)
        return eigenvalues.sum(-1).real / eigenvalues.abs().sum(-1)

    with torch.inference_mode():
        times = around(lambda: copying_eigenvalues(ours), copying_scores, RUNS)
    return faster(name, *times, "TransformerLens FactoredMatrix.eigenvalues", EIGENVALUES_BUDGET, RUNS)


def ablation_sweep_gpt2s_50() -> Row:
    """The loss on 50 tokens without each of 144 heads, one at a time."""
    name = "ablation_sweep_gpt2s_50"
    import torch

    from engine.circuits.patching.metrics import TokenLoss
    from engine.circuits.patching.sweeps import removals

    try:
        ours, theirs = _pair(processed=False)
    except ImportError:
        return unmeasured(name, SWEEP_BUDGET, MISSING)
    tokens = torch.randint(0, 50_257, (1, 50))
    metric = TokenLoss(ours, tokens, first=1)

    def removing(head: int) -> Callable[..., Any]:
        def hook(z: Any, hook: object) -> Any:
            z[:, :, head] = 0.0
            return z

        return hook

    def hooked() -> object:
        sites = [(f"blocks.{head.layer}.attn.hook_z", removing(head.head)) for head in ours.config.all_heads]
        return [theirs.run_with_hooks(tokens, return_type="loss", fwd_hooks=[site]) for site in sites]

    with torch.inference_mode():
        times = around(lambda: list(removals(ours, tokens, metric)), hooked, RUNS)
    return faster(name, *times, "TransformerLens run_with_hooks, a head each", SWEEP_BUDGET, RUNS)


ROWS: dict[str, Callable[[], Row]] = {
    "forward_capture_toy_32": forward_capture_toy_32,
    "composition_gpt2s": composition_gpt2s,
    "ov_eigenvalues_gpt2s": ov_eigenvalues_gpt2s,
    "ablation_sweep_gpt2s_50": ablation_sweep_gpt2s_50,
}
