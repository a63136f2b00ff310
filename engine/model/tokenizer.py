"""Text to token ids and back, with every token shown as a person would read it.

Wraps a `tokenizers` tokenizer held as JSON text, so that it can live inside a model file. Characters that span
several tokens are joined: the first token carries the character, the others carry no text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property

from tokenizers import Tokenizer as Backend

BOS_TEXT = "⟨bos⟩"


class PromptError(ValueError):
    """The prompt cannot be read by this model; the message is one line for the user."""


class Tokenizer:
    """Ids exclude the beginning-of-sequence token (BOS) unless it is asked for.

    `bos` is its id, or None for a model without one; `prepend_bos` is what the model's file says is usual.
    """

    def __init__(self, definition: str, bos: int | None, prepend_bos: bool) -> None:
        self.definition = definition
        self.bos = bos
        self.prepend_bos = prepend_bos and bos is not None
        self._backend = Backend.from_str(definition)
        self._shown: dict[int, str] = {}
        self._whole: dict[int, bool] = {}
        # Text that spells a special token is text: only `encode` puts BOS into a prompt.
        self._backend.encode_special_tokens = True

    @property
    def size(self) -> int:
        return self._backend.get_vocab_size(with_added_tokens=True)

    @cached_property
    def special(self) -> frozenset[int]:
        """Ids that stand for no text, such as BOS."""
        added = self._backend.get_added_tokens_decoder()
        return frozenset(number for number, token in added.items() if token.special)

    @cached_property
    def ordinary(self) -> tuple[int, ...]:
        """Every id that stands for text, in order: what random probes are drawn from."""
        return tuple(number for number in range(self.size) if number not in self.special)

    def encode(self, text: str, bos: bool | None = None) -> list[int]:
        """Token ids of `text`; `bos` None does what the model's file says. Raises PromptError on unknown words.

        Text that happens to spell a special token is read as plain text.
        """
        encoding = self._backend.encode(text, add_special_tokens=False)
        strange = next(
            (span for number, span in zip(encoding.ids, encoding.offsets, strict=True) if number in self.special), None
        )
        if strange is not None:
            raise PromptError(self._unknown(text[slice(*strange)]))
        first = [self.bos] if (self.prepend_bos if bos is None else bos) and self.bos is not None else []
        return first + list(encoding.ids)

    def _unknown(self, word: str) -> str:
        known = " ".join(self._backend.id_to_token(number) or "" for number in self.ordinary)
        return f"this model does not know {word[:40]!r}; it reads only: {known}"

    def texts(self, ids: Sequence[int]) -> list[str]:
        """The text of every token, in order; together they spell the prompt. Bytes of no character show as ‹F0›."""
        if not self._byte_level or all(self._is_whole(number) for number in ids):
            return [self.token_text(number) for number in ids]
        texts, pending = [""] * len(ids), b""
        start = 0
        for place, number in enumerate(ids):
            if number in self.special:
                texts[place] = self._single(number)
                continue
            pending = pending + self._bytes(number) if pending else self._bytes(number)
            start = start if len(pending) > len(self._bytes(number)) else place
            if _complete(pending) or not self._continues(ids, place):
                texts[start], pending = _readable(pending), b""
        return texts

    def _continues(self, ids: Sequence[int], place: int) -> bool:
        """Whether the next token goes on with the character that this one left unfinished."""
        following = ids[place + 1] if place + 1 < len(ids) else None
        if following is None or following in self.special:
            return False
        return 0x80 <= self._bytes(following)[0] < 0xC0

    def token_text(self, number: int) -> str:
        """One token by itself, as shown in a list of predictions."""
        if number not in self._shown:  # asked for every position of every run
            plain = number in self.special or not self._byte_level
            self._shown[number] = self._single(number) if plain else _readable(self._bytes(number))
        return self._shown[number]

    def _is_whole(self, number: int) -> bool:
        """Whether the token stands for itself: it begins and ends with a character."""
        if number not in self._whole:
            self._whole[number] = number in self.special or _complete(self._bytes(number))
        return self._whole[number]

    def _single(self, number: int) -> str:
        return BOS_TEXT if number == self.bos else (self._backend.id_to_token(number) or f"‹{number}›")

    def _bytes(self, number: int) -> bytes:
        return bytes(BYTE_OF_CHARACTER[character] for character in self._backend.id_to_token(number) or "")

    @cached_property
    def _byte_level(self) -> bool:
        definition = json.loads(self.definition)
        stages = [definition.get("pre_tokenizer") or {}, definition.get("decoder") or {}]
        stages += stages[0].get("pretokenizers", []) + stages[1].get("decoders", [])
        return any(stage.get("type") == "ByteLevel" for stage in stages)


def _complete(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _readable(text: bytes) -> str:
    """UTF-8 text, the bytes that make no character as ‹F0›."""
    readable = text.decode("utf-8", errors="surrogateescape")
    return "".join(f"‹{ord(c) - 0xDC00:02X}›" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in readable)


def _byte_characters() -> dict[str, int]:
    """Byte-level BPE writes every byte as a printable character: itself, or one from U+0100 on (GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return table | {chr(0x100 + place): byte for place, byte in enumerate(others)}


BYTE_OF_CHARACTER = _byte_characters()
