"""Optimizers and learning-rate schedules."""

import math

import torch
from torch import nn
from torch.optim import Optimizer

FUSED_ON = ("cpu", "cuda")  # where PyTorch updates all weights in one pass over memory


def make_optimizer(player: nn.Module, rate: float, betas: tuple[float, float]) -> Optimizer:
    """AdamW over the weights of one player; weight decay spares biases, norms and scales."""
    weights = [p for p in player.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in FUSED_ON for p in weights)
    kept = [group for group in groups if group["params"]]
    return torch.optim.AdamW(kept, lr=rate, betas=betas, fused=fused)


def rate_at(step: int, rate: float, warmup: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to a twentieth of the rate at the last step."""
    if step < warmup:
        return rate * (step + 1) / warmup
    done = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
