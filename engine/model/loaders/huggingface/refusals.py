"""Why a Hugging Face model is not opened: what it computes that our decoder does not, as tables of one line each.

Must not import torch: the window lists models before torch is loaded.
"""

from __future__ import annotations

from engine.model.loaders.header import ModelFileError
from engine.model.loaders.huggingface.fields import Fields

_ENCODER = "it is not a causal decoder"
_EXPERTS = "mixtures of experts are not supported"
_QK_NORMS = "norms of queries and keys are not supported"

_KINDS = (
    (
        _ENCODER,
        "albert bart bert camembert clip deberta deberta-v2 distilbert electra longformer mbart modernbert mpnet",
    ),
    (_ENCODER, "mt5 pegasus roberta t5 umt5 vit whisper xlm-roberta xlnet"),
    (
        _EXPERTS,
        "dbrx deepseek_v2 deepseek_v3 gpt_oss granitemoe jetmoe llama4 mixtral olmoe phimoe qwen2_moe qwen3_moe",
    ),
    (_QK_NORMS, "chameleon hunyuan_v1_dense olmo2 olmo3 qwen3"),
    (
        "layers with a recurrent state are not supported",
        "bamba falcon_h1 falcon_mamba jamba lfm2 mamba mamba2 rwkv zamba",
    ),
    (
        "models that read more than text are not supported",
        "llava mistral3 mllama paligemma qwen2_vl qwen2_5_vl qwen3_vl",
    ),
    ("norms that add one to their weights, and a scaled embedding, are not supported", "gemma"),
    ("soft-capped logits, and norms after each layer's parts, are not supported", "gemma2"),
    ("local attention, and norms of queries and keys, are not supported", "gemma3 gemma3_text gemma3n gemma3n_text"),
    ("a norm that attention and MLP share, and a bias of the logits, are not supported", "codegen gptj phi"),
    ("shared norms without bias, and scaled logits, are not supported", "cohere cohere2"),
    ("fused projections are not supported", "falcon gpt_bigcode mpt phi3"),
    ("ALiBi after a normed embedding is not supported", "bloom"),
    ("positions that begin at 2, and MLPs of ReLUs, are not supported", "opt"),
    ("attention that is local and not scaled is not supported", "gpt_neo"),
    ("norms without weights are not supported", "olmo"),
    ("its mixture of layer norms and rotary positions is not supported", "nemotron stablelm starcoder2"),
    ("scaled residuals, embeddings and logits are not supported", "granite minicpm"),
    ("layers without rotary positions are not supported", "smollm3"),
)
REASONS = {kind: reason for reason, kinds in _KINDS for kind in kinds.split()}

TRAITS = {
    "quantization_config": "its weights are quantised (GPTQ, AWQ, bitsandbytes): open a GGUF file of the model instead",
    "is_encoder_decoder": _ENCODER,
    "add_cross_attention": _ENCODER,
    "num_local_experts": _EXPERTS,
    "num_experts": _EXPERTS,
    "n_routed_experts": _EXPERTS,
    "use_qk_norm": _QK_NORMS,
    "attn_logit_softcapping": "soft-capped scores are not supported",
    "final_logit_softcapping": "soft-capped logits are not supported",
    "scale_attn_by_inverse_layer_idx": "attention that is scaled by layer is not supported",
}


def refuse_strangers(values: Fields, kind: str, readable: tuple[str, ...]) -> None:
    """Raises ModelFileError, with the reason, for a model that is not of a `readable` kind or has one of `TRAITS`."""
    if not kind:
        raise ModelFileError(f"{values.name} names no model_type: it is not the configuration of a model")
    if kind in REASONS:
        raise ModelFileError(f"models of type {kind!r} cannot be read: {REASONS[kind]}")
    if kind not in readable:
        raise ModelFileError(f"models of type {kind[:40]!r} cannot be read, only {', '.join(readable)}")
    reason = next((why for trait, why in TRAITS.items() if values.is_set(trait)), None)
    if reason is None and not values.flag("scale_attn_weights", True):
        reason = "attention that is not scaled is not supported"
    if reason:
        raise ModelFileError(f"this {kind} model cannot be read: {reason}")


def refuse_rotary_scaling(stated: Fields) -> None:
    """Raises ModelFileError when rotary positions are stretched (linear, dynamic, yarn, llama3, longrope)."""
    kind = stated.text("rope_type", stated.text("type", "default"))
    if kind != "default":
        raise ModelFileError(f"rotary positions scaled by {kind[:40]!r} cannot be read, only those that are not scaled")
    if stated.has_parts():
        raise ModelFileError("rotary positions that differ from layer to layer cannot be read")
