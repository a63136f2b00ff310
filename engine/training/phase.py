"""When the circuit formed: an interval of training found by a stated rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence

STARTS, DONE = 0.1, 0.5  # share of the loss of the first copy that the second copy saves


def phase_change(steps: Sequence[int], first: Sequence[float], second: Sequence[float]) -> tuple[int, int] | None:
    """From the last measured step at which the second copy saves less than a tenth of the loss, to the first after it
    at which it saves half. None where that never happens, or is lost again by the end. A curriculum may lose copying
    with each new set of tokens: what counts is the jump after which it stayed.

    `first` and `second` are losses of the two copies of a random repeat, in nats, at `steps`.
    """
    gains = [1.0 - b / a if a > 0 else 0.0 for a, b in zip(first, second, strict=True)]
    if not gains or not gains[-1] >= DONE:
        return None
    begins = max((n for n, gain in enumerate(gains) if not gain >= STARTS), default=0)
    ends = next(n for n in range(begins, len(gains)) if gains[n] >= DONE)
    return steps[begins], steps[ends]
