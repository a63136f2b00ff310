"""A checkpoint as TransformerLens names things, in a folder: config.json with its fields, model.safetensors with its
tensors, and a tokenizer.json beside them.

Meant for attention-only models; plain MLPs and norms come along. Must not import torch at the top: the window lists
models before torch is loaded.
"""

from __future__ import annotations

from math import isclose, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.model.config import Activation, ModelConfig, Norm, Positions
from engine.model.loaders.header import Header, ModelFileError, Report, quiet
from engine.model.loaders.huggingface import folder, weights
from engine.model.loaders.huggingface.fields import Fields
from engine.model.loaders.huggingface.files import CONFIG, read_object
from engine.model.loaders.huggingface.naming import Naming, Rule, kept
from engine.model.loaders.huggingface.words import Words, read_words

if TYPE_CHECKING:
    from torch import Tensor

    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer

POSITIONS: dict[str, Positions] = {"standard": "absolute", "shortformer": "shortformer", "rotary": "rotary"}
NORMS: dict[str, Norm] = {"none": "none", "LN": "layer", "LNPre": "layer", "RMS": "rms", "RMSPre": "rms"}
ACTIVATIONS: dict[str, Activation] = {"gelu": "gelu", "gelu_new": "gelu_new", "gelu_fast": "gelu_new"}

TRAITS = {
    "use_local_attn": "local attention",
    "window_size": "local attention",
    "scale_attn_by_inverse_layer_idx": "attention that is scaled by layer",
    "attn_scores_soft_cap": "soft-capped scores",
    "output_logits_soft_cap": "soft-capped logits",
    "final_rms": "a final norm of another kind",
    "post_embedding_ln": "a norm after the embedding",
    "use_normalization_before_and_after": "norms after each layer's parts",
    "use_qk_norm": "norms of queries and keys",
    "use_attention_sinks": "attention sinks",
    "use_logn_attn": "attention that is scaled by position",
    "clip_qkv": "clipped queries, keys and values",
    "use_NTK_by_parts_rope": "scaled rotary positions",
    "use_dynamic_ntk_rope": "scaled rotary positions",
    "use_yarn_rope": "scaled rotary positions",
    "gated_mlp": "gated MLPs",
    "num_experts": "mixtures of experts",
    "n_key_value_heads": "heads that share keys and values",
    "parallel_attn_mlp": "MLPs beside attention",
}


def is_checkpoint(path: Path) -> bool:
    """Whether config.json speaks of a model in the words of TransformerLens. Raises ModelFileError."""
    values = read_object(path, CONFIG)
    return "model_type" not in values and {"n_layers", "d_model", "d_vocab"} <= values.keys()


def read_header(path: Path) -> Header:
    """What the files say, without the weights. Raises ModelFileError."""
    values, config = _open(path)
    return folder.header(path, config, weights.find(path, config, NAMING), _words(path, values), "TransformerLens")


def load(path: Path, report: Report = quiet) -> tuple[Transformer, Tokenizer]:
    """The model in float32 and its tokenizer. Raises ModelFileError."""
    from engine.model.loaders.assemble import assemble, tokenizer_for

    values, config = _open(path)
    stored, words = weights.find(path, config, NAMING), _words(path, values)
    tokenizer = tokenizer_for(path.name, config, words.definition, words.bos, words.prepends)
    ours = weights.load(path, stored, config, NAMING, report, _folded_norms(values, config))
    return assemble(path.name, config, ours), tokenizer


def files(path: Path) -> tuple[Path, ...]:
    return folder.files(path)


def _open(path: Path) -> tuple[Fields, ModelConfig]:
    values = Fields(CONFIG, read_object(path, CONFIG))
    try:
        return values, _config(values)
    except ValueError as error:
        raise ModelFileError(str(error)) from None


def _words(path: Path, values: Fields) -> Words:
    return read_words(path, values, values.count("d_vocab"), values.flag("default_prepend_bos", True))


