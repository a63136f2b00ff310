"""The literal single-token matcher: what followed earlier copies of the last token. The yardstick for copying."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence


def followed(ids: Sequence[int], bos: int | None = None) -> list[tuple[int, tuple[int, ...]]]:
    """Each token that followed an earlier copy of the last one, with the places where it stands.

    The most frequent comes first; of equally frequent ones, the most recent. Empty when the last token is new,
    or is `bos`.
    """
    if not ids or ids[-1] == bos:
        return []
    places: dict[int, list[int]] = defaultdict(list)
    for place in range(1, len(ids)):
        if ids[place - 1] == ids[-1]:
            places[ids[place]].append(place)
    found = [(number, tuple(at)) for number, at in places.items()]
    return sorted(found, key=lambda guess: (len(guess[1]), guess[1][-1]), reverse=True)
