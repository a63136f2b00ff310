"""Answers of the shape the engine gives, made up from the words of the prompt: an idealised two-layer model.

Head 0.0 looks at the token before, heads 1.0 and 1.3 at what followed an earlier copy, the others spread out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.model.config import HeadRef, ModelConfig
from engine.work.requests import Prompt, removing
from engine.work.results import (
    Analysis,
    Behaviour,
    Comparison,
    HeadDetail,
    HeadScores,
    MatcherGuess,
    ModelInfo,
    Prediction,
    RoleScores,
    Token,
)

SAMPLE = "The lantern keeper Orla hums a tune. At dusk the lantern keeper"
ORDINARY = (" of", " and", " the", " is", " a", " to", " in", ",", ".")
LAYERS, HEADS = 2, 4


def model_info(name: str = "default", heads: int = HEADS) -> ModelInfo:
    return ModelInfo(
        name=name,
        title=Path(name).stem,
        kind="trained",
        path=name if Path(name).is_absolute() else f"resources/models/{name}",
        config=ModelConfig(
            layers=LAYERS, heads=heads, kv_heads=heads, d_model=128, d_head=32, vocabulary=4096, context=128
        ),
        parameters=1_300_000,
        licence="MIT",
        hash=f"hash-of-{name}",
        summary="two layers, attention only",
        size=9_500_000,
        memory=20_000_000,
        stored="Headscope, F32",
        ships=not Path(name).is_absolute(),
    )


def words(text: str) -> list[str]:
    """Words with their leading space; the full stop stands by itself."""
    pieces = [piece for piece in text.replace(".", " .").split(" ") if piece]
    return [piece if place == 0 or piece == "." else f" {piece}" for place, piece in enumerate(pieces)]


def tokens_of(prompt: Prompt) -> tuple[Token, ...]:
    if prompt.repeat is not None:
        draw = np.random.default_rng(prompt.repeat.seed).permutation(500)[: prompt.repeat.length]
        texts = [f" w{number}" for number in draw] * 2
    else:
        texts = words(prompt.text)
    texts = texts if prompt.bos is False else ["⟨bos⟩", *texts]
    return tuple(Token(place, number_of(text), text) for place, text in enumerate(texts))


def number_of(text: str) -> int:
    """A token's id, the same in every run."""
    return sum((place + 7) * ord(character) for place, character in enumerate(text.lower())) % 4096


def sources_after_copies(tokens: tuple[Token, ...], destination: int) -> list[int]:
    here = tokens[destination].id
    return [place + 1 for place in range(destination) if tokens[place].id == here]


def patterns_of(tokens: tuple[Token, ...], ablated: tuple[HeadRef, ...], heads: int) -> NDArray[np.float16]:
    """(L, H, T, T), rows that sum to one."""
    count = len(tokens)
    noise = np.random.default_rng(1).uniform(0.0, 1.0, (LAYERS, heads, count, count))
    weights = np.tril(0.3 * noise / np.arange(1, count + 1)[:, None])
    weights[1, :, :, 0] += 3.0
    weights[0, 1:, :, 0] += 0.6
    previous_works = HeadRef(0, 0) not in ablated
    for row in range(count):
        weights[0, 0, row, max(row - 1, 0)] += 6.0
        weights[0, heads - 1, row, max(row - 2, 0) : row + 1] += 0.4
        found = sources_after_copies(tokens, row)
        for head in (0, heads - 1):
            for source in found if previous_works else ():
                weights[1, head, row, source] += 26.0 / (1 + head % 2)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float16)


def thumbnails_of(patterns: NDArray[np.float16]) -> NDArray[np.uint8]:
    return (255 * patterns.astype(np.float32) ** 0.7).round().astype(np.uint8)


def analysis_of(prompt: Prompt, ablated: tuple[HeadRef, ...] = (), model: ModelInfo | None = None) -> Analysis:
    model = model or model_info()
    tokens = tokens_of(prompt)
    patterns = patterns_of(tokens, ablated, model.heads)
    without_first = patterns.copy()
    without_first[..., 0] = 0
    count = len(tokens)
    stripe = np.zeros((count, count), dtype=bool)
    for row in range(count):
        stripe[row, sources_after_copies(tokens, row)] = True
    losses = np.where(stripe.any(axis=1), 0.4, 6.5).astype(np.float32)
    losses = np.roll(losses, 1)
    losses[0] = np.nan
    found = sources_after_copies(tokens, count - 1)
    guesses = tuple(MatcherGuess(tokens[s].id, tokens[s].text, 1, (s,)) for s in found[:1])
    return Analysis(
        model=model,
        prompt=prompt,
        tokens=tokens,
        losses=losses,
        log_chances=log_chances_of(predictions_of(tokens, ablated), model.vocabulary),
        predictions=predictions_of(tokens, ablated),
        position_predictions=tuple(Prediction(token.id, token.text, 0.3, 2.0) for token in tokens),
        matcher=guesses,
        patterns=patterns,
        thumbnails=thumbnails_of(patterns),
        thumbnails_without_first=thumbnails_of(without_first),
        stripe=stripe,
        interventions=removing(ablated),
    )


