"""How far a mean of few samples may lie from the truth: Student's t, without torch.

For whole degrees of freedom the distribution has a closed form (Abramowitz and Stegun 26.7.3 and 26.7.4).
"""

from __future__ import annotations

import math

LARGEST = 1e6  # beyond any quantile that is asked for, but for one degree of freedom
STEPS = 200  # of bisection: to the last digit


def within(t: float, freedom: int) -> float:
    """The chance that |T| <= t for `freedom` >= 1 degrees of freedom."""
    theta = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(theta), math.cos(theta)
    if freedom % 2:
        term, total = cosine, cosine if freedom > 1 else 0.0
        for place in range(3, freedom - 1, 2):
            term *= cosine**2 * (place - 1) / place
            total += term
        return (2 / math.pi) * (theta + sine * total)
    term = total = 1.0
    for place in range(2, freedom, 2):
        term *= cosine**2 * (place - 1) / place
        total += term
    return sine * total


def reach(level: float, freedom: int) -> float:
    """The t with `level` of the distribution between -t and t. Raises ValueError for a level outside (0, 1)."""
    if not 0 < level < 1 or freedom < 1:
        raise ValueError(f"a level lies between 0 and 1 and freedom is at least 1, not {level} and {freedom}")
    low, high = 0.0, LARGEST
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < level else (low, middle)
    return (low + high) / 2
