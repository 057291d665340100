"""PixelCNN: the probability of an image, pixel after pixel.

    p(x) = prod_i p(x_i | x_1 ... x_{i-1})

Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", section 3.4, arXiv:1601.06759.
Stacked masked convolutions leave a blind spot to the upper right: with L layers of 3 x 3 kernels
L (L - 1) / 2 pixels of the past reach nothing (see `gated_pixelcnn`).
"""

from functools import partial

from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Spec
from sori.learn.mel import strict
from sori.learn.nn.pixels import (
    LikelihoodTask,
    PerItem,
    PixelBatch,
    Pixels,
    bits_per_dimension,
    centred,
)
from sori.learn.nn.raster import Logits, Maps, RasterConv, draw, log_prob


@dataclass(config=strict, frozen=True)
class PixelCNNConfig:
    """Defaults are the paper's values for CIFAR-10."""

    colours: int = 3
    levels: int = 256
    first_kernel: int = 7
    blocks: int = 15
    kernel: int = 3
    width: int = 128  # of the residual path's inside; the path itself is twice as wide
    last_width: int = 1024


class Block(nn.Module):
    """Narrow, look around, widen, add.

    Source: Figure 5 of the paper.
    """

    def __init__(self, config: PixelCNNConfig):
        super().__init__()
        width, colours = config.width, config.colours
        sides = (config.kernel, config.kernel)
        self.narrow = RasterConv(2 * width, width, (1, 1), "B", colours)
        self.look = RasterConv(width, width, sides, "B", colours)
        self.widen = RasterConv(width, 2 * width, (1, 1), "B", colours)

    def forward(self, x: Maps) -> Maps:
        return x + self.widen(F.relu(self.look(F.relu(self.narrow(F.relu(x))))))


class PixelCNN(nn.Module):
    """Levels in, the logits of every level at every pixel out."""

    def __init__(self, config: PixelCNNConfig):
        super().__init__()
        self.config = config
        colours, width = config.colours, 2 * config.width
        first = (config.first_kernel, config.first_kernel)
        self.enter = RasterConv(colours, width, first, "A", colours)
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.blocks)))
        self.read = RasterConv(width, config.last_width, (1, 1), "B", colours)
        self.leave = RasterConv(config.last_width, colours * config.levels, (1, 1), "B", colours)

    def forward(self, pixels: Pixels) -> Logits:
        levels = self.config.levels
        return self.look(centred(pixels, levels)).unflatten(1, (self.config.colours, levels))

    def look(self, image: Maps) -> Float[Tensor, "B O H W"]:
        """The logits of all colours, one behind the other, from values between -1 and 1."""
        x = self.blocks(self.enter(image))
        return self.leave(F.relu(self.read(F.relu(x))))

    def bits(self, pixels: Pixels) -> PerItem:
        """Bits per dimension, exactly."""
        return bits_per_dimension(log_prob(self(pixels), pixels), pixels)

    def sample(self, size: tuple[int, int, int, int]) -> Pixels:
        """Draw images."""
        return draw(self, size)


SPEC = Spec(
    paper="arXiv:1601.06759",
    config=PixelCNNConfig,
    model=PixelCNN,
    task=partial(LikelihoodTask, PixelCNN),
    batch=PixelBatch,
    tiny=PixelCNNConfig(colours=1, levels=4, first_kernel=3, blocks=1, width=8, last_width=16),
)