def predictions_of(tokens: tuple[Token, ...], ablated: tuple[HeadRef, ...]) -> tuple[Prediction, ...]:
    found = sources_after_copies(tokens, len(tokens) - 1)
    rows = [Prediction(number_of(text), text, 0.02 / (1 + place), 1.0) for place, text in enumerate(ORDINARY)]
    if found:
        copied = tokens[found[0]]
        broken = {HeadRef(0, 0), HeadRef(1, 3), HeadRef(1, 0)} & set(ablated)
        rows.append(Prediction(copied.id, copied.text, 0.09 if broken else 0.88, 7.0))
    return tuple(sorted(rows, key=lambda row: -row.probability)[:10])


def log_chances_of(predictions: tuple[Prediction, ...], vocabulary: int) -> NDArray[np.float32]:
    """(V), what the listed tokens leave shared by all others."""
    rest = max(1.0 - sum(row.probability for row in predictions), 1e-3)
    chances = np.full(vocabulary, rest / vocabulary, np.float32)
    for row in predictions:
        chances[row.id] = row.probability
    return np.log(chances)


def comparison_of(prompt: Prompt, other: Prompt, ablated: tuple[HeadRef, ...], model: ModelInfo) -> Comparison:
    """Position by position, as far as the shorter one reaches."""
    first, second = analysis_of(prompt, ablated, model), analysis_of(other, ablated, model)
    count = min(len(first.tokens), len(second.tokens))
    gap = first.patterns[..., :count, :count].astype(np.float32) - second.patterns[..., :count, :count]
    scores = role_scores_of(model).heads
    return Comparison(
        first=first,
        second=second,
        aligned=tuple((place, place) for place in range(count)),
        moved=np.abs(gap).sum(-1).mean(-1).astype(np.float64) / 2,
        thumbnails=(128 + np.sign(gap) * np.abs(gap) ** 0.7 * 127).astype(np.uint8),
        first_scores=scores,
        second_scores=scores,
    )


def behaviour_of(prompt: Prompt, destination: int | None, model: ModelInfo | None = None) -> Behaviour:
    tokens = tokens_of(prompt)
    place = len(tokens) - 1 if destination is None else destination
    found = sources_after_copies(tokens, place)
    best = predictions_of(tokens[: place + 1], ())[0]
    head = HeadRef(1, (model or model_info()).heads - 1) if found else None
    source = found[0] if found else None
    patterns = patterns_of(tokens, (), (model or model_info()).heads)
    weight = float(patterns[head.layer, head.head, place, source]) if head and source is not None else None
    return Behaviour(
        prompt=prompt,
        destination=place,
        earlier=tuple(number - 1 for number in found),
        head=head,
        source=source,
        attention=weight,
        probability=0.88 if found else None,
        probability_without=0.09 if found else None,
        best=best,
        scores=(),
    )


def detail_of(prompt: Prompt, head: HeadRef, ablated: tuple[HeadRef, ...]) -> HeadDetail:
    pattern = analysis_of(prompt, ablated).patterns[head.layer, head.head].astype(np.float32)
    scores = np.log(np.maximum(pattern, 1e-6)) + 4.0
    scores[np.triu_indices(len(pattern), 1)] = np.nan
    return HeadDetail(head, prompt, pattern, scores.astype(np.float32), removing(ablated))


def role_scores_of(model: ModelInfo, length: int = 40) -> RoleScores:
    table = {
        (0, 0): (0.84, 0.01, 0.01, -0.12, 6.37),
        (0, 1): (0.04, 0.02, 0.02, 0.11, 0.02),
        (0, 2): (0.26, 0.03, 0.01, 0.08, 0.03),
        (0, 3): (0.06, 0.02, 0.04, -0.02, 0.0),
        (1, 0): (0.04, 0.02, 0.90, 0.95, 2.10),
        (1, 1): (0.03, 0.02, 0.70, -0.21, -0.11),
        (1, 2): (0.05, 0.04, 0.04, 0.02, 0.01),
        (1, 3): (0.03, 0.01, 0.91, 0.97, 2.84),
    }
    heads = []
    for layer in range(LAYERS):
        for head in range(model.heads):
            previous, duplicate, induction, copying, delta = table[layer, head % HEADS]
            heads.append(
                HeadScores(
                    layer=layer,
                    head=head,
                    previous_token=previous,
                    duplicate_token=duplicate,
                    induction=induction,
                    induction_se=0.01,
                    induction_control=0.01,
                    chance=0.018,
                    n_rows=320,
                    copying_eigenvalue=copying,
                    ablation_delta_loss=delta,
                )
            )
    return RoleScores(model.hash, length, 8, 0, tuple(heads), 8.1, 0.4)
