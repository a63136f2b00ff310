"""The same function in another basis: no number that the app reports may depend on it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from engine.model.transformer import Transformer


def change_of_basis(model: Transformer, seed: int) -> Transformer:
    """A copy whose stream is turned by a random orthogonal matrix and whose heads work in other bases.

    Only for models without norm, MLP, biases or rotary positions.
    """
    assert model.config.norm == "none"
    assert model.config.d_mlp == 0
    assert model.config.positions != "rotary"
    config, torn = model.config, copy.deepcopy(model).double()
    generator = torch.Generator().manual_seed(seed)
    turn = orthogonal(config.d_model, generator)  # (d, d)
    group = config.heads // config.kv_heads
    with torch.no_grad():
        torn.W_E.copy_(torn.W_E @ turn)
        torn.W_pos.copy_(torn.W_pos @ turn)
        torn.W_U.copy_(turn.T @ torn.W_U)
        for layer in torn.layers:
            attention = layer.attention
            shared = [invertible(config.d_head, generator) for _ in range(config.kv_heads)]
            values = [invertible(config.d_head, generator) for _ in range(config.kv_heads)]
            queries = [shared[head // group] for head in range(config.heads)]
            outputs = [values[head // group] for head in range(config.heads)]
            attention.W_Q.copy_(turn.T @ attention.W_Q @ torch.block_diag(*queries))
            attention.W_K.copy_(turn.T @ attention.W_K @ torch.block_diag(*[m.inverse().T for m in shared]))
            attention.W_V.copy_(turn.T @ attention.W_V @ torch.block_diag(*values))
            attention.W_O.copy_(torch.block_diag(*[m.inverse() for m in outputs]) @ attention.W_O @ turn)
    return torn.to(model.W_E.dtype)


def orthogonal(size: int, generator: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q


def invertible(size: int, generator: torch.Generator) -> Tensor:
    """Neither orthogonal nor symmetric; its condition number is 4 at most."""
    stretch = 0.5 + 1.5 * torch.rand(size, generator=generator, dtype=torch.float64)
    return orthogonal(size, generator) * stretch @ orthogonal(size, generator)
