"""Optimizers and learning-rate schedules."""

import math

import torch
from torch import nn
from torch.optim import Optimizer


def make_optimizer(player: nn.Module, rate: float, betas: tuple[float, float]) -> Optimizer:
    """AdamW over the weights of one player; weight decay spares biases, norms and scales."""
    matrices = [p for p in player.parameters() if p.ndim > 1 and p.requires_grad]
    vectors = [p for p in player.parameters() if p.ndim <= 1 and p.requires_grad]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=betas)


def rate_at(step: int, rate: float, warmup: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to a twentieth of the rate at the last step."""
    if step < warmup:
        return rate * (step + 1) / warmup
    done = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
