"""The same random weights as our model and as TransformerLens's, for comparing the two in float64.

TransformerLens casts to float32 in places, and rounds the weights it processes to float32 whatever the model's type; so
all that is theirs runs with those casts widened.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from transformer_lens import TransformerBridge
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
from transformer_lens.model_bridge.sources.native import NativeModel

from engine.model.loaders.huggingface.families import from_state_dict
from engine.model.transformer import Transformer
from tests.engine.oracle_models import V, gpt2, llama, neox, shaken, widened
from tests.engine.shapes import random_model

HUGGING_FACE = {
    "gpt2": gpt2,
    "gpt2-untied": lambda: gpt2(tie_word_embeddings=False),
    "neox-parallel": neox,
    "neox-sequential": lambda: neox(use_parallel_residual=False),
    "llama-grouped": lambda: llama(num_key_value_heads=2),
}
NATIVE = {
    "attention-only": ("absolute-bare", {"layers": 3}),
    "interleaved-rotary": ("llama-like", {"layers": 3, "kv_heads": 2}),
}
LAYER_NORMED = ("gpt2", "gpt2-untied", "neox-parallel", "neox-sequential")

Pair = tuple[Transformer, TransformerBridge]


def pair(name: str, processed: bool = False, **options: bool) -> Pair:
    """The same weights as our model and as theirs; `processed` is folded and centred, as they do by default."""
    with widened():
        ours, theirs = native(name) if name in NATIVE else hugging_face(name)
        if processed:
            theirs.enable_compatibility_mode(disable_warnings=True, **options)
    return ours, theirs


def hugging_face(name: str) -> Pair:
    make, config = HUGGING_FACE[name]()
    model = shaken(make, config, torch.float64)
    weights = copy.deepcopy(model.state_dict())  # a bridge changes the model that it is built around
    ours = from_state_dict(config.to_dict(), weights).requires_grad_(False)
    return ours, build_bridge_from_module(model, make.__name__, hf_config=config, model_name=name)


def native(name: str) -> Pair:
    """Their own decoder, for what transformers does not have: no norm and no MLP, or neighbours as rotary pairs."""
    kind, changes = NATIVE[name]
    ours = random_model(kind, vocabulary=V, context=40, **changes)
    config = TransformerBridgeConfig(
        d_model=ours.config.d_model,
        d_head=ours.config.d_head,
        d_mlp=ours.config.d_mlp or None,
        d_vocab=V,
        n_layers=ours.config.layers,
        n_heads=ours.config.heads,
        n_key_value_heads=ours.config.kv_heads,
        n_ctx=ours.config.context,
        eps=ours.config.norm_epsilon,
        attn_only=not ours.config.d_mlp,
        gated_mlp=bool(ours.config.d_mlp),
        act_fn="silu",
        normalization_type={"none": None, "rms": "RMS"}[ours.config.norm],
        positional_embedding_type={"absolute": "standard", "rotary": "rotary"}[ours.config.positions],
        rotary_dim=ours.config.rotary_dim or None,
    )
    model = NativeModel(config).double().eval()
    model.load_state_dict(native_weights(ours, model.state_dict()))
    return ours, build_bridge_from_module(model, "TransformerLensNative", tl_config=config)


def native_weights(ours: Transformer, shapes: dict[str, Tensor]) -> dict[str, Tensor]:
    """Ours by their names, as (outputs, inputs); biases that ours lack are zero."""
    theirs = {name: torch.zeros_like(x) for name, x in shapes.items()}
    theirs |= {"tok_embed.weight": ours.W_E, "head.weight": ours.W_U.T}
    if ours.config.positions == "absolute":
        theirs["pos.weight"] = ours.W_pos
    if ours.config.norm == "rms":
        theirs["ln_out.weight"] = ours.norm_final.weight
    for number, layer in enumerate(ours.layers):
        name = f"layers.{number}"
        theirs |= {f"{name}.attn.{part.lower()}.weight": getattr(layer.attention, f"W_{part}").T for part in "QKVO"}
        if ours.config.norm == "rms":
            theirs |= {f"{name}.ln1.weight": layer.norm_1.weight, f"{name}.ln2.weight": layer.norm_2.weight}
        if ours.config.d_mlp:
            theirs |= {f"{name}.mlp.{part}.weight": getattr(layer.mlp, f"W_{part}").T for part in ("in", "out", "gate")}
    return theirs


def cached(theirs: TransformerBridge, tokens: Tensor) -> tuple[Tensor, Any]:
    with widened(), torch.inference_mode():
        return theirs.run_with_cache(tokens)


def assert_same(ours: Tensor, theirs: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
