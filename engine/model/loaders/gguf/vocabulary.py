"""The tokenizer inside a GGUF file as a `tokenizers` definition: byte-level pieces, or SentencePiece's with scores.

Must not import torch. Chat templates and other texts in the file are never run.
"""

from __future__ import annotations

import json
from typing import Any

from engine.model.loaders.gguf.file import GGUFHeader, Texts
from engine.model.loaders.header import ModelFileError

UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 2, 3, 4, 5  # types of tokens; 1 is normal, 6 a byte
SPECIAL = (UNKNOWN, CONTROL, UNUSED)
SPACE = "▁"  # how SentencePiece writes it

Cuts = list[dict[str, Any]]


def _byte_level(use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _words(numbers: str) -> Cuts:
    """Words of all scripts, with `numbers` as the pattern for digits."""
    pattern = (
        rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return [split, _byte_level(use_regex=False)]


GPT2_WORDS = _byte_level(use_regex=True)
WHOLE_WORDS_FIRST = ("llama-bpe", "llama3", "llama-v3")  # and a word that is a piece is not cut
FAMILIES: tuple[tuple[tuple[str, ...], Cuts], ...] = (
    (("gpt-2", "gpt-neox", "olmo", "mpt", "phi-2"), [GPT2_WORDS]),
    (("smollm", "starcoder", "refact", "command-r"), [{"type": "Digits", "individual_digits": True}, GPT2_WORDS]),
    (WHOLE_WORDS_FIRST, _words(r"\p{N}{1,3}")),
    (("qwen2", "stablelm2", "deepseek-r1-qwen"), _words(r"\p{N}")),
)
# how a text is cut into words before pieces are joined, by the names that files give
CUTS = {name: cuts for names, cuts in FAMILIES for name in names}
COMPOSED = ("gpt-neox", "qwen2", "deepseek-r1-qwen")  # accents are joined with their letters first (NFC)


def prepends_bos(header: GGUFHeader) -> bool:
    """What the file says; where it is silent, SentencePiece models begin with BOS and others do not."""
    usual = header.get("tokenizer.ggml.model", str) == "llama"
    return bool(header.get("tokenizer.ggml.add_bos_token", bool, usual)) and bos(header) is not None


def bos(header: GGUFHeader) -> int | None:
    """The id of the token that may begin a text; None where the file names none that exists."""
    number, tokens = header.get("tokenizer.ggml.bos_token_id", int), header.require("tokenizer.ggml.tokens", Texts)
    return number if number is not None and 0 <= number < tokens.count else None


def tokenizer_fields(header: GGUFHeader) -> tuple[str, int | None, bool]:
    """Definition (JSON text), BOS (id or None), whether it comes first. Raises ModelFileError."""
    kind = header.require("tokenizer.ggml.model", str)
    texts = _texts(header, "tokens")
    types = header.get("tokenizer.ggml.token_type", list, [])
    if kind not in ("gpt2", "llama"):
        raise ModelFileError(f"{header.name} cannot be read: tokenizers of kind {kind[:40]!r} are not supported")
    if not texts or (types and len(types) != len(texts)):
        raise ModelFileError(f"{header.name} is damaged: its tokens and their types do not agree")
    vocabulary = {text: number for number, text in enumerate(texts)}
    if len(vocabulary) != len(texts):
        vocabulary = _distinct(texts)
    made = _byte_pieces(header, vocabulary) if kind == "gpt2" else _sentence_pieces(header, vocabulary, texts)
    added = [
        _added(number, texts[number], kind) for number, kind in enumerate(types) if kind in (*SPECIAL, USER_DEFINED)
    ]
    definition = json.dumps({"version": "1.0", "added_tokens": added, **made})
    return definition, bos(header), prepends_bos(header)


def _texts(header: GGUFHeader, key: str) -> list[str]:
    found = header.require(f"tokenizer.ggml.{key}", Texts)
    return list(found.read())


def _distinct(texts: list[str]) -> dict[str, int]:
    """Padding tokens may share their text; every id needs one of its own."""
    found: dict[str, int] = {}
    for number, text in enumerate(texts):
        found[text if text not in found else f"{text} ‹{number}›"] = number
    return found


def _added(number: int, text: str, kind: int) -> dict[str, Any]:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": text, "special": kind in SPECIAL, **plain}


def _byte_pieces(header: GGUFHeader, vocabulary: dict[str, int]) -> dict[str, Any]:
    usual = "gpt-2" if header.values.get("general.architecture") == "gpt2" else None
    family = header.get("tokenizer.ggml.pre", str, usual)
    family = usual if family == "default" else family
    if family not in CUTS:
        raise ModelFileError(
            f"{header.name} cannot be read: how its tokenizer cuts text into words ({str(family)[:40]!r}) is not known"
        )
    pairs = _texts(header, "merges")
    if any(pair.count(" ") != 1 for pair in pairs):
        raise ModelFileError(f"{header.name} is damaged: its tokenizer's merges cannot be read")
    model = {"type": "BPE", "vocab": vocabulary, "merges": pairs, "ignore_merges": family in WHOLE_WORDS_FIRST}
    return {
        "normalizer": {"type": "NFC"} if family in COMPOSED else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": CUTS[family]},
        "decoder": GPT2_WORDS,
        "model": model,
    }


def _sentence_pieces(header: GGUFHeader, vocabulary: dict[str, int], texts: list[str]) -> dict[str, Any]:
    scores = header.require("tokenizer.ggml.scores", list)
    if len(scores) != len(texts):
        raise ModelFileError(f"{header.name} is damaged: its tokens and their scores do not agree")
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prefixed = header.get("tokenizer.ggml.add_space_prefix", bool, True)
    normalizers = [{"type": "Prepend", "prepend": SPACE}, replace] if prefixed else [replace]
    unknown = header.get("tokenizer.ggml.unknown_token_id", int, 0)
    if not 0 <= unknown < len(texts):
        raise ModelFileError(f"{header.name} is damaged: its unknown token does not exist")
    model = {
        "type": "BPE",
        "vocab": vocabulary,
        "merges": _merges(vocabulary, scores),
        "unk_token": texts[unknown],
        "fuse_unk": True,
        "byte_fallback": True,
    }
    decoders = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}]
    return {
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": [*decoders, {"type": "Fuse"}]},
        "model": model,
    }


def _merges(vocabulary: dict[str, int], scores: list[float]) -> list[list[str]]:
    """SentencePiece joins whichever neighbours make the piece of the best score: all ways to make one, best first."""
    found = [
        (score, -len(left), left, text[len(left) :])
        for (text, number), score in zip(vocabulary.items(), scores, strict=True)
        for left in (text[:cut] for cut in range(1, len(text)))
        if left in vocabulary and text[len(left) :] in vocabulary
    ]
    found.sort(key=lambda way: (-way[0], way[1]))
    return [[left, right] for _, _, left, right in found]
