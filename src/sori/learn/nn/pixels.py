"""Quantised images, (B, C, H, W) with levels from 0: how densities of them are counted."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sori.learn.contracts import Update
from sori.learn.nn.distributions import standard_log_prob

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


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class PixelBatch:
    pixels: Pixels


class LikelihoodTask(nn.Module):
    """Maximum likelihood of a model that tells its `bits`, in bits per dimension.

    Args (of the constructor):
        model: makes it from its config.
    """

    def __init__(self, model: Callable[[Any], nn.Module], config: Any):
        super().__init__()
        self.model: Any = model(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: PixelBatch) -> Iterator[Update]:
        loss = self.model.bits(batch.pixels).mean()
        yield Update("model", loss, {"nll": loss})


class ImageFlow(nn.Module, ABC):
    """A flow between images whose values lie in (0, 1) and noise of the same size.

    Args (of the constructor):
        levels: that a pixel has.
    """

    def __init__(self, levels: int):
        super().__init__()
        self.levels = levels

    @abstractmethod
    def forward(self, image: Image) -> tuple[Image, PerItem]:
        """Noise of an image, and log|det|."""

    @abstractmethod
    def inverse(self, z: Image) -> Image:
        """The image of a noise."""

    def bits(self, pixels: Pixels) -> PerItem:
        """At most so many bits per dimension."""
        z, log_det = self(dequantise(pixels, self.levels))
        log_density = standard_log_prob(z) + log_det
        return bits_per_dimension(density_of_levels(log_density, pixels, self.levels), pixels)

    def sample(self, size: tuple[int, int, int, int], temperature: float = 1.0) -> Pixels:
        """Draw images."""
        return quantise(self.inverse(temperature * torch.randn(size)), self.levels)
