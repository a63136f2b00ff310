"""Numbers to the sentences people read: pure functions, no Qt.

They say what happened, never more than was measured.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from html import escape, unescape
from typing import Literal

from engine.model.config import HeadRef
from engine.work.requests import Prompt
from engine.work.results import (
    Analysis,
    Behaviour,
    Failure,
    HeadScores,
    MatcherGuess,
    RoleScores,
    Token,
)
from gui.numbers import percent
from gui.roles import Criterion, HeadRole, role_of
from gui.widgets.token_text import is_special, spoken, visible

SOME_ATTENTION = 0.2
SOME_CHANCE = 0.02
SMALL_MODEL = 50_000_000
NOT_MEASURED = "not measured"


Kind = Literal["waiting", "nothing", "repeats", "other", "removed", "changed"]
Role = Literal["none", "positive", "negative"]
LEADS: dict[Kind, str] = {
    "waiting": "",
    "nothing": "Nothing to copy",
    "repeats": "Repeats",
    "other": "Does not repeat",
    "removed": "Removed",
    "changed": "Changed",
}


LEAD_ROLES: dict[Kind, Role] = {
    "waiting": "none",
    "nothing": "none",
    "repeats": "positive",
    "other": "none",
    "removed": "negative",
    "changed": "negative",
}


@dataclass(frozen=True)
class Sentence:
    """What the bottom bar says, marked with the colours of the places it names; `plain` is the same without marks.

    `offers_prompt` puts a button beside it that loads a prompt with something to copy.
    """

    kind: Kind
    text: str
    detail: str = ""
    offers_prompt: bool = False

    @property
    def lead(self) -> str:
        return LEADS[self.kind]

    @property
    def plain(self) -> str:
        return unescape(re.sub(r"<[^>]*>", "", self.text))


def marked(text: str, place: Literal["accent", "induction"]) -> str:
    """A token inside a marked sentence, in the colour of its place."""
    return f"<{place}>{escape(spoken(text))}</{place}>"


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def number(value: float | None, signed: bool = False) -> str:
    """Two decimals with a real minus sign; what was not measured is said so."""
    if value is None or math.isnan(value):
        return "–"
    value = round(value, 2) + 0.0  # no minus before nothing
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return text.replace("-", "−")


def behaviour_sentence(behaviour: Behaviour | None, analysis: Analysis | None) -> Sentence:
    """The sentence about what was copied at the destination, with all heads in place."""
    if analysis is None or behaviour is None or behaviour.destination >= len(analysis.tokens):
        return Sentence("waiting", "Reading the prompt …")
    here = analysis.tokens[behaviour.destination]
    if behaviour.head is None or behaviour.source is None or behaviour.attention is None:
        return _nothing_to_copy(here, analysis)
    copied = analysis.tokens[behaviour.source]
    parts = [_attention_part(behaviour, here, copied), _effect_part(behaviour, copied)]
    repeats = behaviour.best.id == copied.id
    if not repeats:
        best = f"{escape(spoken(behaviour.best.text))} with {percent(behaviour.best.probability)}"
        parts.append(f"its best guess is another: {best}")
    return Sentence("repeats" if repeats else "other", "; ".join(filter(None, parts)))


def _nothing_to_copy(here: Token, analysis: Analysis) -> Sentence:
    token = f"<accent>“{escape(visible(here.text))}”</accent>"
    text = f"no earlier {token} in this prompt: try one that repeats"
    if here.text == " " and here.position == len(analysis.tokens) - 1:  # while a person is still typing
        text = "the prompt ends with a space, which the model reads as a token of its own: leave it out, or type on"
    small = analysis.model.parameters < SMALL_MODEL
    detail = "this small model knows little else than to repeat what it has read" if small else ""
    return Sentence("nothing", text, detail, offers_prompt=True)


def _attention_part(behaviour: Behaviour, here: Token, copied: Token) -> str:
    weight, source = f"<b>{number(behaviour.attention)}</b>", marked(copied.text, "induction")
    if (behaviour.attention or 0.0) >= SOME_ATTENTION:
        place = marked(here.text, "accent")
        return f"{place} attends to {source} with {weight} in head <b>{behaviour.head}</b>"
    return (
        f"{marked(here.text, 'accent')} occurred before, but no head attends much to what followed it: "
        f"at most {weight}, to {source} in head <b>{behaviour.head}</b>"
    )


def _effect_part(behaviour: Behaviour, copied: Token) -> str:
    """What removing the head does to the chance of the copied token."""
    chance, without = behaviour.probability, behaviour.probability_without
    name = marked(copied.text, "induction")
    if chance is None:
        return ""
    if without is None:
        return f"the chance of {name} is {percent(chance)}; without that head: {NOT_MEASURED}"
    if max(chance, without) < SOME_CHANCE:
        change = f"{percent(chance)} with that head, {percent(without)} without"
        return f"the chance of {name} is low either way ({change})"
    if abs(chance - without) < max(SOME_CHANCE, 0.1 * chance):
        change = f"{percent(chance)}, without it {percent(without)}"
        return f"removing that head hardly changes the chance of {name} ({change})"
    verb = "falls" if without < chance else "rises"
    change = f"from {percent(chance)} to <b>{percent(without)}</b>"
    return f"without that head the chance of {name} {verb} {change}"


def matcher_sentence(matcher: tuple[MatcherGuess, ...], last: Token) -> str:
    """What a literal matcher would guess: it looks up what followed earlier copies of the last token."""
    if not matcher:
        return f"nothing: no earlier {spoken(last.text)}"
    best = matcher[0]
    others = len(matcher) - 1
    text = f"{spoken(best.text)}, which followed {spoken(last.text)} {times(best.count)}"
    return text + (f"; {others} other continuation{'s' if others > 1 else ''}" if others else "")


def probe(scores: RoleScores) -> str:
    """How the scores were measured."""
    rows = max((row.n_rows for row in scores.heads), default=0)
    return f"random repeats of {scores.length} tokens, {scores.samples} draws, n = {rows:,}".replace(",", " ")


def chance_of(scores: RoleScores) -> float | None:
    return next((row.chance for row in scores.heads if row.chance is not None), None)


def head_title(head: HeadRef, scores: HeadScores | None) -> str:
    """“Head 1.3 · induction head”, the name only if it was earned."""
    role = role_of(scores) if scores is not None else None
    return f"Head {head}" if role is None or role.kind == "none" else f"Head {head} · {role.title}"


def badge_tooltip(row: HeadScores, scores: RoleScores) -> str:
    """Every score of a head with its probe, chance and n."""
    role = role_of(row)
    spread = f" ± {number(row.induction_se)}" if row.induction_se is not None else ""
    lines = [
        f"Head {row.ref}: {role.title}",
        f"induction {number(row.induction)}{spread} (chance {number(row.chance)}, "
        f"without a repeat {number(row.induction_control)})",
        f"previous token {number(row.previous_token)}, same token {number(row.duplicate_token)}",
        f"copying {number(row.copying_eigenvalue, signed=True)}, "
        f"loss when removed {number(row.ablation_delta_loss, signed=True)} nats",
        f"measured on {probe(scores)}",
    ]
    return "\n".join(lines)


def criteria_tooltip(role: HeadRole) -> str:
    """Why a head has, or has not, earned the words “induction head”."""
    if not role.criteria:
        return role.title
    unmet = "Not called an induction head: not all of these hold"
    verdict = "Earned the name: all of these hold" if role.earned else unmet
    return "\n".join([verdict, *(_criterion_line(criterion) for criterion in role.criteria)])


def _criterion_line(criterion: Criterion) -> str:
    mark = {True: "✓", False: "✗", None: "?"}[criterion.passed]
    value = NOT_MEASURED if criterion.value is None else number(criterion.value, signed=True)
    return f"{mark} {criterion.name}: {value}, wanted {criterion.wanted}"


def prompt_note(prompt: Prompt, analysis: Analysis | None, problem: Failure | None) -> str:
    """The line under the token chips: what stands there, or why the prompt has no answer."""
    if not prompt.text and prompt.repeat is None:
        return "The prompt is empty: what is shown belongs to the last one."
    if problem is not None:
        return f"{sentence_case(problem.title)}. {problem.hint}".strip().replace("..", ".")
    if analysis is None:
        return "Reading the prompt …"
    count = len(analysis.tokens)
    parts = [analysis.notice or "", f"{count} token{'s' if count != 1 else ''}", _bos_note(analysis)]
    parts.append("hover shows who looks at whom in every head, click pins, Esc lets go")
    parts.append("underline = surprise (loss)")
    return " · ".join(filter(None, parts))


def _bos_note(analysis: Analysis) -> str:
    """Says so when the beginning mark is not there although the model is used to it."""
    if is_special(analysis.tokens[0]) if analysis.tokens else True:
        return ""
    return "without ⟨bos⟩ heads have no place to rest" if analysis.model.prepends_bos else ""


def head_note(removed: bool, pinned: bool, hovered: bool) -> str:
    """How the shown head came to be shown, and how to change that."""
    if hovered:
        return "preview: click pins it"
    if removed:
        return "removed: R puts it back"
    return "pinned: Esc lets go" if pinned else "not pinned"


def roles_notes(scores: RoleScores | None) -> tuple[str, str]:
    """n and chance of the table, and how it was measured."""
    if scores is None:
        return "measuring on random repeats …", ""
    rows = max((row.n_rows for row in scores.heads), default=0)
    chance = chance_of(scores)
    parts = [f"n = {rows:,}".replace(",", " ")]
    if chance is not None:
        parts.append(f"chance {number(chance)}")
    if not scores.complete:
        parts.append("still measuring")
    return " · ".join(parts), probe(scores)


def pinned_guess(analysis: Analysis, destination: int | None) -> str:
    """The best guess at a token that is not the last one."""
    if destination is None or destination >= len(analysis.tokens) - 1:
        return ""
    here, guess = analysis.tokens[destination], analysis.position_predictions[destination]
    follows = analysis.tokens[destination + 1]
    verdict = "and so it goes on" if guess.id == follows.id else f"the text goes on with {spoken(follows.text)}"
    place = f"After {spoken(here.text)} ({destination})"
    return f"{place} the best guess is {spoken(guess.text)} with {percent(guess.probability)}; {verdict}."
