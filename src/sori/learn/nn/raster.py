"""Convolutions that see only the pixels before their own, row by row and channel by channel."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.nn.pixels import PerItem, Pixels

Logits = Float[Tensor, "B C V H W"]
Maps = Float[Tensor, "B C H W"]


class RasterConv(nn.Conv2d):
    """A convolution whose kernel is zero at all pixels behind the centre.

    At the centre, channels of a colour see those of colours before it and, under mask "B", of the
    same colour. Channels belong to colours in equal blocks, once in each of `repeats` parts.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", section 3.4,
    arXiv:1601.06759.
    """

    mask: Tensor

    def __init__(  # noqa: PLR0913 - of a convolution and its mask
        self,
        channels_in: int,
        channels_out: int,
        kernel: tuple[int, int],
        mask: Literal["A", "B"],
        colours: int = 1,
        repeats: int = 1,
    ):
        rows, columns = kernel
        super().__init__(channels_in, channels_out, kernel, padding=(rows // 2, columns // 2))
        seen = torch.zeros(channels_out, channels_in, rows, columns)
        seen[:, :, : rows // 2] = 1
        seen[:, :, rows // 2, : columns // 2] = 1
        source = colour_of(channels_in, colours)
        target = colour_of(channels_out // repeats, colours).repeat(repeats)
        earlier = source[None] < target[:, None]
        same = (source[None] == target[:, None]) & (mask == "B")
        seen[:, :, rows // 2, columns // 2] = (earlier | same).float()
        self.register_buffer("mask", seen, persistent=False)

    def forward(self, x: Maps) -> Float[Tensor, "B C_out H W"]:
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


def colour_of(channels: int, colours: int) -> Tensor:
    """The colour that every channel belongs to: equal blocks in order."""
    return torch.arange(channels) * colours // channels


def log_prob(logits: Logits, pixels: Pixels) -> PerItem:
    """Log probability of images whose pixels are levels under these logits."""
    each = logits.log_softmax(dim=2).gather(2, pixels[:, :, None])
    return each.flatten(1).sum(dim=1)


@torch.no_grad()
def draw(network: Callable[[Pixels], Logits], size: tuple[int, int, int, int]) -> Pixels:
    """Draw images of a size (B, C, H, W), pixel by pixel.

    A pass for each colour of each pixel; rows below it are left out, because nothing sees them.
    """
    _, colours, height, width = size
    pixels = torch.zeros(size, dtype=torch.long)
    for row in range(height):
        for column in range(width):
            for colour in range(colours):
                logits = network(pixels[:, :, : row + 1])[:, colour, :, row, column]
                pixels[:, colour, row, column] = torch.multinomial(logits.softmax(dim=1), 1)[:, 0]
    return pixels


def seen_by(
    network: Callable[[Maps], Maps], channels: int, size: tuple[int, int], pixel: tuple[int, int]
) -> Bool[Tensor, "H W"]:
    """Which pixels one output of a network depends on, by its gradient.

    Args:
        size: height and width of the image.
        pixel: row and column of the output.
    """
    x = torch.randn(1, channels, *size, dtype=torch.float64, requires_grad=True)
    network(x)[0, :, pixel[0], pixel[1]].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().sum(dim=0) > 0
