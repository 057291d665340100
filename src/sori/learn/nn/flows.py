"""Invertible layers with log-determinants.

`forward` goes from data to noise and also returns log|det dy/dx| of every item; `inverse` goes
back. All of it runs in full precision, whatever surrounds it; networks inside couplings need not.
Places behind the channels may be samples of a wave, (B, C, S), or pixels, (B, C, H, W).
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

Field = Float[Tensor, "B C *S"]
Image = Float[Tensor, "B C H W"]
LogDet = Float[Tensor, " B"]


def squeeze(x: Float[Tensor, "B C S"], factor: int) -> Float[Tensor, "B C_out S_out"]:
    """Turn `factor` neighbours in time into channels: channel c, phase p becomes c * factor + p.

    Raises:
        ValueError: the length is not a multiple.
    """
    if x.shape[2] % factor:
        raise ValueError(f"{x.shape[2]} samples are not a multiple of {factor}")
    return x.unflatten(2, (-1, factor)).transpose(2, 3).flatten(1, 2)


def unsqueeze(y: Float[Tensor, "B C S"], factor: int) -> Float[Tensor, "B C_out S_out"]:
    """Inverse of `squeeze`."""
    return y.unflatten(1, (-1, factor)).transpose(2, 3).flatten(2)


def fold_pixels(x: Image) -> Float[Tensor, "B C_out H_out W_out"]:
    """Turn squares of two by two pixels into channels: channel c, corner p becomes 4 c + p.

    Source: Dinh et al. 2017, "RealNVP", section 3.6, arXiv:1605.08803.

    Raises:
        ValueError: a side is odd.
    """
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError(f"an image of {x.shape[2]} x {x.shape[3]} has an odd side; crop it")
    return F.pixel_unshuffle(x, 2)


def unfold_pixels(y: Image) -> Float[Tensor, "B C_out H_out W_out"]:
    """Inverse of `fold_pixels`."""
    return F.pixel_shuffle(y, 2)


def places(x: Field) -> int:
    """How many samples or pixels a channel has."""
    return x[0, 0].numel()


def swap_halves(x: Field) -> Field:
    """Exchange the first and the second half of the channels; its own inverse."""
    first, second = x.chunk(2, dim=1)
    return torch.cat([second, first], dim=1)


class ActNorm(nn.Module):
    """Scales and shifts channels; the first batch sets both so that it leaves with unit variance.

        y = exp(a) (x + b)        log|det dy/dx| = places * sum a

    Source: Kingma & Dhariwal 2018, "Glow", section 3.1, arXiv:1807.03039.
    Deviation: the scale is kept as its logarithm, so it never vanishes or turns negative.
    """

    is_set: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.register_buffer("is_set", torch.tensor(False))

    @torch.no_grad()
    def set_from(self, x: Field) -> None:
        """Take shift and scale from a batch."""
        channels = x.transpose(0, 1).flatten(1)
        self.shift.copy_(-channels.mean(dim=1))
        self.log_scale.copy_(-(channels.std(dim=1, correction=0) + 1e-6).log())
        self.is_set.fill_(True)

    def forward(self, x: Field) -> tuple[Field, LogDet]:
        if self.training and not self.is_set:
            self.set_from(x)
        flat = (x.flatten(2) + self.shift[:, None]) * self.log_scale.exp()[:, None]
        return flat.view_as(x), (places(x) * self.log_scale.sum()).expand(x.shape[0])

    def inverse(self, y: Field) -> Field:
        flat = y.flatten(2) * torch.exp(-self.log_scale)[:, None] - self.shift[:, None]
        return flat.view_as(y)


class ChannelMix(nn.Module):
    """Mixes channels with one learned square matrix, the same at every place.

        y = W x        log|det dy/dx| = places * log|det W|

    Source: Kingma & Dhariwal 2018, "Glow", section 3.2, arXiv:1807.03039.
    """

    def __init__(self, channels: int):
        super().__init__()
        # A rotation preserves volume, so training starts from log-determinant zero.
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(channels, channels)))
        if self.weight.device.type != "meta" and torch.linalg.det(self.weight.data) < 0:
            self.weight.data[:, 0].neg_()
        self.known: tuple[int, Tensor] | None = None

    def forward(self, x: Field) -> tuple[Field, LogDet]:
        with torch.autocast(x.device.type, enabled=False):
            y = F.conv1d(x.flatten(2), self.weight[:, :, None]).view_as(x)
            log_det = places(x) * torch.linalg.slogdet(self.weight).logabsdet
        return y, log_det.expand(x.shape[0])

    def inverse(self, y: Field) -> Field:
        with torch.autocast(y.device.type, enabled=False):
            return F.conv1d(y.flatten(2), self.turned_back()[:, :, None]).view_as(y)

    def turned_back(self) -> Float[Tensor, "C C"]:
        """The inverse matrix, found once where the weight no longer learns."""
        if self.weight.requires_grad:
            return torch.linalg.inv(self.weight)
        if self.known is None or self.known[0] != self.weight._version:
            self.known = (self.weight._version, torch.linalg.inv(self.weight))
        return self.known[1]


class ZeroConv(nn.Module):
    """A convolution that starts at zero, under a learned gain for every channel.

    Source: Kingma & Dhariwal 2018, "Glow", section 3.3 and its program, arXiv:1807.03039.
    """

    def __init__(self, conv: nn.Conv1d | nn.Conv2d):
        super().__init__()
        self.conv = conv
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.gain = nn.Parameter(torch.zeros(conv.out_channels))

    def forward(self, x: Field) -> Float[Tensor, "B C_out *S"]:
        y = self.conv(x)
        return (y.flatten(2) * torch.exp(3 * self.gain)[:, None]).view_as(y)


class Coupling(nn.Module):
    """Scales and shifts the second half of the channels by what a network reads in the first.

        y_a = x_a,   y_b = exp(s(x_a, c)) x_b + t(x_a, c)        log|det dy/dx| = sum s

    Source: Dinh et al. 2017, "RealNVP", section 3.2, arXiv:1605.08803.

    Args (of the constructor):
        network: from first half, and condition if there is one, to t and s, one behind the other in
            channels.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def read(self, kept: Field, condition: Tensor | None) -> tuple[Field, Field]:
        """Shift and log scale of the other half."""
        given = (kept,) if condition is None else (kept, condition)
        shift, log_scale = self.network(*given).to(kept.dtype).chunk(2, dim=1)
        return shift, log_scale

    def forward(self, x: Field, condition: Tensor | None = None) -> tuple[Field, LogDet]:
        kept, moved = x.chunk(2, dim=1)
        shift, log_scale = self.read(kept, condition)
        y = torch.cat([kept, moved * log_scale.exp() + shift], dim=1)
        return y, log_scale.flatten(1).sum(dim=1)

    def inverse(self, y: Field, condition: Tensor | None = None) -> Field:
        kept, moved = y.chunk(2, dim=1)
        shift, log_scale = self.read(kept, condition)
        return torch.cat([kept, (moved - shift) * torch.exp(-log_scale)], dim=1)


