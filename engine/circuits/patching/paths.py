"""Path patching: what goes from one component to another, and nowhere else, is taken from another run.

Noising runs the clean prompt with the path's content from the corrupt one, denoising the other way round. Three
variants, which are not the same and go by their names:

`exact_paths`: direct edges only. The receiver reads its stream less what the senders wrote plus what they write in the
other run, its norm recomputed; all between is as it was. `linearised_paths`: the same with the norm's scale frozen, so
that effects on what is read add up. `four_pass_paths`: the algorithm of Wang et al. 2022 (IOI), in which "direct" may
include what the MLPs between make of it. Behind the receivers the run goes on by itself in all three.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engine.circuits.interventions import edges
from engine.circuits.interventions.edges import HeadInput, PatchInputs, Receiver, Sender, at_places
from engine.circuits.interventions.edits import hold, kept_of
from engine.circuits.interventions.variants import Run, Walk, at_a_time, repeated, widened
from engine.circuits.patching.activations import Direction, Effects
from engine.circuits.patching.corruption import differing
from engine.circuits.patching.metrics import Metric, measured
from engine.model.taps import Capture, chain
from engine.model.transformer import Transformer, untapped

Group = tuple[Sender, ...]


def exact_paths(
    model: Transformer,
    clean: Tensor,
    corrupt: Tensor,
    groups: Sequence[Collection[Sender]],
    receivers: Collection[Receiver],
    metric: Metric,
    direction: Direction = "noising",
    positions: Iterable[int] | None = None,
) -> Iterator[Effects[Group]]:
    """Patch the direct edges from each group of senders to all the receivers; one group after the other.

    clean, corrupt (B, T) tokens, aligned. `[(sender,) for sender in senders_before(...)]` sweeps one receiver over all
    senders. positions: where what is sent changes, None for everywhere. To "logits" goes what the senders write
    directly; beside other receivers, what they come to write because of those is replaced there too.
    Yields some groups at a time; memory is bounded by the budget. Raises ValueError when the prompts do not align or
    a group has no path to any receiver.
    """
    return _paths(model, (clean, corrupt), groups, receivers, metric, direction, positions, frozen=False)


def linearised_paths(
    model: Transformer,
    clean: Tensor,
    corrupt: Tensor,
    groups: Sequence[Collection[Sender]],
    receivers: Collection[Receiver],
    metric: Metric,
    direction: Direction = "noising",
    positions: Iterable[int] | None = None,
) -> Iterator[Effects[Group]]:
    """`exact_paths` with every receiver's norm scale frozen where it was, so that effects on what is read add up."""
    return _paths(model, (clean, corrupt), groups, receivers, metric, direction, positions, frozen=True)


def _paths(
    model: Transformer,
    pair: tuple[Tensor, Tensor],
    groups: Sequence[Collection[Sender]],
    receivers: Collection[Receiver],
    metric: Metric,
    direction: Direction,
    positions: Iterable[int] | None,
    frozen: bool,
) -> Iterator[Effects[Group]]:
    differing(*pair)
    for group in groups:
        edges.check(model.config, group, receivers)
    ends = measured(model, pair[0], metric), measured(model, pair[1], metric)
    orig, new = pair if direction == "noising" else pair[::-1]
    places = edges.places(positions, orig.shape[1])
    chunk = at_a_time(model, orig, len(groups))
    for first in range(0, len(groups), chunk):
        what = tuple(tuple(group) for group in groups[first : first + chunk])
        run = _DirectEdges(model, what, places, frozen).run(orig, new, receivers, metric.reads)
        yield Effects(what, metric(run).unflatten(0, (len(what), -1)), *ends, direction)


