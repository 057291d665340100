"""Gates that learn to open or to close: one for every channel of every prunable dimension.

    u ~ U(0, 1),   s = sigmoid((log u - log(1 - u) + log a) / beta)
    z = min(1, max(0, s (high - low) + low))

Sources: Louizos et al. 2018, "Learning Sparse Neural Networks through L0 Regularization", section
2.2, arXiv:1712.01312; Huang et al. 2023, "Personalized Lightweight Text-to-Speech: Voice Cloning
with Adaptive Structured Pruning", section 2.2, arXiv:2303.11816.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.learn.nn.prunable import Structure

Logits = Float[Tensor, " C"]  # log a of every channel
OPEN_LOGIT = math.log(0.99 / 0.01)  # of a gate before it has learned anything: open 99 times in 100
NARROWEST = 1e-6


class Form(NamedTuple):
    """The shape of a gate's distribution: `temperature` is beta; `low` and `high` stretch it."""

    temperature: float
    low: float
    high: float

    @property
    def shift(self) -> float:
        """Where, in log a, a gate is as likely closed as not; 0 without a stretch."""
        return self.temperature * math.log(-self.low / self.high) if self.low < 0 else -math.inf


# Stretched is the papers' form, which can be exactly 0 or 1. Soft is what the authors of the
# pruning paper released: a binary concrete of temperature 1.
FORMS = {"stretched": Form(2 / 3, -0.1, 1.1), "soft": Form(1.0, 0.0, 1.0)}


def sample(logits: Logits, form: Form) -> Logits:
    """Draw gates."""
    u = torch.rand_like(logits).clamp(NARROWEST, 1 - NARROWEST)
    s = torch.sigmoid((u.log() - (-u).log1p() + logits) / form.temperature)
    return (s * (form.high - form.low) + form.low).clamp(0, 1)


def probability_open(logits: Logits, form: Form) -> Logits:
    """P(z != 0) = sigmoid(log a - beta log(-low / high)); 1 where nothing is stretched."""
    return torch.sigmoid(logits - form.shift)


def without_noise(logits: Logits, form: Form) -> Logits:
    """The gate without noise: min(1, max(0, sigmoid(log a) (high - low) + low))."""
    return (torch.sigmoid(logits) * (form.high - form.low) + form.low).clamp(0, 1)


def decide(logits: Logits) -> Bool[Tensor, " C"]:
    """Which channels stay: z = 1 where log a >= 0, whatever the temperature."""
    return logits >= 0


class Gates(nn.Module):
    """A logit for every channel of every dimension; gates start open.

    Raises:
        SoriError: the form is not known.
    """

    def __init__(self, structure: Structure, form: str = "stretched"):
        super().__init__()
        if form not in FORMS:
            raise SoriError(f"unknown form of gates {form!r}; known are {', '.join(FORMS)}")
        self.form = FORMS[form]
        self.names = list(structure.sizes)
        self.logits = nn.ParameterList([
            nn.Parameter(torch.full((size,), OPEN_LOGIT)) for size in structure.sizes.values()
        ])

    def each(self) -> dict[str, Tensor]:
        """The logits by the names of their dimensions."""
        return dict(zip(self.names, self.logits, strict=True))

    def sample(self) -> dict[str, Tensor]:
        return {name: sample(logits, self.form) for name, logits in self.each().items()}

    def probability_open(self) -> dict[str, Tensor]:
        return {name: probability_open(logits, self.form) for name, logits in self.each().items()}

    def decide(self) -> dict[str, Tensor]:
        """Which channels of every dimension stay."""
        return {name: decide(logits.detach()) for name, logits in self.each().items()}

    @torch.no_grad()
    def shift(self, by: float) -> None:
        """Add a number to all logits, so that more or fewer gates stay open."""
        for logits in self.logits:
            logits.add_(by)
