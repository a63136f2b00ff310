"""What speaks against a verdict, in sentences made of its numbers. Pure: no model, no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.circuits.verdict import Criterion, Verdict
from engine.model.config import HeadRef

CARRIES = 0.9  # a path that leaves less than this when it is patched carries a part
FEW = 8  # samples below which a word is said about their number

Described = tuple[str, str, str]
# name: what was done, what is left of what; the number goes between
_DONE: dict[str, Described] = {
    "induction": ("On the token after the earlier copy stands only", "of the attention of {i}", ""),
    "induction_control": ("Where nothing is repeated, the same places still get", "of the attention of {i}", ""),
    "copy_gain": ("The second copy saves only", "of the loss of the first", ""),
    "copy_direct_effect": ("By {i} comes", "to the right logit over the mean one", "so they do not surely copy"),
    "copy_eigenvalues": ("The best eigenvalue score of the OV circuits of {i} is", "", "weights do not show copying"),
    "copy_top1": ("The best OV circuit of {i} raises the token it reads most for only", "of the vocabulary", ""),
    "k_noising": ("With a wrong note in the keys of {i}, written by {p},", "of the attention is left", ""),
    "k_denoising": ("The note of {p} in the keys alone brings back only", "of the attention", "they need more"),
    "k_others": ("Against other heads' writes into the keys, {p} matter by only", "of the attention more", ""),
    "k_ablation": ("Without {p},", "of the attention is left", "something else writes the note too"),
    "k_ablation_others": ("Against removing as many other heads, removing {p} takes only", "of the attention more", ""),
    "k_moved_on": ("Moving the note of {p} one place on takes only", "of the attention with it", ""),
    "k_moved_others": ("Moving what other heads wrote leaves only", "of the attention in place", ""),
    "k_noising_prediction": ("With a wrong note in the keys,", "of the prediction is left", "others copy too"),
    "k_fraction": ("K-composition of {p} with {i} reaches only", "of its ceiling", ""),
    "k_rank": ("The pair that composes best through keys is only number", "among all pairs", "others have more"),
    "k_z": ("K-composition stands", "standard deviations from random heads", ""),
    "k_forced_ideal": ("With the ideal previous-token pattern forced on {p}, only", "of the attention is left", ""),
    "k_forced_two_back": ("With {p} forced to look two tokens back,", "of the attention stays where it was", ""),
    "k_forced_follows": ("With {p} forced to look two tokens back, only", "of the attention moves one place on", ""),
    "q_noising": ("With a wrong pointer in the queries of {i}, written by {d},", "of the attention is left", ""),
    "q_denoising": ("The pointer of {d} in the queries alone brings back only", "of the attention", ""),
    "q_others": ("Against other heads' writes into the queries, {d} matter by only", "of the attention more", ""),
    "q_ablation": ("Without {d},", "of the attention is left", "something else points too"),
    "q_ablation_others": ("Against removing as many other heads, removing {d} takes only", "of the attention more", ""),
    "q_moved_on": ("Moving the pointer of {d} one place on takes only", "of the attention with it", ""),
    "q_moved_others": ("Moving what other heads point at leaves only", "of the attention in place", ""),
    "q_noising_prediction": ("With a wrong pointer in the queries,", "of the prediction is left", "others copy too"),
    "q_fraction": ("Q-composition of {d} with {i} reaches only", "of its ceiling", ""),
    "q_rank": ("The pair that composes best through queries is only number", "among all pairs", "others have more"),
    "q_z": ("Q-composition stands", "standard deviations from random heads", ""),
    "v_noising": ("Patching what the values of {i} read leaves only", "of the attention", ""),
    "alone": ("With only the named heads in place,", "of the attention is left", "other heads help"),
}  # fmt: skip


def with_against(verdict: Verdict) -> Verdict:
    """The verdict with its sentences: first why it is no other, then what is weak about it."""
    return replace(verdict, against=tuple(_sentences(verdict)))


def _sentences(verdict: Verdict) -> Iterator[str]:
    measured = verdict.measured
    if measured.impossible:
        yield measured.impossible
        return
    if measured.untested:
        yield measured.untested
        return
    questions = ["behaviour"] if verdict.mechanism == "none" else ["behaviour", "copying", "circuit"]
    failed = [one for one in verdict.criteria if one.rule.question == "copying" and one.state == "failed"]
    questions += ["copying"] if verdict.mechanism == "none" and failed else []
    chosen = _chosen(verdict)
    for question in [*questions, *chosen]:
        yield from _weak(verdict, question)
    yield from _other_paths(verdict, chosen)
    yield from _missing(verdict, chosen)
    if measured.helpers and verdict.mechanism != "none":
        shares = ", ".join(f"{head} ({score:.2f})" for head, score in measured.helpers)
        yield f"Further heads do the same more weakly and are not counted: {shares}."


def _chosen(verdict: Verdict) -> list[str]:
    """The routes that are spoken of: those of the verdict, and of an unclear one those that patching leaves open."""
    if verdict.mechanism == "unclear":
        states = {part: verdict.criterion(f"{part}_noising").state for part in ("k", "q")}
        return [part for part, state in states.items() if state in ("passed", "undecided")] or list(states)
    return {"k-composition": ["k"], "q-composition": ["q"], "mixed": ["k", "q"]}.get(verdict.mechanism, [])


def _weak(verdict: Verdict, question: str) -> Iterator[str]:
    for one in verdict.criteria:
        if one.rule.question == question and one.state in ("failed", "undecided"):
            yield sentence(one, verdict)


def sentence(one: Criterion, verdict: Verdict) -> str:
    """What was found, beside what was asked."""
    done, left, so = _DONE[one.name]
    measured = verdict.measured
    names = {"i": measured.induction, "p": measured.previous, "d": measured.duplicate}
    told, left = (text.format(**{letter: listed(heads) for letter, heads in names.items()}) for text in (done, left))
    bound = "at least" if one.rule.at_least else "at most"
    spread = "" if one.low is None else f" (from {two(one.low)} to {two(one.high)}, n = {one.n})"
    tail = f"; {bound} {one.threshold:.2f} was asked"
    tail += ", and the interval does not decide" if one.state == "undecided" else ""
    text = " ".join(part for part in (told, f"{two(one.value)}{spread}", left) if part)
    return f"{text}{tail}{f': {so}' if so else ''}."


def _other_paths(verdict: Verdict, chosen: Sequence[str]) -> Iterator[str]:
    """The path that is not the verdict's, where it carries a part all the same."""
    for part, where in (("k", "keys"), ("q", "queries")):
        one = verdict.criterion(f"{part}_noising")
        high = one.value if one.high is None else one.high
        if chosen and part not in chosen and high is not None and high < CARRIES:
            yield f"The {where} carry a part too: patched by themselves they leave {one.value:.2f} of the attention."


