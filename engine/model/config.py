"""The shape of a decoder, as plain values: what may vary between the models that Headscope opens.

Must not import torch: the window reads configurations before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

Positions = Literal["absolute", "shortformer", "rotary", "alibi", "none"]
RotaryPairing = Literal["half", "interleaved"]
Norm = Literal["none", "layer", "rms"]
Activation = Literal["none", "gelu_new", "gelu", "silu_gated"]


class HeadRef(NamedTuple):
    """One attention head, both indices from 0; written `layer.head`, as in the literature."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.head}"

    @classmethod
    def parse(cls, text: str) -> HeadRef:
        """Read `1.3`. Raises ValueError with a line for the user when the text is not of that form."""
        layer, dot, head = text.partition(".")
        if not (dot and layer.isdecimal() and head.isdecimal()):
            raise ValueError(f"a head is written layer.head, for example 1.3, not {text!r}")
        return cls(int(layer), int(head))


@dataclass(frozen=True)
class ModelConfig:
    """Shapes and choices of one decoder.

    `d_mlp` 0 means attention-only. `rotary_dim` is the number of leading head dimensions that rotate.
    `positions` "shortformer" adds the position embedding to the inputs of queries and keys only
    (Press et al. 2021), so that no position ever enters the residual stream; "alibi" lowers scores by distance
    (Press et al. 2022).
    """

    layers: int
    heads: int
    kv_heads: int
    d_model: int
    d_head: int
    vocabulary: int
    context: int
    d_mlp: int = 0
    positions: Positions = "shortformer"
    rotary_pairing: RotaryPairing = "half"
    rotary_base: float = 10_000.0
    rotary_dim: int = 0
    norm: Norm = "none"
    norm_epsilon: float = 1e-5
    activation: Activation = "none"
    parallel_residual: bool = False
    tied_unembedding: bool = False
    attention_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ValueError(f"this model's configuration is inconsistent: {problem}")

    def _problem(self) -> str | None:
        sizes = ("layers", "heads", "kv_heads", "d_model", "d_head", "vocabulary", "context")
        small = [name for name in sizes if getattr(self, name) < 1]
        if small:
            return f"{small[0]} must be at least 1"
        if self.heads % self.kv_heads:
            return f"{self.heads} heads cannot share {self.kv_heads} key-value heads"
        if self.positions == "rotary" and not (0 < self.rotary_dim <= self.d_head and self.rotary_dim % 2 == 0):
            return f"rotary_dim {self.rotary_dim} must be even and between 2 and d_head {self.d_head}"
        if bool(self.d_mlp) != (self.activation != "none"):
            return "d_mlp and activation must be given together"
        return None

    @property
    def all_heads(self) -> tuple[HeadRef, ...]:
        """Every head, layer by layer."""
        return tuple(HeadRef(layer, head) for layer in range(self.layers) for head in range(self.heads))

    def require_heads(self, heads: Iterable[HeadRef]) -> None:
        """Raises ValueError, in one line, for a head that the model does not have."""
        for layer, head in heads:
            if not (0 <= layer < self.layers and 0 <= head < self.heads):
                raise ValueError(
                    f"there is no head {layer}.{head}: this model has layers 0 to {self.layers - 1} "
                    f"with heads 0 to {self.heads - 1}"
                )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Raises ValueError, in one line, on unknown, missing or inconsistent fields."""
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"this model's configuration cannot be read: {error}") from None
