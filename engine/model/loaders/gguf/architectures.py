"""What a GGUF file's metadata say of the model's shape, and which of its tensors is which weight of our decoder.

Converters turn Llama's queries and keys so that neighbouring dimensions rotate together; Qwen2 and GPT-NeoX
keep halves. Must not import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.model.config import ModelConfig
from engine.model.loaders.gguf.file import GGUFHeader
from engine.model.loaders.header import ModelFileError

MOST_LAYERS, LARGEST = 10_000, 1 << 28
UNSUPPORTED = {
    "gemma": "soft-capped logits and scaled embeddings are not supported",
    "gemma2": "soft-capped logits are not supported",
    "gemma3": "norms around every block are not supported",
    "qwen3": "norms of queries and keys are not supported",
    "qwen2moe": "mixture of experts is not supported",
    "qwen3moe": "mixture of experts is not supported",
    "deepseek2": "mixture of experts and latent attention are not supported",
    "phi2": "partly rotated heads with one shared norm are not supported",
    "phi3": "scaled rotary positions are not supported",
    "falcon": "its shared norms are not supported",
    "mamba": "a state-space model has no attention to look at",
    "rwkv6": "a recurrent model has no attention to look at",
    "bert": "it is no causal decoder",
    "nomic-bert": "it is no causal decoder",
    "t5": "it is no causal decoder",
    "t5encoder": "it is no causal decoder",
}


@dataclass(frozen=True)
class Weight:
    """One tensor of ours: `theirs` is the file's name, `turned` whether rows and columns change places, `part` which
    third of a fused tensor it is (None: all of it).
    """

    theirs: str
    turned: bool = False
    part: int | None = None


def config_of(header: GGUFHeader) -> ModelConfig:
    """Raises ModelFileError, in one line, for what our decoder does not compute exactly."""
    name = header.require("general.architecture", str)
    if name in UNSUPPORTED:
        raise ModelFileError(f"{header.name} is a {name} model: {UNSUPPORTED[name]}")
    if name not in ARCHITECTURES:
        raise ModelFileError(
            f"models of type {name[:40]!r} cannot be read, only {', '.join(ARCHITECTURES)} ({header.name})"
        )
    try:
        return ARCHITECTURES[name](_Fields(header, name))
    except (ValueError, OverflowError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{header.name} is damaged: {error}") from None


class _Fields:
    """The metadata under an architecture's name."""

    def __init__(self, header: GGUFHeader, architecture: str) -> None:
        self.header, self.architecture = header, architecture

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number of sensible size, the same in all layers."""
        value = self.header.get(f"{self.architecture}.{key}", (int, list), default)
        if isinstance(value, list):
            if len(set(map(str, value))) != 1:
                raise ModelFileError(f"{self.header.name} cannot be read: {key} differs from layer to layer")
            value = value[0]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST:
            raise ModelFileError(f"{self.header.name} is damaged: it does not say {self.architecture}.{key} rightly")
        return value

    def real(self, key: str, default: float | None = None) -> float:
        value = self.header.get(f"{self.architecture}.{key}", (int, float), default)
        if value is None or not 0 < value < 1e12:
            raise ModelFileError(f"{self.header.name} is damaged: it does not say {self.architecture}.{key} rightly")
        return float(value)

    def value(self, key: str) -> Any:
        return self.header.values.get(f"{self.architecture}.{key}")

    def shape(self) -> dict[str, Any]:
        """What all of them say under the same names. Raises ModelFileError for what none of ours computes."""
        self._refuse()
        layers, heads, width = self.number("block_count"), self.number("attention.head_count"), self._width()
        if not 0 < layers <= MOST_LAYERS or not heads:
            raise ModelFileError(f"{self.header.name} is damaged: {layers} layers of {heads} heads are no model")
        d_head = self.number("attention.key_length", width // heads)
        if self.number("attention.value_length", d_head) != d_head:
            raise ModelFileError(f"{self.header.name} cannot be read: its keys and values differ in size")
        return {
            "layers": layers,
            "heads": heads,
            "kv_heads": self.number("attention.head_count_kv", heads),
            "d_model": width,
            "d_head": d_head,
            "vocabulary": self._vocabulary(),
            "context": self._context(),
            "d_mlp": self.number("feed_forward_length"),
            "tied_unembedding": "output.weight" not in self.header.tensors,
        }

    def rotary(self, d_head: int) -> dict[str, Any]:
        return {
            "positions": "rotary",
            "rotary_base": self.real("rope.freq_base", 10_000.0),
            "rotary_dim": self.number("rope.dimension_count", d_head),
        }

    def biased(self, name: str) -> bool:
        return f"blk.0.{name}.bias" in self.header.tensors

    def _width(self) -> int:
        return self.number("embedding_length")

    def _vocabulary(self) -> int:
        embedding = self.header.tensors.get("token_embd.weight")
        if embedding is None or len(embedding.shape) != 2:
            raise ModelFileError(f"{self.header.name} is damaged: it has no embedding")
        return embedding.shape[0]

    def _context(self) -> int:
        """Inside its window, sliding attention is plain attention: prompts may be as long as that."""
        context = self.number("context_length")
        window = self.number("attention.sliding_window", 0)
        return min(context, window) if window else context

    def _refuse(self) -> None:
        for key, why in (
            ("expert_count", "mixture of experts is not supported"),
            ("attn_logit_softcapping", "soft-capped scores are not supported"),
            ("final_logit_softcapping", "soft-capped logits are not supported"),
            ("logit_scale", "scaled logits are not supported"),
            ("embedding_scale", "scaled embeddings are not supported"),
            ("residual_scale", "scaled residuals are not supported"),
            ("attention.scale", "attention of another scale is not supported"),
        ):
            if self.value(key):
                raise ModelFileError(f"{self.header.name} cannot be read: {why}")
        scaling = self.value("rope.scaling.type")
        if scaling not in (None, "none") or "rope_freqs.weight" in self.header.tensors:
            kind = f" ({scaling[:40]})" if isinstance(scaling, str) else ""
            raise ModelFileError(f"{self.header.name} cannot be read: scaled rotary positions{kind} are not supported")


def _llama(fields: _Fields) -> ModelConfig:
    shape = fields.shape()
    pairing: Any = "half" if fields.architecture == "qwen2" else "interleaved"
    return ModelConfig(
        **shape,
        **fields.rotary(shape["d_head"]),
        rotary_pairing=pairing,
        norm="rms",
        norm_epsilon=fields.real("attention.layer_norm_rms_epsilon"),
        activation="silu_gated",
        attention_bias=fields.biased("attn_q"),
        output_bias=fields.biased("attn_output"),
        mlp_bias=fields.biased("ffn_up"),
    )


def _gpt2(fields: _Fields) -> ModelConfig:
    return ModelConfig(
        **fields.shape(),
        positions="absolute",
        norm="layer",
        norm_epsilon=fields.real("attention.layer_norm_epsilon"),
        activation="gelu_new",
        attention_bias=True,
        output_bias=True,
        mlp_bias=True,
    )


def _gptneox(fields: _Fields) -> ModelConfig:
    shape = fields.shape()
    return ModelConfig(
        **shape,
        **fields.rotary(shape["d_head"]),
        norm="layer",
        norm_epsilon=fields.real("attention.layer_norm_epsilon"),
        activation="gelu",  # the file does not say; every GPT-NeoX and Pythia model has this one
        parallel_residual=bool(fields.value("use_parallel_residual")),
        attention_bias=True,
        output_bias=True,
        mlp_bias=True,
    )


def weights_of(config: ModelConfig) -> dict[str, Weight]:
    """Every weight of our decoder by name, and where the file has it."""
    found = {"W_E": Weight("token_embd.weight")} | _norm(config, "norm_final", "output_norm")
    if config.positions == "absolute":
        found["W_pos"] = Weight("position_embd.weight")
    if not config.tied_unembedding:
        found["W_U"] = Weight("output.weight", turned=True)
    for number in range(config.layers):
        found |= _layer(config, f"layers.{number}", f"blk.{number}")
    return found


def _layer(config: ModelConfig, ours: str, theirs: str) -> dict[str, Weight]:
    found = _norm(config, f"{ours}.norm_1", f"{theirs}.attn_norm") | _norm(
        config, f"{ours}.norm_2", f"{theirs}.ffn_norm"
    )
    fused = config.norm == "layer"  # GPT-2 and GPT-NeoX keep queries, keys and values as one
    for place, letter in enumerate("QKV"):
        name, part = ("attn_qkv", place) if fused else (f"attn_{letter.lower()}", None)
        found |= _matrix(f"{ours}.attention", letter, f"{theirs}.{name}", config.attention_bias, part)
    found |= _matrix(f"{ours}.attention", "O", f"{theirs}.attn_output", config.output_bias)
    found |= _matrix(f"{ours}.mlp", "in", f"{theirs}.ffn_up", config.mlp_bias)
    found |= _matrix(f"{ours}.mlp", "out", f"{theirs}.ffn_down", config.mlp_bias)
    if config.activation == "silu_gated":
        found |= _matrix(f"{ours}.mlp", "gate", f"{theirs}.ffn_gate", config.mlp_bias)
    return found


def _matrix(ours: str, letter: str, theirs: str, biased: bool, part: int | None = None) -> dict[str, Weight]:
    """Files keep (outputs, inputs), we the other way round."""
    weight = {f"{ours}.W_{letter}": Weight(f"{theirs}.weight", turned=True, part=part)}
    return weight | ({f"{ours}.b_{letter}": Weight(f"{theirs}.bias", part=part)} if biased else {})


def _norm(config: ModelConfig, ours: str, theirs: str) -> dict[str, Weight]:
    kinds = ("weight", "bias") if config.norm == "layer" else ("weight",)
    return {f"{ours}.{kind}": Weight(f"{theirs}.{kind}") for kind in kinds}


ARCHITECTURES: dict[str, Callable[[_Fields], ModelConfig]] = {
    "llama": _llama,
    "qwen2": _llama,
    "gpt2": _gpt2,
    "gptneox": _gptneox,
}
