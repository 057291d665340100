"""Exponential moving average of weights."""

import torch
from torch import Tensor, nn


class Average:
    """Keeps a slowly following copy of a network's weights.

        a <- d a + (1 - d) w,   d = min(decay, (1 + n) / (10 + n)) at update n

    Source: Polyak & Juditsky 1992; the warm-up of the decay is that of TensorFlow's
    ExponentialMovingAverage, so that early weights are forgotten.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            kept = self.weights[name]
            if value.is_floating_point():
                kept.lerp_(value, 1 - decay)
            else:
                kept.copy_(value)

    def state(self) -> dict[str, Tensor]:
        return self.weights
