"""What every file format tells before its weights are read, and the one error that any of them may raise.

Must not import torch: the window lists models before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.model.config import ModelConfig

Report = Callable[[int, int, str], None]
"""Called while a model is opened with steps done, steps in all, and what is being read; it may raise to stop it."""


def quiet(_done: int, _total: int, _what: str) -> None:
    """The report of an opening that nobody watches."""


class ModelFileError(ValueError):
    """A model file that cannot be opened; the message is one line for the user."""


@dataclass(frozen=True)
class Header:
    """What a model's files say of it. `parameters` counts the numbers in the weights, `size` the bytes on disk.

    `stored` names the format and precision for people ("GGUF, Q4_1"); `has_bos` is whether a text can begin with BOS at
    all, `prepends_bos` whether it usually does; `title` and `licence` are "" where the files do not say.
    """

    config: ModelConfig
    parameters: int
    size: int
    stored: str
    has_bos: bool
    prepends_bos: bool
    title: str = ""
    licence: str = ""
