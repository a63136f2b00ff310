"""The timing of a training step. Never imported by tests."""

from __future__ import annotations

from collections.abc import Callable

from engine.bench_rows import Row, alternating, row

BUDGET = 1.3
STEPS, RUNS = 10, 15


def training_step() -> Row:
    """Ten steps of the small recipe, rows drawn and all, against a bare loop of PyTorch over one ready-made batch."""
    import numpy as np
    import torch
    from torch.nn import functional

    from engine.training.data import RowMaker
    from engine.training.recipes import RECIPES
    from engine.training.run import Run

    recipe = RECIPES["instant"]
    ours, theirs = Run(recipe, 0), Run(recipe, 0)
    stage = recipe.stages[0]
    maker = RowMaker(theirs.text, theirs.known, 0, np.random.default_rng(1))
    rows = maker.rows(stage.mix, stage.rows, stage.row_length)
    tokens = torch.from_numpy(np.stack([one.tokens for one in rows]))  # (B, T)
    model, optimizer = theirs.model, torch.optim.AdamW(theirs.model.parameters(), lr=1e-3, betas=(0.9, 0.98))

    def bare() -> None:
        for _ in range(STEPS):
            logits = model(tokens)[:, :-1].flatten(0, 1)
            loss = functional.cross_entropy(logits, tokens[:, 1:].flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    ours.advance(STEPS)
    bare()
    mine, floor = (taken / STEPS for taken in alternating(lambda: ours.advance(STEPS), bare, RUNS))
    against = "a bare loop of PyTorch: the same model, one batch of the same size, AdamW; one thread both"
    return row("training_step", mine, floor, against, mine / floor, BUDGET, mine / floor <= BUDGET, RUNS)


ROWS: dict[str, Callable[[], Row]] = {"training_step": training_step}