def _config(values: Fields) -> ModelConfig:
    """TransformerLens has every bias, if only as zeros."""
    _refuse_strangers(values)
    d_model, d_head = values.count("d_model"), values.count("d_head")
    heads = values.count("n_heads", max(1, d_model // d_head))
    mlp = not values.flag("attn_only", False)
    positions = _positions(values)
    return ModelConfig(
        layers=values.count("n_layers"),
        heads=heads,
        kv_heads=heads,
        d_model=d_model,
        d_head=d_head,
        vocabulary=values.count("d_vocab"),
        context=values.count("n_ctx"),
        d_mlp=values.count("d_mlp", 4 * d_model) if mlp else 0,
        positions=positions,
        rotary_pairing="interleaved" if values.flag("rotary_adjacent_pairs", False) else "half",
        rotary_base=values.number("rotary_base", 10_000.0),
        rotary_dim=values.count("rotary_dim", d_head) if positions == "rotary" else 0,
        norm=NORMS[_norm(values)],
        norm_epsilon=values.number("eps", 1e-5),
        activation=_choice(values.text("act_fn", "relu"), ACTIVATIONS, "activation") if mlp else "none",
        attention_bias=True,
        output_bias=True,
        mlp_bias=mlp,
    )


def _positions(values: Fields) -> Positions:
    """Checkpoints from before TransformerLens had that name say `shortformer_pos` instead."""
    older = "shortformer" if values.flag("shortformer_pos", False) else "standard"
    return _choice(values.text("positional_embedding_type", older), POSITIONS, "positions")


def _norm(values: Fields) -> str:
    """`normalization` is the older name of the field; null says that there is none."""
    name = "normalization" if values.has("normalization") or values.is_null("normalization") else "normalization_type"
    kind = "none" if values.is_null(name) else values.text(name, "LN")
    _choice(kind, NORMS, "norm")
    return kind


def _choice(name: str, known: dict[str, Any], what: str) -> Any:
    if name not in known:
        raise ModelFileError(f"models with the {what} {name[:40]!r} cannot be read, only {', '.join(known)}")
    return known[name]


def _refuse_strangers(values: Fields) -> None:
    """Raises ModelFileError for a checkpoint that our decoder would not compute exactly."""
    reason = next((why for trait, why in TRAITS.items() if values.is_set(trait)), None)
    d_head = values.count("d_head")
    if values.is_set("attn_scale") and not isclose(values.number("attn_scale"), sqrt(d_head), rel_tol=1e-6):
        reason = f"scores that are not divided by the root of {d_head}"
    if values.number("rotary_scaling_factor", 1.0) != 1.0:
        reason = "scaled rotary positions"
    if not values.flag("use_attn_scale", True):
        reason = "attention that is not scaled"
    if values.text("attention_dir", "causal") != "causal":
        reason = "attention to later positions"
    if values.is_set("d_vocab_out") and values.count("d_vocab_out") != values.count("d_vocab"):
        reason = "an output vocabulary of its own"
    if reason:
        raise ModelFileError(f"this TransformerLens model cannot be read: {reason} would be needed")


def _folded_norms(values: Fields, config: ModelConfig) -> dict[str, Tensor]:
    """Norms whose weights went into the matrices behind them (LNPre, RMSPre) only centre and scale."""
    import torch

    if not _norm(values).endswith("Pre"):
        return {}
    each = ("norm_1", "norm_2") if config.d_mlp else ("norm_1",)
    norms = [f"layers.{layer}.{norm}" for layer in range(config.layers) for norm in each] + ["norm_final"]
    ours = {f"{norm}.weight": torch.ones(config.d_model) for norm in norms}
    return ours | ({f"{norm}.bias": torch.zeros(config.d_model) for norm in norms} if config.norm == "layer" else {})


def _heads_last(x: Tensor, _config: ModelConfig) -> tuple[Tensor, ...]:
    return (x.transpose(0, 1).flatten(1),)  # (H, d, h) -> (d, H*h)


def _heads_joined(x: Tensor, _config: ModelConfig) -> tuple[Tensor, ...]:
    return (x.flatten(0, 1),)  # (H, h, d) -> (H*h, d), or (H, h) -> (H*h)


def _must_be_zero(x: Tensor, _config: ModelConfig) -> tuple[Tensor, ...]:
    """Our decoder has no bias on its logits. Of a tensor without content nothing can be told."""
    if not x.is_meta and x.any():
        raise ModelFileError(
            "the bias of the logits (unembed.b_U) is not zero: save the model without folding its norms"
        )
    return ()


NAMING = Naming(
    prefix="",
    layer="blocks",
    whole={
        "embed.W_E": kept("W_E"),
        "pos_embed.W_pos": kept("W_pos"),
        "ln_final.w": kept("norm_final.weight"),
        "ln_final.b": kept("norm_final.bias"),
        "unembed.W_U": kept("W_U"),
        "unembed.b_U": Rule((), _must_be_zero),
    },
    each={
        **{f"attn.W_{part}": Rule((f"attention.W_{part}",), _heads_last) for part in "QKV"},
        **{f"attn.b_{part}": Rule((f"attention.b_{part}",), _heads_joined) for part in "QKV"},
        "attn.W_O": Rule(("attention.W_O",), _heads_joined),
        "attn.b_O": kept("attention.b_O"),
        **{f"mlp.{part}": kept(f"mlp.{part}") for part in ("W_in", "b_in", "W_out", "b_out")},
        "ln1.w": kept("norm_1.weight"),
        "ln1.b": kept("norm_1.bias"),
        "ln2.w": kept("norm_2.weight"),
        "ln2.b": kept("norm_2.bias"),
    },
    buffers=frozenset({"attn.mask", "attn.IGNORE", "attn.rotary_sin", "attn.rotary_cos"}),
)