class ShiftCoupling(nn.Module):
    """Shifts the second half of the channels by what a network reads in the first, and swaps them.

        y = (x_b + t(x_a, c), x_a)        log|det dy/dx| = 0

    Whatever the network is, volume is preserved exactly.

    Source: Dinh et al. 2015, "NICE", section 3.2, arXiv:1410.8516.

    Args (of the constructor):
        network: from first half, and condition if there is one, to t.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Field, *condition: Tensor) -> tuple[Field, LogDet]:
        kept, moved = x.chunk(2, dim=1)
        y = torch.cat([moved + self.network(kept, *condition).to(x.dtype), kept], dim=1)
        return y, x.new_zeros(x.shape[0])

    def inverse(self, y: Field, *condition: Tensor) -> Field:
        moved, kept = y.chunk(2, dim=1)
        return torch.cat([kept, moved - self.network(kept, *condition).to(y.dtype)], dim=1)


class Chain(nn.Module):
    """Flows in a row, all of which see the condition if there is one.

    Args (of the constructor):
        recompute: whether to keep only what passes between the flows, and to compute what is inside
            them once more for the gradient. Memory then hardly grows with depth.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.
    """

    def __init__(self, flows: Iterable[nn.Module], recompute: bool = False):
        super().__init__()
        self.flows = nn.ModuleList(flows)
        self.recompute = recompute

    def forward(self, x: Field, *condition: Tensor) -> tuple[Field, LogDet]:
        total = x.new_zeros(x.shape[0])
        for flow in self.flows:
            if self.recompute and self.training:
                x, gained = checkpoint(flow, x, *condition, use_reentrant=False)  # type: ignore[misc]
            else:
                x, gained = flow(x, *condition)
            total = total + gained
        return x, total

    def inverse(self, y: Field, *condition: Tensor) -> Field:
        for flow in reversed(self.flows):
            y = flow.inverse(y, *condition)  # type: ignore[operator]
        return y
