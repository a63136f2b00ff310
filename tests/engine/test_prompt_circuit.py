"""What every source gave every head, beside the whole score split and the logits, on every architecture."""

from __future__ import annotations

import pytest
import torch

from engine.circuits.attribution.logit_attribution import attribution_taps, reader_of
from engine.circuits.attribution.prompt_circuit import circuit_taps, strongest_keys, trace
from engine.circuits.attribution.score_split import read_scores, score_taps, split_cell
from engine.circuits.attribution.stream import Stream
from engine.model.config import HeadRef
from engine.model.taps import Capture
from tests.engine.shapes import KINDS, random_model, random_tokens

PLACE, TOKEN = 9, 3


@pytest.mark.parametrize("kind", KINDS)
def test_that_contributions_are_those_of_the_score_split_and_sum_to_what_the_run_has(kind: str) -> None:
    model = random_model(kind)
    taps = circuit_taps(model) | attribution_taps(model)
    for head in model.config.all_heads:
        taps |= score_taps(model, head)
    kept = Capture(taps.__contains__)
    tokens = random_tokens(model, rows=1)
    model(tokens, kept)
    stream = Stream(model, kept.kept)
    reader = reader_of(stream, TOKEN, PLACE)
    for number, layer in enumerate(trace(stream, PLACE, reader)):
        for at in range(model.config.heads):
            head, source = HeadRef(number, at), int(layer.source[at])
            split = split_cell(read_scores(stream, head), PLACE, source)
            by_query, by_key = split.centred.sum(1), split.centred.sum(0)
            for place, name in enumerate(layer.names):
                there = split.names.index(name)
                assert layer.q[place, at] == pytest.approx(float(by_query[there]), abs=1e-9), (head, name)
                assert layer.k[place, at] == pytest.approx(float(by_key[there]), abs=1e-9), (head, name)
            total = float(layer.q[:, at].sum() + layer.rest[0, at])
            assert total == pytest.approx(float(split.centred.sum()), abs=1e-9)
            written = float(stream.part(str(head))[PLACE] @ reader)
            assert float(layer.v[:, at].sum() + layer.rest[2, at]) == pytest.approx(written, abs=1e-9)
            if not model.config.attention_bias and model.config.norm != "layer":
                assert float(layer.rest[2, at]) == pytest.approx(0.0, abs=1e-9), "values have no bias to be left over"


def test_that_the_first_key_counts_only_where_nothing_else_is_attended_to() -> None:
    rows = torch.tensor([[0.9, 0.02, 0.08], [1.0, 0.0, 0.0]])
    assert strongest_keys(rows).tolist() == [2, 0]
