"""The logits of an attention-only model as a sum over paths from the embedding to the unembedding.

Direct path, one term for each head, one for each chain of heads in rising layers (a virtual head: the product of the
patterns moves, the product of the OV circuits transforms). With the true patterns of a run the sum is exact
(Elhage et al. 2021, "path expansion"). Norms and MLPs are not linear, so models that have them are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef, ModelConfig
from engine.model.taps import Capture, chain
from engine.model.transformer import Tap, Transformer, untapped

Path = tuple[HeadRef, ...]


@dataclass(frozen=True)
class PathExpansion:
    """The logits of chosen tokens at one position, path by path.

    sources[n] and paths[n] say where term n comes from ("embed", "pos", "bias.0") and through which heads, earliest
    first; terms (N, K) are its logits, measured (K) those of the run, remainder (K) = measured - sum: rounding alone.
    """

    sources: tuple[str, ...]
    paths: tuple[Path, ...]
    terms: Tensor
    measured: Tensor

    @property
    def remainder(self) -> Tensor:
        return self.measured - self.terms.sum(0)

    def containing(self, head: HeadRef) -> Tensor:
        """(K): the sum of every term that goes through a head, which is what pattern-preserving ablation removes."""
        return self.terms[[head in path for path in self.paths]].sum(0)


def expand(model: Transformer, tokens: Tensor, position: int, targets: Tensor, tap: Tap = untapped) -> PathExpansion:
    """Every path to the logits of `targets` (K) token ids at `position` of one prompt, tokens (1, T).

    `tap` are interventions in force during the run: their patterns are used as they are. There are
    sources x (1 + H)^layers paths, each (T, d) while it is followed: raises TooLarge where they exceed the budget,
    ValueError for a model with norms or MLPs.
    """
    check(model.config)
    kept = Capture(lambda name: name.endswith(".pattern") or name in ("embed", "pos", "logits"))
    model(tokens, chain(tap, kept))
    budget.require(_memory(model.config, tokens.shape[1], kept.kept["embed"].element_size()), "a full path expansion")
    reading = model.unembedding[:, targets]  # (d, K)
    found = [(source, path, x[position] @ reading) for source, path, x in _paths(model, kept.kept)]
    return PathExpansion(
        sources=tuple(source for source, _, _ in found),
        paths=tuple(path for _, path, _ in found),
        terms=torch.stack([term for _, _, term in found]),  # (N, K)
        measured=kept.kept["logits"][0, position, targets],
    )


def check(config: ModelConfig) -> None:
    """Raises ValueError for what is not linear between patterns."""
    for present, what in ((config.d_mlp > 0, "MLPs"), (config.norm != "none", "norms")):
        if present:
            raise ValueError(
                f"an exact path expansion needs an attention-only model without norms, and this one has {what}: "
                "use logit attribution"
            )


def _paths(model: Transformer, kept: dict[str, Tensor]) -> Iterator[tuple[str, Path, Tensor]]:
    """(source, heads passed, what arrives in the last stream (T, d)), the paths of one source after the other."""
    view, config = Weights(model), model.config
    starts = [("embed", 0, kept["embed"][0])]
    if config.positions == "absolute":
        starts.append(("pos", 0, kept["pos"][0]))
    for number in range(config.layers):
        bias = view.output_bias(number)  # (d); value biases are in it
        if bias.any():
            starts.append((f"bias.{number}", number + 1, bias.expand_as(kept["embed"][0])))
    for source, first, x in starts:
        arriving: list[tuple[Path, Tensor]] = [((), x)]
        for number in range(first, config.layers):
            heads, pattern = view.layer(number), kept[f"{number}.pattern"][0]  # (H, T, T)
            arriving += [
                ((*path, HeadRef(number, head)), moved)
                for path, carried in arriving
                for head, moved in enumerate(pattern @ (carried @ heads.W_V) @ heads.W_O)  # (H, T, d)
            ]
        for path, carried in arriving:
            yield source, path, carried


def _memory(config: ModelConfig, length: int, size: int) -> int:
    return (1 + config.heads) ** config.layers * length * config.d_model * size