class _DirectEdges:
    """The direct edges from some groups of senders, each group one variant of the run that they are patched into."""

    def __init__(self, model: Transformer, groups: tuple[Group, ...], places: tuple[int, ...] | None, frozen: bool):
        self.model, self.groups, self.places, self.frozen = model, groups, places, frozen
        self.outputs = edges.outputs(sender for group in groups for sender in group)

    def run(self, orig: Tensor, new: Tensor, receivers: Collection[Receiver], reads: tuple[str, ...]) -> Run:
        """The run over `orig` with what the senders write in the run over `new` on their edges, n * B rows."""
        model, config = self.model, self.model.config
        layers = sorted({edges.layer_of_receiver(config, receiver) for receiver in receivers})
        heads = [receiver for receiver in receivers if isinstance(receiver, HeadInput)]
        theirs = Walk(model, new, self.outputs).to(layers[-1]).kept
        patch = PatchInputs(self._record(orig, theirs, heads))
        if "logits" not in receivers:
            walk = Walk(model, orig, reads).to(layers[0])
            return walk.branch(repeated(walk.stream, len(self.groups)), patch)
        top = f"{config.layers - 1}.resid_post"
        walk = Walk(model, orig, {*reads, *self.outputs, top}).to(layers[0])
        run = walk.branch(repeated(walk.stream, len(self.groups)), patch)
        ours = {name: run.kept[name].unflatten(0, (len(self.groups), -1)) for name in self.outputs}  # (n, B, T, ...)
        variants = ({name: x[v] for name, x in ours.items()} for v in range(len(self.groups)))
        sent = self._sent(config.layers, theirs, variants, walk.stream)
        return run._replace(final=edges.read_anew(model.norm_final, run.kept[top], sent, self.frozen))

    def _record(self, orig: Tensor, theirs: Mapping[str, Tensor], heads: list[HeadInput]) -> dict[HeadInput, Tensor]:
        """What each head reads, (n*B, T, h), where nothing but its own edges is patched."""
        walk, recorded, count = Walk(self.model, orig, self.outputs), dict[HeadInput, Tensor](), len(self.groups)
        for layer in sorted({receiver.head.layer for receiver in heads}):
            stream, frame = repeated(walk.to(layer).stream, count), widened(walk.frame, count)
            sent = self._sent(layer, theirs, [walk.kept] * count, walk.stream)  # (n*B, T, d)
            for receiver in heads:
                if receiver.head.layer == layer:
                    recorded[receiver] = edges.received(self.model, receiver, stream, sent, frame, self.frozen)
        return recorded

    def _sent(
        self, layer: int, theirs: Mapping[str, Tensor], ours: Iterable[Mapping[str, Tensor]], like: Tensor
    ) -> Tensor:
        """(n*B, T, d): what changes in the stream before a layer as its reader sees it, variant by variant."""
        pairs = zip(self.groups, ours, strict=True)
        sent = [edges.sent(self.model, group, layer, theirs, kept, like) for group, kept in pairs]
        return at_places(torch.cat(sent), self.places)


def four_pass_paths(
    model: Transformer,
    clean: Tensor,
    corrupt: Tensor,
    senders: Collection[Sender],
    receivers: Collection[Receiver],
    metric: Metric,
    direction: Direction = "noising",
    positions: Iterable[int] | None = None,
    freeze_mlps: bool = False,
) -> Effects[Group]:
    """Path patching as Wang et al. 2022 do it: from the senders to the receivers past every other head.

    (A) run the other prompt and keep what the senders write; (B) run this one and keep all queries, keys and values;
    (C) run it with those frozen and the senders as in (A), and note what the receivers read; (D) run it once more with
    that patched in. MLPs between are recomputed, so paths through them count as direct, unless `freeze_mlps`.
    Memory 6 B T H h a layer. Raises ValueError as `exact_paths`, and for logits beside other receivers, because (D) has
    no place for both.
    """
    differing(clean, corrupt)
    edges.check(model.config, senders, receivers)
    if "logits" in receivers and len(set(receivers)) > 1:
        raise ValueError("the four-pass variant patches the logits or heads, not both: ask for each by itself")
    orig, new = (clean, corrupt) if direction == "noising" else (corrupt, clean)
    places = edges.places(positions, orig.shape[1])
    given = kept_of(model, new, untapped, edges.outputs(senders).__contains__)  # (A)
    plain = kept_of(model, orig, untapped, _frozen(freeze_mlps))  # (B)
    noted, seen = Capture(_inputs), Capture(frozenset(metric.reads).__contains__)
    send = edges.PatchOutputs(senders, given, places)
    final = model.residual(orig, chain(noted, hold(plain), send, seen))  # (C)
    if "logits" not in receivers:
        heads = [receiver for receiver in receivers if isinstance(receiver, HeadInput)]
        recorded = {at: noted.kept[f"{at.head.layer}.{at.part}"][:, :, at.head.head] for at in heads}
        final = model.residual(orig, chain(PatchInputs(recorded), seen))  # (D)
    values = metric(Run(final, seen.kept))[None]  # (1, B)
    ends = measured(model, clean, metric), measured(model, corrupt, metric)
    return Effects((tuple(senders),), values, *ends, direction)


def _inputs(name: str) -> bool:
    return name.endswith((".q", ".k", ".v"))


def _frozen(mlps: bool) -> Callable[[str], bool]:
    return lambda name: _inputs(name) or (mlps and name.endswith(".mlp_out"))
