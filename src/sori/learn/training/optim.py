"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

FUSED_ON = ("cpu", "cuda")  # where PyTorch updates all weights in one pass over memory
WEIGHT_DECAY = 0.01
MUON_MOMENTUM = 0.9  # our runs are short; 0.95 is usual
MUON_NARROWEST = 4  # a matrix of fewer rows or columns has too few directions to set right

Choice = Literal["adamw", "muon"]


def make_optimizer(
    player: nn.Module, rate: float, betas: tuple[float, float], choice: Choice = "adamw"
) -> Optimizer:
    """An optimizer over the weights of one player that want gradients.

    Args:
        choice: "adamw" for all; with "muon" matrices are moved by Muon and the rest by AdamW.
    """
    weights = [p for p in player.parameters() if p.requires_grad]
    if choice == "adamw":
        return adamw(weights, rate, betas)
    tables = {id(m.weight) for m in player.modules() if isinstance(m, nn.Embedding)}
    matrices = [
        p for p in weights if p.ndim == 2 and min(p.shape) >= MUON_NARROWEST and id(p) not in tables
    ]
    if not matrices:
        return adamw(weights, rate, betas)
    taken = {id(p) for p in matrices}
    return MuonAndAdamW(matrices, [p for p in weights if id(p) not in taken], rate, betas)


def adamw(weights: list[nn.Parameter], rate: float, betas: tuple[float, float]) -> Optimizer:
    """AdamW whose weight decay spares biases, norms and scales."""
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in FUSED_ON for p in weights)
    kept = [group for group in groups if group["params"]]
    return torch.optim.AdamW(kept, lr=rate, betas=betas, fused=fused)


class MuonAndAdamW(Optimizer):
    """Muon for matrices inside a network, which moves all their directions by equally much, and
    AdamW for the rest; the size of the steps is such that one learning rate does for both.

    Sources: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; for the
    size of the steps, Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2,
    arXiv:2502.16982.
    """

    def __init__(
        self,
        matrices: list[nn.Parameter],
        rest: list[nn.Parameter],
        rate: float,
        betas: tuple[float, float],
    ):
        muon = torch.optim.Muon(
            matrices,
            lr=rate,
            momentum=MUON_MOMENTUM,
            weight_decay=WEIGHT_DECAY,
            adjust_lr_fn="match_rms_adamw",
        )
        self.parts = [muon, *([adamw(rest, rate, betas)] if rest else [])]
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self.join()

    def join(self) -> None:
        """Let the parts work on the groups and the state that stand here."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.state = self.state
            part.param_groups = [next(groups) for _ in part.param_groups]

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self.parts:
            part.step()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:  # type: ignore[override]
        super().load_state_dict(dict(state_dict))
        self.join()


def rate_at(step: int, rate: float, warmup: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to a twentieth of the rate at the last step."""
    if step < warmup:
        return rate * (step + 1) / warmup
    done = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
