"""The steps of the walk, each one sentence made of its numbers, its evidence, and whether it holds.

Where a step does not hold it says so, and no step after it claims anything: `steps` ends there. What could not be
measured is said to be and stops nothing. Pure: no model, no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.circuits.walk import Note, Reader, Share, Walk, shown, total
from engine.model.config import HeadRef

LOOKS, WRITES, CARRIES, FOLLOWS = 0.3, 0.02, 0.3, 0.5  # least attention, note by stream, share of a score, moved part
NAMES, RAISES = 5, 5  # a note names a token, a head copies one, that stands among so many
LISTED = 3  # earlier copies that a sentence names


@dataclass(frozen=True)
class Row:
    """One number of the evidence."""

    what: str
    value: float | None
    of: str = ""


@dataclass(frozen=True)
class Step:
    """`holds` None: not measured here. `places` are the positions that the step is about, `heads` the heads."""

    name: str
    sentence: str
    holds: bool | None
    evidence: tuple[Row, ...] = ()
    places: tuple[int, ...] = ()
    heads: tuple[HeadRef, ...] = ()
    offer: str = ""


def steps(walk: Walk) -> tuple[Step, ...]:
    """In order; the last one is the first that does not hold, or all of them."""
    told: list[Step] = []
    for tell in TELL:
        told.append(tell(walk))
        if told[-1].holds is False:
            break
    return tuple(told)


def _repeat(walk: Walk) -> Step:
    if not walk.copies:
        return Step("repeat", walk.reason, False, places=(walk.query,), offer=walk.offer)
    many = "" if len(walk.copies) <= LISTED else f" and {len(walk.copies) - LISTED} more"
    where = ", ".join(map(str, walk.copies[-LISTED:]))
    stood = f"stood before at position {where}" if len(walk.copies) == 1 else f"stood before at positions {where}{many}"
    sentence = f"{walk.text} at position {walk.query} {stood}; after the copy at {walk.k} came {walk.right}."
    rows = (Row("earlier copies", float(len(walk.copies))),)
    return Step("repeat", sentence, True, rows, (*walk.copies, walk.query))


def _finder(walk: Walk) -> Step:
    """Head 1: somebody below looks at the copy, from its follower (note) or from the query (pointer)."""
    name, at = ("previous", walk.k + 1) if walk.route == "k" else ("duplicate", walk.query)
    if not walk.readers:
        best = walk.strongest
        seen = "" if best is None else f": the most, by {best.head}, is {two(best.on_follower)} of its attention"
        sentence = f"No head finds the match here: none looks from {walk.text} at {walk.right} because of it{seen}."
        return Step(name, walk.reason or sentence, False, places=(walk.query,))
    loud = [note for note in walk.notes if note.looked >= LOOKS]
    if not loud:
        return Step(name, _nobody(walk), False, places=(at,), heads=walk.bystanders)
    shares = listed([f"{note.head} ({two(note.looked)})" for note in loud])
    verb = "looks" if len(loud) == 1 else "look"
    if walk.route == "k":
        sentence = f"At {walk.right}, position {at}, head {shares} {verb} one token back, at {walk.text}."
    else:
        sentence = f"At {walk.text}, position {at}, head {shares} {verb} at its earlier copy, position {walk.k}."
    rows = [Row(f"attention of {note.head} on {walk.k}", note.looked, f"from {at}") for note in walk.notes]
    rows += [Row(f"{n.head} on i - 1 by positions alone", n.positional) for n in walk.notes if n.positional is not None]
    return Step(name, sentence, True, tuple(rows), (walk.k, at), tuple(note.head for note in loud))


def _nobody(walk: Walk) -> str:
    if walk.bystanders:
        heads = listed(list(map(str, walk.bystanders)))
        layer = walk.readers[0].head.layer
        return (
            f"Head {heads} looks one token back, but in layer {layer} or above, like the heads that match: "
            "heads of one layer work side by side and cannot read one another's notes."
        )
    best = max((note.looked for note in walk.notes), default=0.0)
    return (
        f"No head below the matching ones looks from position {walk.k + 1} at {walk.k} (the most is {two(best)}): "
        "whatever they read, it is no note about the token before."
    )


def _write(walk: Walk) -> Step:
    note = _main_note(walk)
    size = note.norm / note.norm_before if note.norm_before else 0.0
    rows = (
        Row("length of what it writes", note.norm),
        Row("of the stream before", note.norm_before),
        Row("of the stream with it", note.norm_after),
        Row("signed length along the stream before", note.projection),
        Row("share from tokens", note.token),
        Row("share from positions", note.position),
        Row("share from MLPs", note.mlp),
    )
    places, heads = (_written_at(walk),), (note.head,)
    if size < WRITES:
        sentence = f"Head {note.head} writes next to nothing there: {two(size)} of the length of the stream before it."
        return Step("write", sentence, False, rows, places, heads)
    mlps = "" if note.mlp is None else f", {two(note.mlp)} from what MLPs made of them"
    along = "across" if note.projection is None else "along" if note.projection >= 0 else "against"
    sentence = (
        f"Head {note.head} adds a vector of length {two(note.norm)} to the stream there (before "
        f"{two(note.norm_before)}, with it {two(note.norm_after)}), {along} what was "
        f"there by {two(abs(note.projection or 0.0))}; "
        f"{_part(note.token)} of it comes from tokens, {_part(note.position)} from positions{mlps}."
    )
    return Step("write", sentence, True, rows, places, heads)


def _says(walk: Walk) -> Step:
    note = _main_note(walk)
    rows = (
        Row("place of it for all notes together", walk.together, f"of {note.among}"),
        Row(f"place of {walk.text} as the query that answers it", note.rank, f"of {note.among}"),
        Row("cosine to what the head writes for that token", note.likeness),
        Row("place by that cosine", note.rank_likeness, f"of {note.among}"),
    )
    places, heads = (_written_at(walk),), (note.head,)
    if walk.route == "q":
        part = note.position or 0.0
        holds = part >= FOLLOWS
        said = f"points at position {walk.k}" if holds else "is no pointer"
        sentence = f"What head {note.head} wrote {said}: {two(part)} of it is the position that it copied."
        return Step("says", sentence, holds, rows, places, heads)
    rank = note.rank if walk.together is None else walk.together
    what = f"The note of {note.head}" if len(walk.notes) == 1 else "The notes together"
    names, does, says = ("names", "does", "says") if len(walk.notes) == 1 else ("name", "do", "say")
    if rank is None:
        sentence = f"{what} {names} no token: every query answers alike."
        return Step("says", sentence, False, rows, places, heads)
    like = "" if note.likeness is None else f" ({note.head}'s is {two(note.likeness)} like its note for that token)"
    if rank > NAMES:
        sentence = f"{what} {does} not say {walk.text}: of {note.among} tokens {rank - 1} answer better{like}."
        return Step("says", sentence, False, rows, places, heads)
    sentence = f"{what} {says} “the token before me was {walk.text}”: among {note.among} tokens as queries "
    sentence += f"it answers at place {rank}{like}."
    return Step("says", sentence, True, rows, places, heads)


def _query(walk: Walk) -> Step:
    score, main = walk.score, _main(walk)
    if score is None:
        return Step("query", f"What the query of {main.head} is made of was not measured.", None)
    rows = tuple(Row(f"query from {share.name}", share.value, "of the centred score") for share in score.queries)
    wrote = total(score.queries, _writers(walk))
    best = max(score.queries, key=lambda share: share.value)
    heads, places = (main.head,), (walk.query,)
    if walk.route == "q":
        holds = wrote >= CARRIES
        verb = "reads the pointer" if holds else "hardly reads the pointer"
        sentence = f"The query of {main.head} {verb}: {two(wrote)} of its score for {walk.right} comes by it."
        return Step("query", sentence, holds, rows, places, heads)
    holds = wrote < FOLLOWS
    also = f"{two(wrote)} comes by what the heads below wrote at {walk.text}"
    if holds:
        sentence = (
            f"The query of {main.head} at {walk.text}: {two(best.value)} of the score comes by {_source(best)}; {also}."
        )
    else:
        sentence = (
            f"The query of {main.head} is itself made by the heads below: {also}, so this is not the plain circuit."
        )
    return Step("query", sentence, holds, rows, places, heads)


def _keys(walk: Walk) -> Step:
    score, main = walk.score, _main(walk)
    if score is None:
        return Step("keys", f"What the keys of {main.head} are made of was not measured.", None)
    names = _writers(walk) if walk.route == "k" else ["pos", *_writers(walk)]
    wrote = total(score.keys, names)
    others = [share for share in score.keys if share.name not in names]
    best = max(others, key=lambda share: share.value, default=Share("nothing", 0.0))
    rows = [Row("centred score for k + 1", score.at_follower), Row("centred score for k", score.at_copy)]
    rows += [Row(f"key from {share.name}", share.value, "of the centred score") for share in score.keys]
    if walk.weights is not None:
        pair = f"{walk.weights.writer} with {walk.weights.reader}"
        rows += [
            Row(f"composition of {pair}", walk.weights.fraction, "of its ceiling"),
            Row("of random heads", walk.weights.random, "of that ceiling"),
            Row("rank of that pair", walk.weights.rank, f"of {walk.weights.pairs}"),
            *(
                Row(f"direction {n + 1}", part, "of the composed circuit")
                for n, part in enumerate(walk.weights.directions)
            ),
        ]
    what = "the note" if walk.route == "k" else "the position"
    compared = (
        f"the next is {_source(best)} with {two(best.value)}; the score for {walk.text} itself is {two(score.at_copy)}"
    )
    compared += f" beside {two(score.at_follower)}"
    heads, places = (main.head,), (walk.k, walk.k + 1)
    if wrote < CARRIES or score.at_follower <= score.at_copy:
        sentence = f"The key of {walk.right} is not made by {what}: it gives {two(wrote)} of the score, {compared}."
        return Step("keys", sentence, False, tuple(rows), places, heads)
    sentence = f"In the key of {walk.right} {what} gives {two(wrote)} of the score; {compared}."
    return Step("keys", sentence, True, tuple(rows), places, heads)


def _pattern(walk: Walk) -> Step:
    main = _main(walk)
    rows = [Row(f"attention of {one.head} on {walk.k + 1}", one.on_follower) for one in walk.readers]
    rows += [Row(f"{main.head} on {walk.k}", main.on_copy), Row(f"{main.head} on position 0", main.on_first)]
    heads = tuple(one.head for one in walk.readers)
    if main.on_follower < LOOKS:
        sentence = f"Softmax leaves {walk.right} only {two(main.on_follower)} of the attention of {main.head}."
        return Step("pattern", sentence, False, tuple(rows), (walk.query, walk.k + 1), heads)
    shares = listed([f"{one.head} ({two(one.on_follower)})" for one in walk.readers])
    verb = "lands" if len(walk.readers) == 1 else "land"
    sentence = f"So head {shares} {verb} on {walk.right}, position {walk.k + 1}, and not on {walk.text} at {walk.k} "
    return Step("pattern", f"{sentence}({two(main.on_copy)}).", True, tuple(rows), (walk.query, walk.k + 1), heads)


def _moved(walk: Walk) -> Step:
    moved, main = walk.moved, _main(walk)
    what = "note" if walk.route == "k" else "pointer"
    if moved is None:
        sentence = f"Why one place further on was not tested: before the query there is no room to move the {what}."
        return Step("moved", sentence, None)
    rows = [
        *(
            Row(f"on k{suffix} as it is", value)
            for suffix, value in zip(("", " + 1", " + 2"), moved.before, strict=True)
        ),
        *(
            Row(f"on k{suffix} moved on", value)
            for suffix, value in zip(("", " + 1", " + 2"), moved.after, strict=True)
        ),
        Row("on k, moved back to k", moved.back_on_copy),
        Row("on k + 1, others' notes moved", moved.others_stay, listed(list(map(str, moved.others)))),
    ]
    places, heads = (walk.k + 1, walk.k + 2), (main.head,)
    went, had = moved.after[2] - moved.before[2], moved.before[1]
    told = f"from {two(had)} to {two(moved.after[1])} on position {walk.k + 1}, from {two(moved.before[2])} to "
    told += f"{two(moved.after[2])} on {walk.k + 2}"
    if went < FOLLOWS * had:
        sentence = f"Moving the {what} one place on does not take the attention of {main.head} with it: {told}."
        return Step("moved", sentence, False, tuple(rows), places, heads)
    predicted = f"the prediction goes from {shown(moved.token_before)} to {shown(moved.token_after)}"
    expected = "" if moved.token_after == moved.expected_after else f", not to {shown(moved.expected_after)}"
    sentence = f"The shift by one is where the {what} stands: moved one place on, attention goes with it ({told}), and "
    return Step("moved", f"{sentence}{predicted}{expected}.", True, tuple(rows), places, heads)


def _value(walk: Walk) -> Step:
    value, main = walk.value, _main(walk)
    if value is None:
        return Step("value", f"What {main.head} reads out was not measured.", None)
    rows = [Row(f"value from {share.name}", share.value, "of its length") for share in value.sources]
    rows += [
        Row(f"place of {walk.right} among what its write raises", value.rank, f"of {walk.vocabulary}"),
        Row("eigenvalue score of the OV circuit", value.eigenvalues),
        Row("cosine to a scaled identity", value.cosine, f"{value.ceiling:.3f} at most with this rank"),
    ]
    best = max(value.sources, key=lambda share: share.value)
    heads, places = (main.head,), (walk.k + 1, walk.query)
    together = "it raises" if len(walk.readers) == 1 else "together these heads raise"
    if value.rank > RAISES:
        sentence = f"They do not copy {walk.right} by themselves: {together} {value.rank - 1} tokens more"
        sentence += f", first {shown(value.best[0])}."
        return Step("value", sentence, False, tuple(rows), places, heads)
    sentence = f"What {main.head} reads at {walk.right} is {two(best.value)} {_source(best)}; at {walk.text} {together}"
    first = "most of all tokens" if value.rank == 1 else f"at place {value.rank}, after {shown(value.best[0])}"
    near = "" if value.cosine is None else f"; its circuit is {value.cosine:.3f} like copying, of {value.ceiling:.3f}"
    return Step("value", f"{sentence} {walk.right} {first}{near}.", True, tuple(rows), places, heads)


def _effect(walk: Walk) -> Step:
    outcome, readers = walk.outcome, walk.readers
    direct = sum(one.direct for one in readers)
    rows = [Row(f"direct effect of {one.head}", one.direct, "logit over the mean") for one in readers]
    heads, places = tuple(one.head for one in readers), (walk.query,)
    if outcome is None:
        return Step("effect", "What that does to the prediction was not measured.", None, tuple(rows), places, heads)
    rows += [Row("total effect", outcome.lost, "logit over the mean"), Row("all there is", outcome.lead)]
    gap = outcome.lost - direct
    more = "more" if gap >= 0 else "less"
    told = f"removing them costs {two(outcome.lost)}, {two(abs(gap))} {more}, by way of other heads and layers"
    if direct <= 0:
        sentence = f"These heads do not push {walk.right}: they add {two(direct)} to its logit directly; {told}."
        return Step("effect", sentence, False, tuple(rows), places, heads)
    sentence = (
        f"Directly they add {two(direct)} to the logit of {walk.right}, which leads the mean by {two(outcome.lead)}"
    )
    return Step("effect", f"{sentence}; {told}.", True, tuple(rows), places, heads)


def _output(walk: Walk) -> Step:
    outcome = walk.outcome
    if outcome is None:
        return Step("output", "The prediction was not measured.", None)
    rows = (
        Row(f"probability of {walk.right}", outcome.probability),
        Row("without these heads", outcome.without),
        Row("its place", outcome.rank, f"of {walk.vocabulary}"),
    )
    told = f"{two(outcome.probability)}, without these heads {two(outcome.without)}"
    if outcome.rank > 1:
        sentence = (
            f"Still the model expects {shown(outcome.best)}: {walk.right} comes at place {outcome.rank} ({told})."
        )
        return Step("output", sentence, False, rows, (walk.query,))
    return Step("output", f"And the model expects {walk.right} next ({told}).", True, rows, (walk.query,))


TELL: tuple[Callable[[Walk], Step], ...] = (
    *(_repeat, _finder, _write, _says, _query, _keys),
    *(_pattern, _moved, _value, _effect, _output),
)


def _main(walk: Walk) -> Reader:
    return max(walk.readers, key=lambda one: one.direct)


def _main_note(walk: Walk) -> Note:
    """The one that the main reader uses most, or the loudest where that was not measured."""
    shares = () if walk.score is None else walk.score.keys if walk.route == "k" else walk.score.queries
    used = {share.name: share.value for share in shares}
    return max(walk.notes, key=lambda note: used.get(str(note.head), note.looked * note.norm))


def _writers(walk: Walk) -> list[str]:
    return [str(note.head) for note in walk.notes]


def _written_at(walk: Walk) -> int:
    return walk.k + 1 if walk.route == "k" else walk.query


def _part(share: float | None) -> str:
    return "nothing" if share is None else two(share)


def two(value: float) -> str:
    """Two decimals, and no minus before nothing."""
    return f"{round(value, 2) + 0.0:.2f}"


def _source(share: Share) -> str:
    names = {"embed": "the token itself", "pos": "the position", "bias": "biases"}
    return names.get(share.name, f"what {share.name} wrote")


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
