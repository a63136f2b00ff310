"""The fields of a config.json, each asked for by the kind of value that it must hold.

Must not import torch: the window lists models before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.model.loaders.header import ModelFileError

LARGEST_COUNT = 2**31 - 1  # no shape of a model that fits any computer comes near it
LARGEST_NUMBER = 1e15  # nor does any rotary base


class Fields:
    """`name` is the file's, for messages. A field that is null counts as absent, as transformers has it.

    Every method raises ModelFileError when the field is of another kind, or absent without a default.
    """

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self.name, self._values = name, values

    def has(self, field: str) -> bool:
        return self._values.get(field) is not None

    def is_null(self, field: str) -> bool:
        """Whether the field is there and says nothing, for the few that mean something else than their absence."""
        return field in self._values and self._values[field] is None

    def is_object(self, field: str) -> bool:
        return isinstance(self._values.get(field), Mapping)

    def has_parts(self) -> bool:
        return any(isinstance(value, Mapping) for value in self._values.values())

    def count(self, field: str, default: int | None = None, least: int = 1) -> int:
        """A whole number from `least` on: a size of something."""
        value = self._value(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST_COUNT:
            raise self._wrong(field, f"a whole number from {least} to {LARGEST_COUNT:,}")
        return value

    def number(self, field: str, default: float | None = None) -> float:
        """A number above 0 and finite."""
        value = self._value(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST_NUMBER:
            raise self._wrong(field, f"a number between 0 and {LARGEST_NUMBER:.0e}")
        return float(value)

    def flag(self, field: str, default: bool) -> bool:
        value = self._value(field, default)
        if not isinstance(value, bool):
            raise self._wrong(field, "true or false")
        return value

    def text(self, field: str, default: str | None = None) -> str:
        value = self._value(field, default)
        if not isinstance(value, str):
            raise self._wrong(field, "a text")
        return value

    def texts(self, field: str) -> list[str]:
        """A list of texts, empty when absent."""
        value = self._value(field, [])
        if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise self._wrong(field, "a list of texts")
        return value

    def part(self, field: str) -> Fields:
        """An object within, without fields when absent."""
        value = self._value(field, {})
        if not isinstance(value, Mapping):
            raise self._wrong(field, "an object")
        return Fields(f"{field} of {self.name}", value)

    def is_set(self, field: str) -> bool:
        """Whether the field holds more than a way to say no: null, false, 0, a negative number, nothing."""
        value = self._values.get(field)
        if isinstance(value, int | float):
            return value > 0
        return bool(value)

    def _value(self, field: str, default: Any) -> Any:
        value = self._values.get(field)
        if value is None:
            value = default
        if value is None:
            raise ModelFileError(f"{self.name} lacks {field!r}")
        return value

    def _wrong(self, field: str, wanted: str) -> ModelFileError:
        return ModelFileError(f"{self.name} is damaged: {field!r} is not {wanted}")
