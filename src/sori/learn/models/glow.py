"""Glow: RealNVP whose channels are mixed by learned matrices instead of swapped.

Source: Kingma & Dhariwal 2018, "Glow: Generative Flow with Invertible 1x1 Convolutions",
arXiv:1807.03039.
Deviations: scales of activation norms are kept as logarithms; the couplings are y = s x + t where
the program has s (x + t); the noise of the last level is standard normal, without a learned mean.
"""

from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Spec
from sori.learn.mel import strict
from sori.learn.nn.flows import (
    ActNorm,
    Chain,
    ChannelMix,
    Coupling,
    LogDet,
    ZeroConv,
    fold_pixels,
    places,
    unfold_pixels,
)
from sori.learn.nn.pixels import Image, ImageFlow, LikelihoodTask, PixelBatch

OPEN = 2.0  # the program's offset: couplings start at a scale of sigmoid(2) = 0.88


@dataclass(config=strict, frozen=True)
class GlowConfig:
    """Defaults are the paper's values for CIFAR-10.

    Args:
        mixing: "triangular" keeps the matrix as a product whose determinant is read off its
            diagonal, "dense" as it is.
        recompute: less memory, a third more time (see `nn.flows.Chain`).
    """

    colours: int = 3
    levels: int = 256
    scales: int = 3
    steps: int = 32  # of each scale
    width: int = 512
    mixing: Literal["triangular", "dense"] = "triangular"
    recompute: bool = False


class TriangularMix(nn.Module):
    """A channel mix kept as triangles, so that its determinant costs nothing.

        W = P L (U + diag(s)),   log|det dy/dx| = places * sum log|s|

    Source: section 3.2, Eq. 10.
    """

    permutation: Tensor
    signs: Tensor

    def __init__(self, channels: int):
        super().__init__()
        permutation, lower, upper = torch.linalg.lu(ChannelMix(channels).weight.detach())
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("signs", diagonal.sign())
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(diagonal.abs().log())

    def weight(self) -> Float[Tensor, "C C"]:
        """The matrix itself."""
        one = torch.eye(len(self.signs), device=self.signs.device, dtype=self.lower.dtype)
        upper = self.upper.triu(1) + torch.diag(self.signs * self.log_diagonal.exp())
        return self.permutation @ (self.lower.tril(-1) + one) @ upper

    def forward(self, x: Image) -> tuple[Image, LogDet]:
        with torch.autocast(x.device.type, enabled=False):
            y = F.conv2d(x, self.weight()[:, :, None, None])
        return y, (places(x) * self.log_diagonal.sum()).expand(x.shape[0])

    def inverse(self, y: Image) -> Image:
        with torch.autocast(y.device.type, enabled=False):
            return F.conv2d(y, torch.linalg.inv(self.weight())[:, :, None, None])


class Network(nn.Module):
    """From one half of the channels to shifts and log scales of the other."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 1)
        self.leave = ZeroConv(nn.Conv2d(width, 2 * channels, 3, padding=1))

    def forward(self, kept: Image) -> Float[Tensor, "B C_out H W"]:
        h = self.leave(F.relu(self.middle(F.relu(self.enter(kept)))))
        shift, openness = h.chunk(2, dim=1)
        return torch.cat([shift, F.logsigmoid(openness + OPEN)], dim=1)


def step(config: GlowConfig, channels: int) -> list[nn.Module]:
    """One step of the flow: norm, mix, couple."""
    mix = TriangularMix if config.mixing == "triangular" else ChannelMix
    return [ActNorm(channels), mix(channels), Coupling(Network(channels // 2, config.width))]


class Scale(nn.Module):
    """Steps at one resolution; half of what they make leaves, told by the half that stays.

    What leaves is standardised by a guess from the rest, so that all noise is standard normal.

    Source: section 3 and Figure 2b; the learned prior is the program's.
    """

    def __init__(self, config: GlowConfig, channels: int, scales: int):
        super().__init__()
        is_last = scales == 1
        flows = [flow for _ in range(config.steps) for flow in step(config, 4 * channels)]
        self.steps = Chain(flows, config.recompute)
        conv = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)
        self.guess = None if is_last else ZeroConv(conv)
        self.next = None if is_last else Scale(config, 2 * channels, scales - 1)

    def prior(self, rest: Image) -> tuple[Image, Image]:
        """Mean and log deviation of what leaves, from what stays."""
        assert self.guess is not None, "the last scale leaves nothing behind"
        mean, log_scale = self.guess(rest).to(rest.dtype).chunk(2, dim=1)
        return mean, log_scale

    def forward(self, x: Image) -> tuple[Image, LogDet]:
        y, first = self.steps(fold_pixels(x))
        if self.next is None:
            return unfold_pixels(y), first
        done, rest = y.chunk(2, dim=1)
        mean, log_scale = self.prior(rest)
        done = (done - mean) * torch.exp(-log_scale)
        rest, second = self.next(rest)
        gained = first + second - log_scale.flatten(1).sum(dim=1)
        return unfold_pixels(torch.cat([done, rest], dim=1)), gained

    def inverse(self, z: Image) -> Image:
        y = fold_pixels(z)
        if self.next is not None:
            done, rest = y.chunk(2, dim=1)
            rest = self.next.inverse(rest)
            mean, log_scale = self.prior(rest)
            y = torch.cat([done * log_scale.exp() + mean, rest], dim=1)
        return unfold_pixels(self.steps.inverse(y))


class Glow(ImageFlow):
    """Maps images to noise of the same size and back."""

    def __init__(self, config: GlowConfig):
        super().__init__(config.levels)
        self.config = config
        self.scale = Scale(config, config.colours, config.scales)

    def forward(self, image: Image) -> tuple[Image, LogDet]:
        """Noise of an image whose values lie in (0, 1), and log|det|."""
        return self.scale(image - 0.5)

    def inverse(self, z: Image) -> Image:
        """The image of a noise."""
        return self.scale.inverse(z) + 0.5


SPEC = Spec(
    paper="arXiv:1807.03039",
    config=GlowConfig,
    model=Glow,
    task=partial(LikelihoodTask, Glow),
    batch=PixelBatch,
    tiny=GlowConfig(colours=1, levels=4, scales=2, steps=2, width=8),
)
