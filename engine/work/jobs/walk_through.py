"""Measures the walk through the two-head circuit at one position of a prompt; what it says is for walk_steps.py."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.circuits.attribution.logit_attribution import attribution_taps
from engine.circuits.attribution.note import named_by_likeness, named_by_match, note_taps, read_note
from engine.circuits.attribution.score_split import read_scores, score_taps, split_cell
from engine.circuits.attribution.stream import Stream
from engine.circuits.interventions.values import Ablate
from engine.circuits.patching.moved_note import moved_note, moved_pointer
from engine.circuits.trial import Roles
from engine.circuits.walk import Moved, Note, Outcome, Reader, Route, Score, Share, Value, Walk, Weights
from engine.circuits.weights.ovqk import full_ov, k_composed_qk, positional_pattern, q_composed_qk, token_embedding
from engine.circuits.weights.view import Weights as View
from engine.model.config import HeadRef
from engine.model.taps import Capture, chain
from engine.model.tokenizer import PromptError
from engine.work.jobs.composition import composition_of_pairs
from engine.work.jobs.judge_prompt import LEAST_SEEN, Seen, look, place_of, roles_at
from engine.work.jobs.reading import Reading, read
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import batch, run_tap
from engine.work.jobs.weighing import ONE_LAYER, compared
from engine.work.requests import Prompt, WalkThrough
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

DIRECTIONS, BEST, SAMPLED = 3, 3, 500


@remembered
def walk_through(request: WalkThrough, state: EngineState, task: Task) -> Walk:
    """Raises PromptError for a prompt that cannot be read, ValueError for a place that does not exist."""
    return _walk(request, state, task)


def _walk(request: WalkThrough, state: EngineState, task: Task) -> Walk:
    opened = state.require()
    reading = read(request.prompt, opened)
    texts = opened.tokenizer.texts(reading.ids)
    query = len(reading.ids) - 1 if request.destination is None else request.destination
    place = place_of(reading, query, texts)
    walk = Walk(tuple(texts), query, opened.model.config.vocabulary)
    if place.reason:
        later = next((at for at in range(query + 1, len(texts)) if reading.ids[at] == reading.ids[query]), None)
        hint = "" if later is None else f" It comes again at position {later}: ask there."
        return replace(walk, reason=place.reason + hint, offer="" if later else _offer(request.prompt, opened))
    walk = replace(walk, copies=place.copies, k=place.copies[-1])
    if opened.model.config.layers < 2:
        return replace(walk, reason=ONE_LAYER)
    seen = look(opened, reading, place, task)
    roles, k = roles_at(seen)
    return _Walker(state, task, reading, seen, roles, k).complete(replace(walk, k=k))


def _offer(prompt: Prompt, opened: OpenModel) -> str:
    """The same prompt, begun once more; nothing where that would repeat nothing either."""
    words = prompt.text.split()
    again = words[1 : 1 + len(words) // 2] or words  # the first word of a text is often another token than amid it
    text = " ".join([*words, *again])
    try:
        reading = read(replace(prompt, text=text), opened)
    except PromptError:
        return ""
    place = place_of(reading, len(reading.ids) - 1, opened.tokenizer.texts(reading.ids))
    return "" if place.reason else text


@dataclass(frozen=True)
class _Walker:
    state: EngineState
    task: Task
    reading: Reading
    seen: Seen
    roles: Roles
    k: int

    @property
    def opened(self) -> OpenModel:
        return self.state.require()

    @property
    def query(self) -> int:
        return self.seen.place.query

    def complete(self, walk: Walk) -> Walk:
        scores = self.seen.induction()
        loudest = max(scores, key=lambda head: scores[head])
        if not self.roles.induction:
            return replace(walk, strongest=self._reader(loudest, 0.0))
        stream = self._stream()
        direct = self._direct(stream)
        main = max(self.roles.induction, key=lambda head: direct[head])
        readers = tuple(self._reader(head, direct[head]) for head in self.roles.induction)
        split = self._score(stream, main)
        route = self._route(split)
        playing = self.roles.previous if route == "k" else self.roles.duplicate
        writers = tuple(head for head in playing if head.layer < main.layer)
        walk = replace(
            walk,
            route=route,
            readers=readers,
            strongest=next(one for one in readers if one.head == main),
            bystanders=self._bystanders(main),
            notes=tuple(self._note(stream, head, main, route) for head in writers),
            score=split,
            value=self._value(stream, main),
            outcome=self._outcome(),
        )
        if not writers:
            return walk
        walk = replace(walk, together=self._together(stream, writers, main) if route == "k" else None)
        return replace(walk, weights=self._weights(writers, route), moved=self._moved(writers, main, route))

    def _stream(self) -> Stream:
        """One run that keeps what every step needs."""
        model, wanted = self.opened.model, set(attribution_taps(self.opened.model))
        for head in self.roles.induction:
            wanted |= score_taps(model, head)
        for head in (*self.roles.previous, *self.roles.duplicate):
            wanted |= note_taps(model, head)
        kept, tokens = Capture(wanted.__contains__), batch(self.reading.ids)  # (1, T)
        model(tokens, chain(run_tap(self.task, self.opened, tokens, self.reading.bos), kept))
        return Stream(model, kept.kept)

    def _reader(self, head: HeadRef, direct: float) -> Reader:
        row = self.seen.from_query[self.seen.heads.index(head)]  # (T)
        after = float(row[self.seen.after].sum())
        copies = float(row[torch.tensor(self.seen.place.copies)].sum())
        return Reader(head, copies, after, float(row[0]), direct)

    def _right(self) -> int:
        return self.reading.ids[self.k + 1]

    def _direct(self, stream: Stream) -> dict[HeadRef, float]:
        right = self._right()
        found = {head: self._raised(stream, head) for head in self.roles.induction}
        return {head: float(logits[right] - logits.mean()) for head, logits in found.items()}

    def _raised(self, stream: Stream, head: HeadRef) -> Tensor:
        """(V): what a head's write at the query does to every logit, the final norm's scale as it was."""
        model = self.opened.model
        written = stream.part(str(head))[self.query] * stream.scale("final")[self.query]  # (d)
        if model.config.norm == "layer":
            written = written - written.mean()
        if model.config.norm != "none":
            written = written * model.norm_final.weight
        return written @ model.unembedding

    def _score(self, stream: Stream, main: HeadRef) -> Score:
        reads = read_scores(stream, main)
        cell, copy = split_cell(reads, self.query, self.k + 1), split_cell(reads, self.query, self.k)
        total = float(cell.centred.sum())
        queries, keys = (cell.centred.sum(axis) / (total or 1.0) for axis in (1, 0))
        return Score(
            at_follower=total,
            at_copy=float(copy.centred.sum()),
            queries=_shares(cell.names, queries),
            keys=_shares(cell.names, keys),
        )

    def _route(self, score: Score) -> Route:
        """By which of the two more of the score comes; without either it is asked for a note."""
        keys = sum(share.value for share in score.keys if share.name in map(str, self.roles.previous))
        queries = sum(share.value for share in score.queries if share.name in map(str, self.roles.duplicate))
        return "q" if self.roles.duplicate and queries > keys else "k"

    def _bystanders(self, main: HeadRef) -> tuple[HeadRef, ...]:
        looked = self.seen.previous(self.k)
        return tuple(head for head, score in looked.items() if head.layer >= main.layer and score >= LEAST_SEEN)

    def _note(self, stream: Stream, head: HeadRef, main: HeadRef, route: Route) -> Note:
        model, config = self.opened.model, self.opened.model.config
        at = self.k + 1 if route == "k" else self.query
        note = read_note(stream, head, at)
        positional = None
        if route == "k" and config.positions in ("absolute", "shortformer"):
            positional = float(positional_pattern(model, head).diagonal(-1).double().mean())
        found = Note(
            head=head,
            looked=float(note.attention[self.k]),
            norm=note.norm,
            norm_before=note.norm_before,
            norm_after=note.norm_after,
            projection=note.projection,
            token=note.share(note.parts.token),
            position=note.share(note.parts.position),
            mlp=note.share(note.parts.mlp) if config.d_mlp else None,
            positional=positional,
        )
        if route == "q":
            return found
        token = self.reading.ids[self.query]
        offset = self.query - self.k - 1 if config.positions == "rotary" else None
        tokens, rows = self._vocabulary(token)
        match, like = named_by_match(model, note, main, offset, rows), named_by_likeness(model, note, rows)
        token = tokens.index(token)
        cosine = float(like.scores[token])
        return replace(
            found,
            among=len(tokens),
            rank=match.rank(token),
            likeness=None if cosine != cosine else cosine,
            rank_likeness=like.rank(token),
        )

    def _together(self, stream: Stream, writers: tuple[HeadRef, ...], main: HeadRef) -> int | None:
        """The rank of the query's token for what all writers wrote at k + 1, read as one key."""
        notes = [read_note(stream, head, self.k + 1) for head in writers]
        one = replace(notes[0], written=torch.stack([note.written for note in notes]).sum(0))
        token = self.reading.ids[self.query]
        offset = self.query - self.k - 1 if self.opened.model.config.positions == "rotary" else None
        tokens, rows = self._vocabulary(token)
        return named_by_match(self.opened.model, one, main, offset, rows).rank(tokens.index(token))

    def _vocabulary(self, token: int) -> tuple[list[int], Tensor | None]:
        """The tokens that a note may name. Models with MLPs finish their embedding in the first one; that is costly, so
        there it is done for this token and 500 others."""
        model = self.opened.model
        if not model.config.d_mlp:
            return list(range(model.config.vocabulary)), None
        others = torch.randperm(model.config.vocabulary, generator=torch.Generator().manual_seed(0))[:SAMPLED].tolist()
        tokens = [token, *(other for other in others if other != token)]
        return tokens, token_embedding(model, "effective", torch.tensor(tokens))

    def _weights(self, writers: tuple[HeadRef, ...], route: Route) -> Weights | None:
        edges = [edge for edge in composition_of_pairs(self.state, self.task) if edge.kind == route]
        own = [edge for edge in edges if edge.writer in writers and edge.reader in self.roles.induction]
        own = [edge for edge in own if edge.fraction is not None and edge.rank is not None]
        if not own:
            return None
        best = max(own, key=lambda edge: edge.fraction or 0.0)
        assert isinstance(best.writer, HeadRef) and isinstance(best.reader, HeadRef)
        model = self.opened.model
        offset = self.query - self.k - 1 if model.config.positions == "rotary" else None
        circuit = (k_composed_qk if route == "k" else q_composed_qk)(model, best.reader, best.writer, offset)
        size = circuit.norm()
        values = circuit.directions(DIRECTIONS).values.tolist() if size else []
        return Weights(
            writer=best.writer,
            reader=best.reader,
            fraction=best.fraction or 0.0,
            random=best.baseline / (best.ceiling or 1.0),
            rank=best.rank or 0,
            pairs=len(edges),
            directions=tuple((value / size) ** 2 for value in values),
        )

    def _moved(self, writers: tuple[HeadRef, ...], main: HeadRef, route: Route) -> Moved | None:
        k, query, tokens = self.k, self.query, batch(self.reading.ids)
        if k + 2 >= query:
            return None
        model, text = self.opened.model, self.opened.tokenizer.token_text
        move = moved_note if route == "k" else moved_pointer
        beside = [head for head in self.roles.induction if head.layer == main.layer]
        found = move(model, tokens, writers, main, k, query, together=beside)
        others = compared(self.roles, self.opened).others(writers, model.config.all_heads)
        below = [head for head in others[0] if head.layer < main.layer] if others else []
        stay = float(move(model, tokens, below, main, k, query).attention_after[0, 1]) if below else None
        back = None
        if route == "k":
            back = float(moved_note(model, tokens, writers, main, k, query, to=k).attention_after[0, 0])
        return Moved(
            before=_three(found.attention_before),
            after=_three(found.attention_after),
            token_before=text(int(found.top_before[0])),
            token_after=text(int(found.top_after[0])),
            expected_after=text(self.reading.ids[k + 2]),
            others=tuple(below),
            others_stay=stay,
            back_on_copy=back,
        )

    def _value(self, stream: Stream, main: HeadRef) -> Value:
        model, at = self.opened.model, self.k + 1
        weights, scale = View(model).head(main), stream.scale(f"{main.layer}.norm_1")[at]
        parts = {name: (stream.part(name)[at] * scale) @ weights.W_V for name in stream.names(main.layer)}
        whole = torch.stack(list(parts.values())).sum(0)  # (h); biases are not of the stream
        square = float(whole @ whole) or 1.0
        logits = torch.stack([self._raised(stream, head) for head in self.roles.induction]).sum(0)  # (V)
        right = self._right()
        ov = full_ov(model, main)
        return Value(
            sources=tuple(Share(name, float(part @ whole) / square) for name, part in parts.items()),
            rank=int((logits >= logits[right]).sum()),
            best=tuple(self.opened.tokenizer.token_text(token) for token in logits.topk(BEST).indices.tolist()),
            eigenvalues=ov.eigenvalue_score(),
            cosine=ov.identity_cosine(),
            ceiling=ov.identity_ceiling,
        )

    def _outcome(self) -> Outcome:
        """With the readers in place and removed (zero)."""
        model, right, tokens = self.opened.model, self._right(), batch(self.reading.ids)
        logits = []
        for interventions in ((), (Ablate(self.roles.induction),)):
            tap = run_tap(self.task, self.opened, tokens, self.reading.bos, interventions)
            logits.append(model.residual(tokens, tap)[0, self.query] @ model.unembedding)  # (V)
        leads = [float(row[right] - row.mean()) for row in logits]
        chances = [float(row.softmax(-1)[right]) for row in logits]
        best = self.opened.tokenizer.token_text(int(logits[0].argmax()))
        rank = 1 + int((logits[0] > logits[0][right]).sum())
        return Outcome(leads[0], leads[0] - leads[1], chances[0], chances[1], rank, best)


def _three(attention: Tensor) -> tuple[float, float, float]:
    first, second, third = attention[0].tolist()
    return first, second, third


def _shares(names: tuple[str, ...], values: Tensor) -> tuple[Share, ...]:
    """The largest first, for or against."""
    found = [Share(name, float(value)) for name, value in zip(names, values.tolist(), strict=True)]
    return tuple(sorted(found, key=lambda share: -abs(share.value)))
