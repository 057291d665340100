"""The stack of gated, dilated convolutions that vocoders share, and how mels reach its rate."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Lengths, Mel
from sori.learn.mel import MelSpec
from sori.learn.nn.conv import weight_norm

Residual = Float[Tensor, "B R S"]
Condition = Float[Tensor, "B K S"]
Skip = Float[Tensor, "B O S"]
Memory = Float[Tensor, "B R _"]  # a ring of past inputs, each layer's of its own length


class StackSize(NamedTuple):
    """Sizes of a gated stack.

    gate: channels of the gated product; the dilated convolution makes twice as many.
    condition: channels of what is added in front of the gates; 0 for none.
    residual_scale: factor on the sum of a layer's input and output.
    """

    residual: int
    gate: int
    skip: int
    kernel: int
    dilations: tuple[int, ...]
    condition: int
    is_causal: bool
    residual_scale: float = 1.0


def gated(h: Float[Tensor, "B G *S"]) -> Float[Tensor, "B G_out *S"]:
    """The first half of the channels, let through by the second: tanh(h_f) . sigmoid(h_g).

    Source: van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", Eq. 2,
    arXiv:1606.05328.
    """
    content, gate = h.chunk(2, dim=1)
    return torch.tanh(content) * torch.sigmoid(gate)


class GatedLayer(nn.Module):
    """One dilated convolution behind a gate, with a residual and a skip connection.

        z = tanh(W_f * x + V_f y) . sigmoid(W_g * x + V_g y)

    Source: van den Oord et al. 2016, "WaveNet", sections 2.3 to 2.5, arXiv:1609.03499.
    """

    def __init__(self, size: StackSize, dilation: int, is_last: bool):
        super().__init__()
        self.scale = size.residual_scale
        span = (size.kernel - 1) * dilation
        self.edges = (span, 0) if size.is_causal else (span // 2, span - span // 2)
        self.dilated = weight_norm(
            nn.Conv1d(size.residual, 2 * size.gate, size.kernel, dilation=dilation)
        )
        self.condition = (
            weight_norm(nn.Conv1d(size.condition, 2 * size.gate, 1, bias=False))
            if size.condition
            else None
        )
        self.skip = weight_norm(nn.Conv1d(size.gate, size.skip, 1))
        # Nobody reads the residual output of the last layer.
        self.residual = None if is_last else weight_norm(nn.Conv1d(size.gate, size.residual, 1))

    def forward(self, x: Residual, condition: Condition | None) -> tuple[Residual, Skip]:
        return self.finish(x, self.dilated(F.pad(x, self.edges)), condition)

    def finish(
        self, x: Residual, h: Float[Tensor, "B G S"], condition: Condition | None
    ) -> tuple[Residual, Skip]:
        """Everything behind the dilated convolution, whose output is `h`."""
        if self.condition is not None and condition is not None:
            h = h + self.condition(condition)
        z = gated(h)
        if self.residual is not None:
            x = (x + self.residual(z)) * self.scale
        return x, self.skip(z)

    def step(
        self, x: Residual, condition: Condition | None, memory: Memory, time: int
    ) -> tuple[Residual, Skip]:
        """One sample of a causal layer; `memory` is its ring of past inputs, written in place."""
        size, dilation = memory.shape[2], self.dilated.dilation[0]
        taps = [memory[:, :, (time + tap * dilation) % size] for tap in range(size // dilation)]
        seen = torch.stack([*taps, x[:, :, 0]], dim=2)
        memory[:, :, time % size] = x[:, :, 0]
        h = F.conv1d(seen, self.dilated.weight, self.dilated.bias)
        return self.finish(x, h, condition)


class GatedStack(nn.Module):
    """Gated layers in a row; returns the sum of what they skip ahead."""

    def __init__(self, size: StackSize):
        super().__init__()
        self.size = size
        last = len(size.dilations) - 1
        self.layers = nn.ModuleList([
            GatedLayer(size, dilation, number == last)
            for number, dilation in enumerate(size.dilations)
        ])

    def forward(
        self,
        x: Residual,
        condition: Condition | None = None,
        keep: Float[Tensor, "B 1 S"] | None = None,
    ) -> Skip:
        """`keep` is 0 behind the end of an item, so that nothing there reaches the item."""
        total = None
        for layer in self.layers:
            x, skip = layer(x if keep is None else x * keep, condition)
            total = skip if total is None else total + skip
        assert total is not None, "a stack has layers"
        return total

    def memories(self, like: Float[Tensor, "B *rest"]) -> list[Memory]:
        """Empty rings for `step`, one for every layer."""
        spans = [(self.size.kernel - 1) * dilation for dilation in self.size.dilations]
        return [like.new_zeros(like.shape[0], self.size.residual, span) for span in spans]

    def step(
        self, x: Residual, condition: Condition | None, memories: list[Memory], time: int
    ) -> Skip:
        """One sample of a causal stack, in time that does not grow with its receptive field.

        Source: Le Paine et al. 2016, "Fast Wavenet Generation Algorithm", arXiv:1611.09482.
        """
        total = None
        for layer, memory in zip(self.layers, memories, strict=True):
            assert isinstance(layer, GatedLayer)
            x, skip = layer.step(x, condition, memory, time)
            total = skip if total is None else total + skip
        assert total is not None, "a stack has layers"
        return total


def receptive_field(kernel: int, dilations: tuple[int, ...]) -> int:
    """Samples that one output of a stack sees: (kernel - 1) * sum of dilations + 1."""
    return (kernel - 1) * sum(dilations) + 1


def cycled_dilations(layers: int, stacks: int) -> tuple[int, ...]:
    """1, 2, 4 ... repeated `stacks` times.

    Raises:
        ValueError: the layers cannot be shared evenly.
    """
    if layers % stacks:
        raise ValueError(f"{layers} layers cannot be divided into {stacks} stacks")
    return tuple(2 ** (layer % (layers // stacks)) for layer in range(layers))


def wavenet_mel() -> MelSpec:
    """The front end of r9y9/wavenet_vocoder: 22.05 kHz, hop 256, 80 bands from 125 to 7600 Hz."""
    return MelSpec(sample_rate=22050, hop_samples=256, f_min_hz=125.0, f_max_hz=7600.0)


class StretchUpsampler(nn.Module):
    """Brings a mel to the sample rate: repeat every value, smooth, repeat again.

    The smoothing filters start as means, so a constant mel gives a constant condition.

    Source: the public program r9y9/wavenet_vocoder, whose mels see two frames to either side first.
    Deviation: frames beyond the ends count as zero, where that program crops wider mels.
    """

    def __init__(self, bins: int, strides: tuple[int, ...]):
        super().__init__()
        self.strides = strides
        self.enter = nn.Conv1d(bins, bins, 5, padding=2, bias=False)
        self.smooth = nn.ModuleList([
            nn.Conv2d(1, 1, (1, 2 * stride + 1), padding=(0, stride), bias=False)
            for stride in strides
        ])
        for conv, stride in zip(self.smooth, strides, strict=True):
            assert isinstance(conv, nn.Conv2d)
            nn.init.constant_(conv.weight, 1 / (2 * stride + 1))

    def forward(self, mel: Mel) -> Float[Tensor, "B M S"]:
        # Log mels of speech lie between -11 and 2.
        x = self.enter(mel / 4 + 1)[:, None]
        for conv, stride in zip(self.smooth, self.strides, strict=True):
            x = conv(x.repeat_interleave(stride, dim=3))
        return x[:, 0]

    @property
    def factor(self) -> int:
        """Samples per frame."""
        return math.prod(self.strides)


class SampleCondition(nn.Module):
    """What a network at the sample rate is told: the mel, brought there, and a speaker's vector."""

    def __init__(self, bins: int, strides: tuple[int, ...], speakers: int, speaker_width: int):
        super().__init__()
        self.upsample = StretchUpsampler(bins, strides)
        self.speakers = nn.Embedding(speakers, speaker_width)

    def forward(self, mel: Mel, speaker: Lengths | None = None) -> Condition:
        """Both above each other at every sample; the first speaker if none is given."""
        if speaker is None:
            speaker = torch.zeros(mel.shape[0], dtype=torch.long, device=mel.device)
        series = self.upsample(mel)
        voice = self.speakers(speaker)[:, :, None].expand(-1, -1, series.shape[2])
        return torch.cat([series, voice], dim=1)
