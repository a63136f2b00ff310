"""How a chance is written, everywhere alike. No Qt, no widgets: the sentences and the drawings both use it."""

from __future__ import annotations


def percent(chance: float) -> str:
    """88 %, 9 %, 2.1 %, < 0.1 %; never a round 0 or 100 that was not measured."""
    if chance >= 0.9995:
        return "> 99.9 %" if chance < 1.0 else "100 %"
    if chance >= 0.995:
        return f"{100 * chance:.1f} %"
    if chance >= 0.0995:
        return f"{100 * chance:.0f} %"
    if chance >= 0.00095:
        return f"{100 * chance:.1f} %".replace(".0 ", " ")
    return "< 0.1 %" if chance > 0.0 else "0 %"
