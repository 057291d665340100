"""Convolutional layers that two or more models use."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from sori.learn.mel import MelSpec
from sori.learn.nn.dropout import Dropout
from sori.learn.nn.prunable import FIXED, Axis, Structure

Steps = Float[Tensor, "B T D"]
Layer = TypeVar("Layer", bound=nn.Module)


def convolve(layer: nn.Conv1d, x: Float[Tensor, "B T C_in"]) -> Float[Tensor, "B T C_out"]:
    """Convolve a sequence over time.

    In bfloat16 a processor takes a tenth less time for a training step when channels lie side by
    side in memory, as they do in a sequence; in float32 it takes longer.
    """
    if layer.kernel_size == (1,):
        return F.linear(x, layer.weight.squeeze(2), layer.bias)
    if not (x.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
        return layer(x.transpose(1, 2)).transpose(1, 2)
    weight = layer.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    rows = x.transpose(1, 2).unsqueeze(2)
    out = F.conv2d(rows, weight, layer.bias, padding=(0, int(layer.padding[0])))
    return out.squeeze(2).transpose(1, 2)  # an index would copy the gradient


class DepthwiseConv(nn.Module):
    """Convolves every channel with its own kernel over time; input and output are (B, T, D)."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)

    def forward(self, x: Steps) -> Steps:
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a two-layer network at every frame, added to the input.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", section 2, arXiv:2201.03545; for speech
    frames, Siuzdak 2023, "Vocos", section 3.2, arXiv:2306.00814.
    Deviation: ReLU instead of GELU, which costs as much as a tenth of the block on a processor.
    """

    def __init__(self, width: int, hidden: int, kernel: int, scale: float):
        super().__init__()
        self.depthwise = DepthwiseConv(width, kernel)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Steps, keep: Float[Tensor, "B T 1"] | None = None) -> Steps:
        # Padding is zero in front of every convolution, so an item's neighbours cannot reach it.
        seen = x if keep is None else x * keep
        h = self.widen(self.norm(self.depthwise(seen)))
        return x + self.scale * self.narrow(h.relu())

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        """Declare the weights of this block, which lies at `path` on a stream of this width."""
        hidden = structure.dimension(f"{path}.hidden", self.widen.out_features)
        structure.layer(f"{path}.depthwise.conv", self.depthwise.conv, width)
        structure.layer(f"{path}.norm", self.norm, width)
        structure.layer(f"{path}.widen", self.widen, hidden, width)
        structure.layer(f"{path}.narrow", self.narrow, width, hidden)
        structure.tensor(f"{path}.scale", width)


class NormedConvs(nn.Module):
    """Convolutions over time, each followed by batch norm, a function and dropout.

    What lies behind an item's end is zero in front of every convolution, so it reaches nothing.
    """

    def __init__(
        self,
        widths: Sequence[int],
        kernel: int,
        functions: Sequence[Callable[[Tensor], Tensor]],
        dropout: float,
    ):
        super().__init__()
        self.functions = tuple(functions)
        self.convs = nn.ModuleList([
            nn.Conv1d(a, b, kernel, padding=kernel // 2)
            for a, b in zip(widths, widths[1:], strict=False)
        ])
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for width in widths[1:]])
        self.drop = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B C T"], keep: Float[Tensor, "B 1 T"]
    ) -> Float[Tensor, "B C_out T"]:
        steps, kept = x.transpose(1, 2), keep.transpose(1, 2)
        for conv, norm, function in zip(self.convs, self.norms, self.functions, strict=True):
            assert isinstance(conv, nn.Conv1d)
            out = convolve(conv, steps * kept.to(steps.dtype))
            normed = norm(out.flatten(0, 1)).view_as(out)  # a batch of steps, whose mean is theirs
            steps = self.drop(function(normed))
        return steps.transpose(1, 2)


class PostNet(nn.Module):
    """Convolutions over finished frames, added to them; tanh after all but the last.

    Source: Shen et al. 2017, "Tacotron 2", section 2.2, arXiv:1712.05884.
    """

    def __init__(self, channels: int, width: int, blocks: int, dropout: float = 0.0):
        super().__init__()
        functions = [torch.tanh] * (blocks - 1) + [nn.Identity()]
        self.stack = NormedConvs(
            [channels, *[width] * (blocks - 1), channels], 5, functions, dropout
        )

    def forward(
        self, frames: Float[Tensor, "B C T"], keep: Float[Tensor, "B 1 T"]
    ) -> Float[Tensor, "B C T"]:
        return frames + self.stack(frames, keep)

    def declare(self, structure: Structure, path: str) -> None:
        """Declare the channels between the convolutions; the frames' own are fixed."""
        convs, before = self.stack.convs, FIXED
        for number, conv in enumerate(convs):
            assert isinstance(conv, nn.Conv1d)
            after = FIXED
            if number < len(convs) - 1:
                after = structure.dimension(f"{path}.channels_{number}", conv.out_channels)
                structure.layer(f"{path}.stack.norms.{number}", self.stack.norms[number], after)
            structure.layer(f"{path}.stack.convs.{number}", conv, after, before)
            before = after


def weight_norm(layer: Layer) -> Layer:
    """The layer with its weight split into lengths and directions, which learn apart.

    Source: Salimans & Kingma 2016, "Weight Normalization", arXiv:1602.07868.
    """
    nn.utils.parametrizations.weight_norm(layer)
    return layer


def upsampling_conv(channels_in: int, channels_out: int, stride: int) -> nn.ConvTranspose1d:
    """Transposed convolution that makes `stride` samples of each, under a kernel twice as wide.

    A kernel that is a multiple of the stride covers every sample equally often; any other leaves a
    checkerboard.

    Source: Odena et al. 2016, "Deconvolution and Checkerboard Artifacts", Distill.
    """
    odd = stride % 2
    return nn.ConvTranspose1d(
        channels_in, channels_out, 2 * stride, stride, stride // 2 + odd, output_padding=odd
    )


def require_product(strides: tuple[int, ...], mel: MelSpec) -> None:
    """Refuse strides that do not lead from frames to samples.

    Raises:
        ValueError: states the product and the hop.
    """
    if math.prod(strides) != mel.hop_samples:
        raise ValueError(
            f"strides {strides} multiply to {math.prod(strides)}, "
            f"but mel.hop_samples is {mel.hop_samples}"
        )


def fold_weight_norm(model: nn.Module) -> None:
    """Replace every normed weight by its value: the same outputs, in less time.

    Not for a deep copy: torch lets it share the class of its original, which loses its weights too.
    """
    for module in model.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
