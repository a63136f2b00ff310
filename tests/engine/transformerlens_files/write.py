"""Writes the checkpoints beside it, and what TransformerLens makes of them.

`HookedTransformer`, whose files these are, left TransformerLens with version 4; run this with version 3.9 installed:
`python tests/engine/transformerlens_files/write.py`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

SHAPE = {
    "n_layers": 2,
    "d_model": 16,
    "d_head": 4,
    "n_heads": 4,
    "n_ctx": 20,
    "d_vocab": 23,
    "seed": 0,
    "device": "cpu",
}
BARE: dict[str, Any] = {"attn_only": True, "normalization_type": None}
CHECKPOINTS: dict[str, dict[str, Any]] = {
    "shortformer": BARE | {"positional_embedding_type": "shortformer"},
    "standard": BARE | {"positional_embedding_type": "standard"},
    "standard-norms": {"attn_only": True, "normalization_type": "LN"},
    "folded-norms": {"attn_only": True, "normalization_type": "LNPre", "positional_embedding_type": "shortformer"},
    "rms-norms": {"attn_only": True, "normalization_type": "RMS"},
    "rotary": BARE | {"positional_embedding_type": "rotary", "rotary_dim": 4, "rotary_base": 100},
    "rotary-neighbours": BARE
    | {"positional_embedding_type": "rotary", "rotary_dim": 4, "rotary_adjacent_pairs": True, "attn_scale": 2.0},
    "mlps": {"normalization_type": "LN", "act_fn": "gelu_new", "d_mlp": 24},
}


def write(folder: Path, changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = HookedTransformer(HookedTransformerConfig(**(SHAPE | changes)))
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(
            weight, mean=1.0 if name.endswith(".w") else 0.0, std=0.0 if name.endswith("b_U") else 0.6
        )
    tokens = torch.randint(0, 23, (2, 20))
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
    patterns = torch.stack([cache["pattern", layer] for layer in range(2)], dim=1)  # (B, L, H, T, T)
    folder.mkdir(exist_ok=True)
    fields = {name: value for name, value in model.cfg.to_dict().items() if name != "dtype"}
    (folder / "config.json").write_text(json.dumps(fields, default=float, indent=1), encoding="utf-8")
    save_file(model.state_dict(), folder / "model.safetensors")
    save_file({"tokens": tokens, "logits": logits, "patterns": patterns.contiguous()}, folder / "answers.safetensors")


if __name__ == "__main__":
    for kind, changes in CHECKPOINTS.items():
        write(Path(__file__).parent / kind, changes)
