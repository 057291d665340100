"""RealNVP: an image and a noise of the same size, each the other's function.

    log p(x) = log N(z; 0, 1) + log|det dz/dx|,   z = f(x)

Source: Dinh et al. 2017, "Density Estimation Using Real NVP", arXiv:1605.08803.
Deviations: activation norms (see `nn.flows.ActNorm`) where the paper norms by batches, so that a
batch of two trains as well; residual networks without batch norm.
"""

from collections.abc import Callable
from functools import partial

import torch
from pydantic.dataclasses import dataclass
from torch import nn
from torch.nn import functional as F

from sori.learn.contracts import Spec
from sori.learn.mel import strict
from sori.learn.nn.conv import weight_norm
from sori.learn.nn.flows import ActNorm, Chain, LogDet, ZeroConv, fold_pixels, unfold_pixels
from sori.learn.nn.pixels import (
    Image,
    ImageFlow,
    LikelihoodTask,
    PixelBatch,
    from_logits,
    to_logits,
)


@dataclass(config=strict, frozen=True)
class RealNVPConfig:
    """Defaults are the paper's values for 32 x 32 images other than CIFAR-10's."""

    colours: int = 3
    levels: int = 256
    scales: int = 4  # the last one does not fold
    width: int = 32
    blocks: int = 4
    recompute: bool = False  # less memory, a third more time (see `nn.flows.Chain`)


class Block(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, width: int):
        super().__init__()
        self.first = weight_norm(nn.Conv2d(width, width, 3, padding=1))
        self.second = weight_norm(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Image) -> Image:
        return x + self.second(F.relu(self.first(F.relu(x))))


class Network(nn.Module):
    """From the half that stays to shift and log scale of the other.

    Log scales are bounded: s = a tanh(r) with a learned a.
    """

    def __init__(self, channels: int, width: int, blocks: int):
        super().__init__()
        self.enter = weight_norm(nn.Conv2d(channels, width, 3, padding=1))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.leave = ZeroConv(nn.Conv2d(width, 2 * channels, 1))
        self.reach = nn.Parameter(torch.ones(channels))

    def forward(self, kept: Image) -> tuple[Image, Image]:
        found = self.leave(F.relu(self.blocks(self.enter(kept)))).to(kept.dtype)
        shift, raw = found.chunk(2, dim=1)
        return shift, self.reach[:, None, None] * torch.tanh(raw)


def checkerboard(like: Image, side: bool) -> Image:
    """A mask that is 1 at every second pixel."""
    rows = torch.arange(like.shape[2], device=like.device)[:, None]
    columns = torch.arange(like.shape[3], device=like.device)[None]
    return ((rows + columns + side) % 2).to(like.dtype).expand_as(like)


def half_of_channels(like: Image, side: bool) -> Image:
    """A mask that is 1 in one half of the channels."""
    is_first = torch.arange(like.shape[1], device=like.device) < like.shape[1] // 2
    return (is_first != side).to(like.dtype)[:, None, None].expand_as(like)


class MaskedCoupling(nn.Module):
    """Moves the places where the mask is 0 by what a network reads where it is 1.

        y = m x + (1 - m) (x exp(s(m x)) + t(m x))        log|det dy/dx| = sum (1 - m) s

    Source: section 3.4, Eq. 9.
    """

    def __init__(self, network: Network, mask: Callable[..., Image]):
        super().__init__()
        self.network = network
        self.mask = mask

    def read(self, x: Image) -> tuple[Image, Image]:
        """Shift and log scale, zero where the mask is 1; there both sides are the same."""
        mask = self.mask(x)
        shift, log_scale = self.network(mask * x)
        return (1 - mask) * shift, (1 - mask) * log_scale

    def forward(self, x: Image) -> tuple[Image, LogDet]:
        shift, log_scale = self.read(x)
        return x * log_scale.exp() + shift, log_scale.flatten(1).sum(dim=1)

    def inverse(self, y: Image) -> Image:
        shift, log_scale = self.read(y)
        return (y - shift) * torch.exp(-log_scale)


def couplings(
    config: RealNVPConfig, channels: int, count: int, mask: Callable[..., Image]
) -> Chain:
    """Couplings under one kind of mask, which changes sides from each to the next."""
    flows: list[nn.Module] = []
    for number in range(count):
        network = Network(channels, config.width, config.blocks)
        side = bool(number % 2)
        flows += [ActNorm(channels), MaskedCoupling(network, partial(mask, side=side))]
    return Chain(flows, config.recompute)


class Scale(nn.Module):
    """Couplings at one resolution; half of what they make goes on to the next, folded.

    Source: section 3.6.
    """

    def __init__(self, config: RealNVPConfig, channels: int, scales: int):
        super().__init__()
        is_last = scales == 1
        self.checkered = couplings(config, channels, 4 if is_last else 3, checkerboard)
        self.halved = None if is_last else couplings(config, 4 * channels, 3, half_of_channels)
        self.next = None if is_last else Scale(config, 2 * channels, scales - 1)

    def forward(self, x: Image) -> tuple[Image, LogDet]:
        x, first = self.checkered(x)
        if self.halved is None or self.next is None:
            return x, first
        y, second = self.halved(fold_pixels(x))
        done, rest = y.chunk(2, dim=1)
        rest, third = self.next(rest)
        return unfold_pixels(torch.cat([done, rest], dim=1)), first + second + third

    def inverse(self, z: Image) -> Image:
        if self.halved is None or self.next is None:
            return self.checkered.inverse(z)
        done, rest = fold_pixels(z).chunk(2, dim=1)
        y = torch.cat([done, self.next.inverse(rest)], dim=1)
        return self.checkered.inverse(unfold_pixels(self.halved.inverse(y)))


class RealNVP(ImageFlow):
    """Maps images to noise of the same size and back."""

    def __init__(self, config: RealNVPConfig):
        super().__init__(config.levels)
        self.config = config
        self.scale = Scale(config, config.colours, config.scales)

    def forward(self, image: Image) -> tuple[Image, LogDet]:
        """Noise of an image whose values lie in (0, 1), and log|det|."""
        y, stretched = to_logits(image)
        z, gained = self.scale(y)
        return z, stretched + gained

    def inverse(self, z: Image) -> Image:
        """The image of a noise."""
        return from_logits(self.scale.inverse(z))


SPEC = Spec(
    paper="arXiv:1605.08803",
    config=RealNVPConfig,
    model=RealNVP,
    task=partial(LikelihoodTask, RealNVP),
    batch=PixelBatch,
    tiny=RealNVPConfig(colours=1, levels=4, scales=2, width=8, blocks=1),
)
