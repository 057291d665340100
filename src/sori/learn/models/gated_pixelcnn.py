"""Gated PixelCNN: two stacks of convolutions that together see every pixel of the past.

The vertical stack reads all rows above, without a mask; the horizontal one reads its own row to the
left, and what the vertical stack says. Nothing flows back, so nothing behind a pixel reaches it.

Source: van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", section 2,
arXiv:1606.05328.
Deviation: every layer also skips ahead to the output, as in WaveNet.
"""

from functools import partial
from typing import NamedTuple

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
from sori.learn.nn.wavenet import gated


@dataclass(config=strict, frozen=True)
class GatedPixelCNNConfig:
    """Defaults are the paper's for ImageNet, 32 x 32, but for the first kernel."""

    colours: int = 3
    levels: int = 256
    layers: int = 20
    kernel: int = 5
    width: int = 384
    last_width: int = 1024


class Stacks(NamedTuple):
    """What both stacks say at every pixel, and the sum of what was skipped ahead."""

    vertical: Maps
    horizontal: Maps
    skipped: Maps | None


class Layer(nn.Module):
    """One layer of both stacks; the first one sees no pixel itself.

    Source: Figure 2 of the paper.
    """

    def __init__(self, config: GatedPixelCNNConfig, number: int):
        super().__init__()
        is_first, is_last = number == 0, number == config.layers - 1
        width, kernel, colours = config.width, config.kernel, config.colours
        enter = colours if is_first else width
        self.is_first = is_first
        self.rows = kernel // 2
        # Rows above alone in the first layer; later its own as well, which speaks of those above.
        self.down = nn.Conv2d(enter, 2 * width, (self.rows + (not is_first), kernel))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.right = RasterConv(
            enter, 2 * width, (1, kernel), "A" if is_first else "B", colours, repeats=2
        )
        # Nobody reads the residual output of the last layer.
        self.mix = None if is_last else RasterConv(width, width, (1, 1), "B", colours)
        self.skip = RasterConv(width, width, (1, 1), "B", colours)

    def forward(self, x: Stacks) -> Stacks:
        side = self.down.kernel_size[1] // 2
        above = self.down(F.pad(x.vertical, (side, side, self.rows, 0)))
        # The first kernel ends at the row of a pixel; moved down by one, above it.
        above = above[:, :, : x.vertical.shape[2]]
        z = gated(self.right(x.horizontal) + self.link(above))
        mixed = z if self.mix is None else self.mix(z)
        horizontal = mixed if self.is_first else x.horizontal + mixed
        skipped = self.skip(z) if x.skipped is None else x.skipped + self.skip(z)
        return Stacks(gated(above), horizontal, skipped)


class GatedPixelCNN(nn.Module):
    """Levels in, the logits of every level at every pixel out."""

    def __init__(self, config: GatedPixelCNNConfig):
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList([Layer(config, number) for number in range(config.layers)])
        self.read = RasterConv(config.width, config.last_width, (1, 1), "B", config.colours)
        self.leave = RasterConv(
            config.last_width, config.colours * config.levels, (1, 1), "B", config.colours
        )

    def forward(self, pixels: Pixels) -> Logits:
        levels = self.config.levels
        return self.look(centred(pixels, levels)).unflatten(1, (self.config.colours, levels))

    def look(self, image: Maps) -> Float[Tensor, "B O H W"]:
        """The logits of all colours, one behind the other, from values between -1 and 1."""
        x = Stacks(image, image, None)
        for layer in self.layers:
            x = layer(x)
        assert x.skipped is not None, "there is a layer"
        return self.leave(F.relu(self.read(F.relu(x.skipped))))

    def bits(self, pixels: Pixels) -> PerItem:
        """Bits per dimension, exactly."""
        return bits_per_dimension(log_prob(self(pixels), pixels), pixels)

    def sample(self, size: tuple[int, int, int, int]) -> Pixels:
        """Draw images."""
        return draw(self, size)


SPEC = Spec(
    paper="arXiv:1606.05328",
    config=GatedPixelCNNConfig,
    model=GatedPixelCNN,
    task=partial(LikelihoodTask, GatedPixelCNN),
    batch=PixelBatch,
    tiny=GatedPixelCNNConfig(colours=1, levels=4, layers=2, kernel=3, width=8, last_width=16),
)
