"""What the engine thread works on: the model that is open and the runs it remembers. Importing it does not
load torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.work.recent import RecentRuns
from engine.work.results import ModelInfo

if TYPE_CHECKING:
    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer


@dataclass(frozen=True)
class OpenModel:
    info: ModelInfo
    model: Transformer
    tokenizer: Tokenizer


class NoModelError(ValueError):
    """Something was asked of a model before one was opened."""


@dataclass
class EngineState:
    """Belongs to one thread. `recent` is keyed by the model's hash and the request."""

    opened: OpenModel | None
    recent: RecentRuns

    def require(self) -> OpenModel:
        if self.opened is None:
            raise NoModelError("no model is open: open one first")
        return self.opened
