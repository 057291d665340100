"""The stages by which HiFi-GAN and others go from frames to samples."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Frames
from sori.learn.nn.conv import upsampling_conv, weight_norm

SLOPE = 0.1
Dilations = tuple[int, ...] | tuple[tuple[int, ...], ...]  # the same in all blocks, or of each


def same_conv(channels: int, kernel: int, dilation: int) -> nn.Module:
    """Weight-normed convolution that keeps the length."""
    edge = (kernel - 1) // 2 * dilation
    return weight_norm(nn.Conv1d(channels, channels, kernel, padding=edge, dilation=dilation))


class ResidualBlock(nn.Module):
    """Pairs of convolutions of one kernel, the first of each pair dilated.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.2 and appendix A.1 (V1, V2), arXiv:2010.05646.
    """

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]):
        super().__init__()
        self.dilated = nn.ModuleList([same_conv(channels, kernel, d) for d in dilations])
        self.plain = nn.ModuleList([same_conv(channels, kernel, 1) for _ in dilations])

    def forward(self, x: Frames) -> Frames:
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            h = dilated(F.leaky_relu(x, SLOPE))
            x = x + plain(F.leaky_relu(h, SLOPE))
        return x


class ShortResidualBlock(nn.Module):
    """Dilated convolutions of one kernel, each with a shortcut of its own.

    Source: Kong et al. 2020, "HiFi-GAN", appendix A.1 (V3), arXiv:2010.05646.
    """

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]):
        super().__init__()
        self.dilated = nn.ModuleList([same_conv(channels, kernel, d) for d in dilations])

    def forward(self, x: Frames) -> Frames:
        for dilated in self.dilated:
            x = x + dilated(F.leaky_relu(x, SLOPE))
        return x


Block = type[ResidualBlock] | type[ShortResidualBlock]


def of_each(dilations: Dilations, blocks: int) -> list[tuple[int, ...]]:
    """The dilations of every block."""
    rows = [row for row in dilations if isinstance(row, tuple)]
    return rows or [tuple(d for d in dilations if isinstance(d, int))] * blocks


class UpsamplingStage(nn.Module):
    """Multiplies the rate by `stride`, halves the channels; the mean of what its blocks say.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.2, arXiv:2010.05646.
    """

    def __init__(
        self,
        channels_in: int,
        stride: int,
        kernels: tuple[int, ...],
        dilations: Dilations,
        block: Block,
    ):
        super().__init__()
        channels = channels_in // 2
        self.upsample = weight_norm(upsampling_conv(channels_in, channels, stride))
        self.blocks = nn.ModuleList([
            block(channels, kernel, row)
            for kernel, row in zip(kernels, of_each(dilations, len(kernels)), strict=True)
        ])

    def forward(self, x: Frames) -> Float[Tensor, "B C_out T_up"]:
        x = self.upsample(F.leaky_relu(x, SLOPE))
        first, *others = self.blocks
        total = first(x)
        for block in others:
            total = total + block(x)
        return total / len(self.blocks)


def upsampling_stages(
    width: int,
    strides: tuple[int, ...],
    kernels: tuple[int, ...],
    dilations: Dilations,
    block: Block = ResidualBlock,
) -> nn.Sequential:
    """Stages from `width` channels at the rate of frames, halving them, to the rate of samples."""
    return nn.Sequential(
        *(
            UpsamplingStage(width >> number, stride, kernels, dilations, block)
            for number, stride in enumerate(strides)
        )
    )
