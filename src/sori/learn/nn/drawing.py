"""Drawing codes from what a network says of their chances, the same whatever the batch."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic.dataclasses import dataclass
from torch import Tensor

from sori.learn.mel import strict

Logits = Float[Tensor, "B V"]


@dataclass(config=strict, frozen=True)
class Sampling:
    """How codes are drawn.

    Args:
        top_p: the likeliest codes that together have this probability may be drawn.
        repetition: logits of codes drawn before are divided by it, or multiplied where negative.
        limit: codes at most, about 21.5 a second at the published rate.
        batch: candidates that are drawn together; it changes only how numbers round.
    """

    temperature: float = 0.8
    top_p: float = 0.8
    repetition: float = 2.0
    limit: int = 500
    batch: int = 48


def uniforms(seed: int, count: int, limit: int) -> Float[Tensor, "N K"]:
    """Even noise from 0 to 1; row i depends on the seed and i alone."""
    rows = [np.random.default_rng((seed, number)).random(limit) for number in range(count)]
    return torch.from_numpy(np.stack(rows))


def penalised(logits: Logits, heard: Bool[Tensor, "B V"], repetition: float) -> Logits:
    """Make codes that were heard before less likely.

    Source: Keskar et al. 2019, "CTRL", section 4.1, arXiv:1909.05858.
    """
    less = torch.where(logits > 0, logits / repetition, logits * repetition)
    return torch.where(heard, less, logits)


def nucleus(chances: Logits, top_p: float) -> Bool[Tensor, "B V"]:
    """The fewest codes that together have at least this probability.

    Source: Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration", section 3.1,
    arXiv:1904.09751.
    """
    ordered, order = chances.sort(dim=1, descending=True, stable=True)
    kept = ordered.cumsum(dim=1) - ordered < top_p
    return torch.zeros_like(kept).scatter(1, order, kept)


def draw(
    logits: Logits,
    heard: Bool[Tensor, "B V"],
    noise: Float[Tensor, " B"],
    manner: Sampling,
) -> Int[Tensor, " B"]:
    """The code at which the running sum of probabilities passes the noise."""
    logits = penalised(logits.double(), heard, manner.repetition)
    chances = (logits / manner.temperature).softmax(dim=1)
    sums = (chances * nucleus(chances, manner.top_p)).cumsum(dim=1)
    return torch.searchsorted(sums, noise[:, None] * sums[:, -1:], right=True)[:, 0]
