"""How often the verdict errs, at full size: docs/verdict.md states it. A tenth of it runs always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from tests import verdict_rates


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def test_that_no_model_with_random_weights_has_a_circuit() -> None:
    assert verdict_rates.random_models(20) == Counter(none=20)


@pytest.mark.long
def test_that_none_of_a_thousand_models_with_random_weights_has_a_circuit() -> None:
    assert verdict_rates.random_models(1000) == Counter(none=1000)


@pytest.mark.long
@pytest.mark.parametrize(("name", "mechanism"), [("handbuilt-k", "k-composition"), ("handbuilt-q", "q-composition")])
def test_that_the_hand_built_circuits_are_found_in_every_basis(name: str, mechanism: str) -> None:
    assert verdict_rates.rebased(name, 100) == Counter({mechanism: 100})


@pytest.mark.long
def test_that_every_hard_negative_is_none() -> None:
    for name, found in (*verdict_rates.hard(), *verdict_rates.before_the_jump()):
        assert found == "none", name
