"""Makes the tokenizers of the models that ship: byte-level BPE learned from text, or a fixed list of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from engine.model.tokenizer import Tokenizer
from engine.training.data import TEXT_FOLDER, read_blocks

BOS = "<bos>"
EVERYDAY_REPEATS = 800  # enough for every word of everyday.txt to be merged into one token


def byte_pairs(sources: Mapping[str, int], size: int) -> Tokenizer:
    """Byte-level BPE of `size` pieces, BOS as id 0; `sources` says how often each text is read."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[BOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(_texts(sources), trainer)
    return _finished(backend)


def words(known: Sequence[str]) -> Tokenizer:
    """One token for each known word, words apart by white space; any other word is an error when encoding."""
    backend = Backend(models.WordLevel({BOS: 0} | {word: place for place, word in enumerate(known, 1)}, unk_token=BOS))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _finished(backend)


def _finished(backend: Backend) -> Tokenizer:
    backend.add_special_tokens([BOS])
    return Tokenizer(backend.to_str(), bos=0, prepend_bos=True)


def _texts(sources: Mapping[str, int]) -> Iterator[str]:
    for source, times in sources.items():
        for _ in range(times):
            yield from read_blocks(source, held_out=False)
    everyday = (TEXT_FOLDER / "everyday.txt").read_text(encoding="utf-8").split()
    for _ in range(EVERYDAY_REPEATS):
        yield " " + " ".join(everyday)
