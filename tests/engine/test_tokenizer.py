"""Every token is shown as a person would read it, and nothing typed is mistaken for a special token."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from engine.model.tokenizer import BOS_TEXT, PromptError, Tokenizer


def byte_level() -> Tokenizer:
    """BPE with few merges, so that a character of several bytes is several tokens."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=270, special_tokens=["<bos>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(["the keeper told the keeper"] * 9, trainer)
    return Tokenizer(backend.to_str(), bos=0, prepend_bos=True)


def words() -> Tokenizer:
    backend = Backend(models.WordLevel({"<bos>": 0, "cat": 1, "dog": 2}, unk_token="<bos>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(["<bos>"])
    return Tokenizer(backend.to_str(), bos=0, prepend_bos=True)


BYTES = byte_level()


def test_that_bos_comes_first_unless_it_is_not_wanted() -> None:
    assert BYTES.encode("the")[0] == 0
    assert BYTES.encode("the", bos=True) == BYTES.encode("the") == [0, *BYTES.encode("the", bos=False)]
    without = Tokenizer(BYTES.definition, bos=None, prepend_bos=True)
    assert without.encode("the", bos=True) == BYTES.encode("the", bos=False)


def test_that_a_character_of_several_tokens_stands_whole_in_the_first() -> None:
    ids = BYTES.encode("a😀é", bos=False)
    assert len(ids) == 7
    assert BYTES.texts(ids) == ["a", "😀", "", "", "", "é", ""]


def test_that_lone_bytes_show_as_bytes() -> None:
    grin = BYTES.encode("😀", bos=False)
    assert BYTES.texts(grin[:2]) == ["‹F0›‹9F›", ""]
    assert BYTES.texts([grin[0], *BYTES.encode("the", bos=False)]) == ["‹F0›", "the"]
    assert BYTES.texts([grin[2]]) == ["‹98›"]
    assert BYTES.token_text(grin[0]) == "‹F0›"


def test_that_bos_between_bytes_ends_the_character() -> None:
    grin = BYTES.encode("😀", bos=False)
    assert BYTES.texts([grin[0], 0, *grin]) == ["‹F0›", BOS_TEXT, "😀", "", "", ""]


def test_that_special_text_in_a_prompt_is_plain_text() -> None:
    ids = BYTES.encode("the <bos> the")
    assert ids.count(0) == 1
    assert "".join(BYTES.texts(ids[1:])) == "the <bos> the"


@settings(deadline=None)
@given(st.text())
def test_that_the_tokens_spell_the_prompt(text: str) -> None:
    ids = BYTES.encode(text)
    texts = BYTES.texts(ids)
    assert len(texts) == len(ids)
    assert "".join(texts[1:]) == text


@settings(deadline=None)
@given(st.lists(st.integers(0, 269), max_size=12))
def test_that_any_tokens_at_all_can_be_shown(ids: list[int]) -> None:
    texts = BYTES.texts(ids)
    assert len(texts) == len(ids)
    assert not any("\ufffd" in text or "\udc80" <= character <= "\udcff" for text in texts for character in text)


def test_that_random_probes_draw_from_everything_but_special_tokens() -> None:
    assert BYTES.special == {0}
    assert BYTES.ordinary == tuple(range(1, 270))
    assert BYTES.size == 270


@pytest.mark.parametrize("text", ["cat bird", "cat <bos>", "😀"])
def test_that_an_unknown_word_is_named_in_one_line(text: str) -> None:
    assert words().encode("cat  dog\ncat") == [0, 1, 2, 1]
    with pytest.raises(PromptError, match=f"{text.split()[-1]}.*cat dog") as refused:
        words().encode(text)
    assert "\n" not in str(refused.value)