def _missing(verdict: Verdict, chosen: Sequence[str]) -> Iterator[str]:
    lacking = [
        part
        for part in chosen
        if verdict.criterion(f"{part}_noising").state != "not measured"
        and verdict.criterion(f"{part}_ablation_others").state == "not measured"
    ]
    if lacking:
        yield "There are no other heads below to compare with: that these matter more could not be tested."
    for part, note in (("k", "note"), ("q", "pointer")):
        path, moved = verdict.criterion(f"{part}_noising"), verdict.criterion(f"{part}_moved_on")
        if part in chosen and path.state == "passed" and moved.state == "not measured":
            yield f"There is no place before the query to which the {note} could be moved: that was not tested."
    if verdict.mechanism == "unclear":
        for part, heads, what in (("k", "previous-token", "note"), ("q", "duplicate-token", "pointer")):
            if verdict.criterion(f"{part}_noising").state == "not measured":
                yield f"No {heads} head stands below the induction heads: there is nobody whose {what} could be tested."
    sampled = [one.n for one in verdict.criteria if one.low is not None]
    if verdict.mechanism != "none" and sampled and min(sampled) < FEW:
        yield f"Some numbers rest on {min(sampled)} samples only."
    if verdict.mechanism != "none" and not sampled:
        yield "Everything was measured once: there is no spread to judge by."


def two(value: float | None) -> str:
    """Two decimals, and no minus before nothing."""
    return "nothing" if value is None else f"{round(value, 2) + 0.0:.2f}"


def listed(heads: Sequence[HeadRef]) -> str:
    return " and ".join(map(str, heads)) if len(heads) < 4 else f"{', '.join(map(str, heads[:-1]))} and {heads[-1]}"
