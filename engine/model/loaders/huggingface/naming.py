"""How a family of models names and lays out its tensors, and the way from there to ours.

Tensors are moved and transposed, never changed: nothing is folded or centred. Every tensor is translated by itself, so
that a model can be read one tensor at a time, and its shapes be tried on tensors without content.

Must not import torch: the window lists models before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.model.config import ModelConfig
from engine.model.loaders.header import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

Move = Callable[["Tensor", ModelConfig], tuple["Tensor", ...]]


@dataclass(frozen=True)
class Rule:
    """What becomes of one of their tensors: the names of ours, and the function that makes them."""

    ours: tuple[str, ...]
    move: Move


def kept(ours: str) -> Rule:
    return Rule((ours,), lambda x, _config: (x,))


def turned(ours: str) -> Rule:
    """From (outputs, inputs) to our (inputs, outputs)."""
    return Rule((ours,), lambda x, _config: (x.t(),))


@dataclass(frozen=True)
class Naming:
    """The tensors of one family.

    `whole` are the tensors outside the layers, `each` those of every layer, and `layer` is the word before its number.
    `prefix` stands before the names in files of the full model, and is missing in files of the bare decoder. `buffers`
    hold no weights, but masks and tables, which our decoder makes itself.
    """

    prefix: str
    layer: str
    whole: Mapping[str, Rule]
    each: Mapping[str, Rule]
    buffers: frozenset[str] = frozenset()

    def rule(self, name: str) -> Rule:
        """Raises ValueError for a tensor that our decoder would leave out."""
        number, rest = self._parts(name)
        if rest in self.buffers:
            return Rule((), lambda _x, _config: ())
        known = self.whole.get(rest) if number is None else self.each.get(rest)
        if known is None:
            raise ValueError(f"it has the weights {name[:80]!r}, which our decoder would leave out")
        if number is None:
            return known
        return Rule(tuple(f"layers.{number}.{ours}" for ours in known.ours), known.move)

    def ours(self, name: str, config: ModelConfig) -> tuple[str, ...]:
        """What a tensor becomes: nothing if it is a buffer or repeats the embedding. Raises ValueError like `rule`."""
        ours = self.rule(name).ours
        return () if config.tied_unembedding and ours == ("W_U",) else ours

    def layers(self, names: Iterable[str]) -> int:
        """How many layers tensors of these names belong to."""
        return 1 + max((number for number, _ in map(self._parts, names) if number is not None), default=-1)

    def translated(self, name: str, tensor: Tensor, config: ModelConfig) -> dict[str, Tensor]:
        """Our tensors by our names, as views of theirs. Raises ValueError when it cannot be cut into them."""
        rule = self.rule(name)
        try:
            made = dict(zip(rule.ours, rule.move(tensor, config), strict=True))
        except ModelFileError:
            raise
        except (RuntimeError, IndexError, ValueError):
            raise ValueError(
                f"its weights {name} of shape {tuple(tensor.shape)} do not fit its configuration"
            ) from None
        return {part: made[part] for part in self.ours(name, config)}

    def _parts(self, name: str) -> tuple[int | None, str]:
        """The number of the layer, None outside the layers, and the rest of the name."""
        bare = name.removeprefix(self.prefix)
        word, _, rest = bare.partition(".")
        number, _, rest = rest.partition(".")
        if word == self.layer and number.isdecimal() and len(number) < 10:
            return int(number), rest
        return None, bare


def fitted(
    title: str,
    config: ModelConfig,
    naming: Naming,
    theirs: Mapping[str, Tensor],
    given: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Every tensor of `theirs` as ours, views, and those `given` by our names.

    Raises ModelFileError when they are not all that the model needs, or more, or of other shapes. Tensors without
    content (torch's meta device) show before anything is read whether the model will fit.
    """
    ours = dict(given or {})
    problem = None
    try:
        for name, tensor in theirs.items():
            found = naming.translated(name, tensor, config)
            problem = problem or next((f"it has the weights {name} twice" for part in found if part in ours), None)
            ours |= found
    except ValueError as error:
        problem = str(error)
    problem = problem or _misfit(config, {name: tuple(tensor.shape) for name, tensor in ours.items()})
    if problem:
        raise ModelFileError(f"{title} cannot be read: {problem}")
    return ours


def _misfit(config: ModelConfig, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """What is wrong with our tensors' shapes, by name, for a model of that configuration, of which nothing is made."""
    import torch

    from engine.model.transformer import Transformer

    try:
        with torch.device("meta"):
            wanted = {name: tuple(x.shape) for name, x in Transformer(config).state_dict().items()}
    except RuntimeError:
        return "its configuration claims sizes that no model has"
    for name, shape in wanted.items():
        if name not in shapes:
            return f"it lacks the weights {name}"
        if shapes[name] != shape:
            return f"its weights {name} are {shapes[name]} where its configuration says {shape}"
    strange = next((name for name in shapes if name not in wanted), None)
    return f"it has the weights {strange}, which its configuration does not mention" if strange else None
