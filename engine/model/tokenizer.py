"""Text to token ids and back, with every token shown as a person would read it.

Wraps a `tokenizers` tokenizer held as JSON text, so that it can live inside a model file. Characters that span
several tokens are joined: the first token carries the character, the others carry no text. Byte-level pieces write
every byte as a printable character; SentencePiece's write a space as ▁ and a byte without a piece as <0xF0>.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from tokenizers import Tokenizer as Backend

BOS_TEXT = "⟨bos⟩"
FEW = 100  # tokens that a message can list
SPACE, BYTE = "▁", re.compile(r"<0x([0-9A-F]{2})>")


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

    @cached_property
    def _ids(self) -> tuple[int, ...]:
        """Every id that a token has, in order; a vocabulary may have gaps."""
        return tuple(sorted(self._backend.get_vocab(with_added_tokens=True).values()))

    @property
    def size(self) -> int:
        """One more than the largest id: how long an embedding must be."""
        return self._ids[-1] + 1 if self._ids else 0

    @cached_property
    def special(self) -> frozenset[int]:
        """Ids that stand for no text, such as BOS."""
        added = self._backend.get_added_tokens_decoder()
        return frozenset(number for number, token in added.items() if token.special)

    @cached_property
    def ordinary(self) -> tuple[int, ...]:
        """Every id that stands for text, in order: what random probes are drawn from."""
        if not self._sentence_pieces:
            return tuple(number for number in self._ids if number not in self.special)
        texts = ((number, self._backend.id_to_token(number) or "") for number in self._ids)
        return tuple(number for number, text in texts if number not in self.special and not BYTE.fullmatch(text))

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
        if len(self.ordinary) > FEW:
            return f"this model does not know {word[:40]!r}: leave it out"
        known = " ".join(self._backend.id_to_token(number) or "" for number in self.ordinary)
        return f"this model does not know {word[:40]!r}; it reads only: {known}"

    def texts(self, ids: Sequence[int]) -> list[str]:
        """The text of every token, in order; together they spell the prompt. Bytes of no character show as ‹F0›."""
        texts = self._joined(ids)
        first = next((place for place, number in enumerate(ids) if number not in self.special), None)
        if self._prefixes_a_space and first is not None:
            texts[first] = texts[first].removeprefix(" ")  # nobody typed it
        return texts

    def _joined(self, ids: Sequence[int]) -> list[str]:
        if not self._spells_bytes or all(self._is_whole(number) for number in ids):
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
            plain = number in self.special or not self._spells_bytes
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
        text = self._backend.id_to_token(number) or ""
        if not self._sentence_pieces:
            return bytes(BYTE_OF_CHARACTER[character] for character in text)
        byte = BYTE.fullmatch(text)
        return bytes([int(byte[1], 16)]) if byte else text.replace(SPACE, " ").encode()

    @cached_property
    def _spells_bytes(self) -> bool:
        return self._sentence_pieces or self._has("type", "ByteLevel")

    @cached_property
    def _sentence_pieces(self) -> bool:
        return self._has("type", "ByteFallback") or self._has("type", "Metaspace")

    @cached_property
    def _prefixes_a_space(self) -> bool:
        first = self._has("prepend_scheme", "first") or self._has("prepend_scheme", "always")
        return self._sentence_pieces and (first or self._has("prepend", SPACE))

    def _has(self, field: str, value: str) -> bool:
        """Whether a stage says so. The text is not parsed for it: inside a token, quotation marks would be escaped."""
        return re.search(rf'"{field}":\s*"{value}"', self._stages) is not None

    @cached_property
    def _stages(self) -> str:
        """The definition with ▁ as itself, however it was written."""
        return self.definition.replace("\\u2581", SPACE)


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
