"""Quantised images, (B, C, H, W) with levels from 0: how densities of them are counted."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

Pixels = Int[Tensor, "B C H W"]
Image = Float[Tensor, "B C H W"]
PerItem = Float[Tensor, " B"]

CONSTRAINT = 0.9  # keeps logits finite; the common reading of the paper's alpha of 0.05


def dequantise(pixels: Pixels, levels: int) -> Image:
    """Spread every level evenly over its part of [0, 1).

    The density of the result bounds the probability of the levels: log P(x) >= E_u log p(x + u).

    Source: Theis et al. 2016, "A Note on the Evaluation of Generative Models", section 3.1,
    arXiv:1511.01844.
    """
    return (pixels + torch.rand(pixels.shape, device=pixels.device)) / levels


def quantise(image: Image, levels: int) -> Pixels:
    """The levels that values from 0 to 1 lie in."""
    return (image * levels).floor().long().clamp(0, levels - 1)


def centred(pixels: Pixels, levels: int) -> Image:
    """Levels as numbers from -1 to 1."""
    return 2 * pixels / (levels - 1) - 1


def to_logits(image: Image) -> tuple[Image, PerItem]:
    """Stretch [0, 1] over all numbers; also log|det|.

        y = logit((1 - c) / 2 + c x)

    Source: Dinh et al. 2017, "RealNVP", section 4.1, arXiv:1605.08803.
    Deviation: squeezed at both ends, where the paper's formula is infinite at 1.
    """
    inside = (1 - CONSTRAINT) / 2 + CONSTRAINT * image
    slope = math.log(CONSTRAINT) - inside.log() - torch.log1p(-inside)
    return torch.logit(inside), slope.flatten(1).sum(dim=1)


def from_logits(y: Image) -> Image:
    """Inverse of `to_logits`."""
    return (torch.sigmoid(y) - (1 - CONSTRAINT) / 2) / CONSTRAINT


def bits_per_dimension(log_prob: PerItem, pixels: Pixels) -> PerItem:
    """Bits that a code needs for every pixel, from the log probability of levels in nats."""
    return -log_prob / (pixels[0].numel() * math.log(2))


def density_of_levels(log_density: PerItem, pixels: Pixels, levels: int) -> PerItem:
    """Log probability of levels from the log density of images on [0, 1]: each has a bin."""
    return log_density - pixels[0].numel() * math.log(levels)
