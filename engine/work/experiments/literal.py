"""Experiments on random tokens: what is matched, how far back, and which of several copies wins."""

from __future__ import annotations

import torch

from engine.work.experiments.bench import Bench
from engine.work.experiments.catalogue import Measure

Outcome = tuple[list[Measure], bool | None, str]
FILL = 6  # random tokens before, between and after the copies
GAPS, LENGTHS = (2, 8, 32, 96), (1, 2, 4, 8)
EVEN = 0.1  # attention that may differ where nothing should
LIKELY = 0.1  # a token is likely from this probability on, whatever it was before


def canonical(bench: Bench) -> Outcome:
    size = bench.fill(3, 2, FILL)
    drawn = bench.draw(2 + 2 * size + 1)
    a, b, first, second, fresh = (
        drawn[:, :1],
        drawn[:, 1:2],
        drawn[:, 2 : 2 + size],
        drawn[:, 2 + size : -1],
        drawn[:, -1:],
    )
    place, target = bench.shift + size + 1, torch.from_numpy(b[:, 0])
    seen = bench.see(bench.rows(first, a, b, second, a))
    without = bench.see(bench.rows(first, fresh, b, second, a))
    measures = [
        bench.measure("A B … A", "attention on B", seen.on(place)),
        bench.measure("A B … A", "probability of B", seen.chance(target)),
        bench.measure("first A replaced", "attention on B", without.on(place), control=True),
        bench.measure("first A replaced", "probability of B", without.chance(target), control=True),
    ]
    looks, likely, still, chance = measures
    held = looks.low > 3 * still.high and likely.low > max(LIKELY, 3 * chance.high)
    return (
        measures,
        held,
        (
            f"B gets {looks.mean:.2f} of the attention and {likely.mean:.2f} of the probability; "
            f"without the first A {still.mean:.2f} and {chance.mean:.3f}."
        ),
    )


def prefix(bench: Bench) -> Outcome:
    size = bench.fill(5, 3, FILL)
    drawn = bench.draw(5 + 3 * size)
    a, b, c, x, y = (drawn[:, place : place + 1] for place in range(5))
    fills = [drawn[:, 5 + n * size : 5 + (n + 1) * size] for n in range(3)]
    first, last = bench.shift + size + 2, bench.shift + 2 * size + 5
    right, wrong = torch.from_numpy(b[:, 0]), torch.from_numpy(c[:, 0])
    early = bench.see(bench.rows(fills[0], x, a, b, fills[1], y, a, c, fills[2], x, a))
    late = bench.see(bench.rows(fills[0], y, a, c, fills[1], x, a, b, fills[2], x, a))
    attention = [early.on(first) - early.on(last), late.on(last) - late.on(first)]
    leads = [early.lead(right, wrong), late.lead(right, wrong)]
    order = (attention[1] - attention[0]) / 2
    measures = [
        bench.measure("order balanced", "attention on B less on C", torch.stack(attention).mean(0)),
        bench.measure("order balanced", "logit of B less of C", torch.stack(leads).mean(0)),
        bench.measure("what stands last", "attention it gains by that", order, control=True),
    ]
    balanced = measures[0]
    held = None if balanced.low < EVEN < balanced.high else balanced.mean < EVEN
    does = "hardly more" if balanced.mean < EVEN else "more"
    return (
        measures,
        held,
        (
            f"The token after the matching context gets {does} attention ({balanced.mean:+.2f}) and logit "
            f"({measures[1].mean:+.2f}); standing last is worth {measures[2].mean:+.2f}."
        ),
    )


def recency(bench: Bench) -> Outcome:
    size = bench.fill(4, 4, FILL)
    drawn = bench.draw(4 + 4 * size)
    a, *followers = (drawn[:, place : place + 1] for place in range(4))
    fills = [drawn[:, 4 + n * size : 4 + (n + 1) * size] for n in range(4)]
    parts = [part for fill, follower in zip(fills, followers, strict=False) for part in (fill, a, follower)]
    seen = bench.see(bench.rows(*parts, fills[3], a))
    places = [bench.shift + (n + 1) * (size + 2) - 1 for n in range(3)]
    names = ("first", "second", "last")
    measures = [
        bench.measure(f"follower of the {name} copy", "attention", seen.on(place))
        for name, place in zip(names, places, strict=True)
    ]
    measures += [
        bench.measure(f"follower of the {name} copy", "probability", seen.chance(torch.from_numpy(follower[:, 0])))
        for name, follower in zip(names, followers, strict=True)
    ]
    gain = bench.measure("last less first", "attention", seen.on(places[2]) - seen.on(places[0]))
    held = None if gain.low < EVEN < gain.high else abs(gain.mean) < EVEN
    parts_told = ", ".join(f"{measure.mean:.2f}" for measure in measures[:3])
    return [*measures, gain], held, f"From the first copy to the last the followers get {parts_told} of the attention."


def gap(bench: Bench) -> Outcome:
    room = min(bench.model.config.context - 2, len(bench.tokenizer.ordinary))
    lead = bench.fill(4, 2, FILL)
    gaps = [size for size in GAPS if 2 + lead + size + 1 <= room]
    measures = []
    for size in gaps:
        drawn = bench.draw(2 + lead + size)
        a, b = drawn[:, :1], drawn[:, 1:2]
        seen = bench.see(bench.rows(drawn[:, 2 : 2 + lead], a, b, drawn[:, 2 + lead :], a))
        measures.append(bench.measure(f"gap of {size}", "attention on B", seen.on(bench.shift + lead + 1)))
    for length in (length for length in LENGTHS if 2 * lead + length + 1 <= room):
        drawn = bench.draw(length + 1 + 2 * lead)
        stretch, b = drawn[:, :length], drawn[:, length : length + 1]
        fills = drawn[:, length + 1 : length + 1 + lead], drawn[:, length + 1 + lead :]
        seen = bench.see(bench.rows(fills[0], stretch, b, fills[1], stretch))
        place = bench.shift + lead + length
        measures.append(bench.measure(f"{length} tokens repeated", "attention on B", seen.on(place)))
    far, near = [one for one in measures if one.condition.startswith("gap")][-1], measures[0]
    long, short = measures[-1], measures[len(gaps)]
    spread = max(abs(near.mean - far.mean), abs(long.mean - short.mean))
    held = spread < EVEN
    return (
        measures,
        held,
        (
            f"Attention goes from {near.mean:.2f} at a {near.condition} to {far.mean:.2f} at a {far.condition}, and "
            f"from {short.mean:.2f} with one repeated token to {long.mean:.2f} with {long.condition.split()[0]}."
        ),
    )
