"""A training run that can be stopped and gone on with: the same seed gives the same numbers, however often it paused.

Everything that the next step depends on is in `save`: weights, the optimizer's moments, and both generators of random
numbers. Nothing here measures or writes films: trainer.py.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.values import Intervention
from engine.model.loaders.header import ModelFileError
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Tap, Transformer, untapped
from engine.training import vocabulary
from engine.training.data import RowMaker, read_blocks
from engine.training.disturbances import Change, Disturbance, Freeze, Mix, check, parse
from engine.training.recipes import Recipe, Stage

THREADS = 1  # fixed, because another number of threads adds up in another order
FORMAT = "headscope-run-1"


class Diverged(ValueError):
    """The loss is no number any more: in one line, at which step."""


class Run:
    """`step` steps have been made. Two runs of one recipe and seed are the same, bit for bit, on one machine."""

    def __init__(self, recipe: Recipe, seed: int, disturbances: Sequence[Disturbance] = ()) -> None:
        torch.manual_seed(seed)
        torch.set_num_threads(THREADS)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a check of torch's own that costs a tenth
        for one in disturbances:
            check(one.value, recipe)
        self.recipe, self.seed, self.disturbances, self.step = recipe, seed, tuple(disturbances), 0
        self.generator = np.random.default_rng(seed)
        self.tokenizer = make_tokenizer(recipe)
        self.model = initial_model(recipe)
        self.text = encoded(self.tokenizer, recipe, held_out=False)
        self.order = self.generator.permutation(self.tokenizer.ordinary)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.stages[0].rate_start, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )

    @property
    def done(self) -> bool:
        return self.step >= self.recipe.steps

    @property
    def stage(self) -> tuple[Stage, int]:
        """The stage of the next step, and the step's place in it."""
        place = self.step
        for stage in self.recipe.stages:
            if place < stage.steps:
                return stage, place
            place -= stage.steps
        return self.recipe.stages[-1], self.recipe.stages[-1].steps

    @property
    def known(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The tokens in use now."""
        return np.sort(self.order[: self.stage[0].vocabulary])

    def _now(self) -> list[Change]:
        return [one.value for one in self.disturbances if one.acts(self.step)]

    def acting(self) -> list[Intervention]:
        """What is done to the forward pass now."""
        return [value for value in self._now() if not isinstance(value, Freeze | Mix)]

    def advance(self, steps: int = 1) -> None:
        """Make so many steps, fewer where the recipe ends. Raises Diverged where the loss is no number; the weights are
        then those before that step."""
        for _ in range(min(steps, self.recipe.steps - self.step)):
            stage, place = self.stage
            rate = _rate(stage, place) * min(1.0, (self.step + 1) / self.recipe.warm_up)
            self._step(stage, rate)
            self.step += 1

    def _step(self, stage: Stage, rate: float) -> None:
        maker = RowMaker(self.text, self.known, self.tokenizer.bos or 0, self.generator, stage.burst)
        mixes = [value for value in self._now() if isinstance(value, Mix)]
        rows = maker.rows(dict(mixes[-1].shares) if mixes else stage.mix, stage.rows, stage.row_length)
        tokens = torch.from_numpy(np.stack([row.tokens for row in rows]))  # (B, T)
        copied = np.stack([row.copied for row in rows])[:, 1:]  # (B, T-1)
        share = self.generator.random(copied.shape) < stage.plain_share
        chosen = torch.from_numpy(np.flatnonzero(copied | share))  # (n)
        targets = tokens[:, 1:].flatten()[chosen]  # (n)
        unembedding = self.model.unembedding
        if stage.vocabulary is not None:
            known = torch.from_numpy(maker.ordinary)
            unembedding, targets = unembedding[:, known], torch.searchsorted(known, targets)
        stream = self.model.residual(tokens, self._tap(tokens))
        logits = stream[:, :-1].flatten(0, 1)[chosen] @ unembedding  # (n, V)
        loss = functional.cross_entropy(logits, targets)
        if not bool(loss.isfinite()):
            raise Diverged(f"the loss is no number at step {self.step}: a smaller learning rate may do")
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._hold()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def _hold(self) -> None:
        """Frozen weights have no gradient; the optimizer then leaves them and their moments alone."""
        held = [value for value in self._now() if isinstance(value, Freeze)]
        for name, weight in self.model.named_parameters():
            if any(one.holds(name) for one in held):
                weight.grad = None

    def _tap(self, tokens: Tensor) -> Tap:
        values = self.acting()
        return tap_for(self.model, tokens, values, self.tokenizer.bos) if values else untapped

    # ------------------------------------------------------------ stopped and gone on with
    def save(self, path: Path) -> None:
        """Whole or not at all. Raises OSError, e.g. where the disk is full; an older file stays as it was."""
        tensors = {f"model/{name}": value.detach() for name, value in self.model.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": value for name, value in state.items()}
        tensors["torch"] = torch.get_rng_state()
        notes = {
            "format": FORMAT,
            "recipe": self.recipe.name,
            "config": json.dumps(self.recipe.config.to_dict()),
            "seed": str(self.seed),
            "step": str(self.step),
            "numpy": json.dumps(self.generator.bit_generator.state),
            "disturbances": json.dumps([[str(one.value), one.start, one.end] for one in self.disturbances]),
        }
        temporary = path.with_name(f".{path.name}.part")
        try:
            save_file({name: value.contiguous().clone() for name, value in tensors.items()}, temporary, metadata=notes)
            os.replace(temporary, path)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def resumed(cls, recipe: Recipe, path: Path, disturbances: Sequence[Disturbance] | None = None) -> Run:
        """Go on from a saved run as if it had never stopped. Other `disturbances` than the saved ones make it a fork.

        Raises ModelFileError, in one line, for a file that is damaged or of another recipe.
        """
        try:
            with safe_open(path, "pt") as file:
                notes = dict(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (a file, not a dict)
            if notes.get("format") != FORMAT:
                raise ModelFileError(f"{path.name} is no saved training run")
            if notes["config"] != json.dumps(recipe.config.to_dict()) or notes["recipe"] != recipe.name:
                raise ModelFileError(f"{path.name} is a run of another recipe, {notes['recipe'][:40]!r}")
            saved = [Disturbance(parse(line), start, end) for line, start, end in json.loads(notes["disturbances"])]
            run = cls(recipe, int(notes["seed"]), saved if disturbances is None else disturbances)
            run._restore(notes, tensors)
        except (OSError, SafetensorError) as error:
            raise ModelFileError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from None
        except (KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
            raise ModelFileError(f"{path.name} is damaged: {type(error).__name__} in its state") from None
        return run

    def _restore(self, notes: dict[str, str], tensors: dict[str, Tensor]) -> None:
        weights = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
        self.model.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                _, number, part = name.split("/")
                state.setdefault(int(number), {})[part] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.generator.bit_generator.state = json.loads(notes["numpy"])
        torch.set_rng_state(tensors["torch"])
        self.step = int(notes["step"])


def make_tokenizer(recipe: Recipe) -> Tokenizer:
    if recipe.words:
        return vocabulary.words(recipe.words)
    return vocabulary.byte_pairs(recipe.sources, recipe.config.vocabulary)


def encoded(tokenizer: Tokenizer, recipe: Recipe, held_out: bool) -> np.ndarray[Any, np.dtype[np.int64]]:
    """All text of the recipe as one stream of tokens; the held-out part has every source once."""
    ids: list[int] = []
    for source, times in recipe.sources.items():
        once = [number for block in read_blocks(source, held_out) for number in tokenizer.encode(block, bos=False)]
        ids += once * (1 if held_out else times)
    return np.asarray(ids, dtype=np.int64)


def initial_model(recipe: Recipe) -> Transformer:
    """Attention weights of variance 1/fan_in, embeddings large enough that first attention is not flat, sinusoidal
    positions: with the usual std of 0.02 no induction head forms in models of this size."""
    model = Transformer(recipe.config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("W_Q", "W_K", "W_V", "W_O", "W_U")):
                weight.normal_(0.0, 1.0 / math.sqrt(weight.shape[0]))
        model.W_E.normal_(0.0, recipe.embedding_std)  # (V, d)
        if recipe.config.positions in ("shortformer", "absolute"):
            model.W_pos.copy_(sinusoids(*model.W_pos.shape) * recipe.position_scale)  # (T, d)
        if recipe.unembedding_scale:
            model.W_U.copy_(model.W_E.T * recipe.unembedding_scale)  # (d, V)
    return model


def sinusoids(length: int, width: int) -> Tensor:
    """(T, d) sines and cosines of Vaswani et al. 2017."""
    angles = torch.outer(torch.arange(length), 10_000.0 ** (-torch.arange(0, width, 2) / width))  # (T, d/2)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)  # (T, d)


def _rate(stage: Stage, place: int) -> float:
    """Cosine from the stage's first to its last learning rate."""
    share = 0.5 * (1.0 + math.cos(math.pi * place / stage.steps))
    return stage.rate_end + (stage.rate_start - stage.rate_end) * share
