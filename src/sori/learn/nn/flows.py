"""Invertible layers with log-determinants.

`forward` goes from data to noise and also returns log|det dy/dx| of every item; `inverse` goes
back. All of it runs in full precision, whatever surrounds it; networks inside couplings need not.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Frames = Float[Tensor, "B C S"]
Condition = Float[Tensor, "B K S"]
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


def swap_halves(x: Frames) -> Frames:
    """Exchange the first and the second half of the channels; its own inverse."""
    first, second = x.chunk(2, dim=1)
    return torch.cat([second, first], dim=1)


class ActNorm(nn.Module):
    """Scales and shifts channels; the first batch sets both so that it leaves with unit variance.

        y = exp(a) (x + b)        log|det dy/dx| = S sum a

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
    def set_from(self, x: Frames) -> None:
        """Take shift and scale from a batch."""
        self.shift.copy_(-x.mean(dim=(0, 2)))
        self.log_scale.copy_(-(x.std(dim=(0, 2), correction=0) + 1e-6).log())
        self.is_set.fill_(True)

    def forward(self, x: Frames) -> tuple[Frames, LogDet]:
        if self.training and not self.is_set:
            self.set_from(x)
        y = (x + self.shift[:, None]) * self.log_scale.exp()[:, None]
        return y, (x.shape[2] * self.log_scale.sum()).expand(x.shape[0])

    def inverse(self, y: Frames) -> Frames:
        return y * torch.exp(-self.log_scale)[:, None] - self.shift[:, None]


class ChannelMix(nn.Module):
    """Mixes channels with one learned square matrix, the same at every frame.

        y = W x        log|det dy/dx| = S log|det W|

    Source: Kingma & Dhariwal 2018, "Glow", section 3.2, arXiv:1807.03039.
    """

    def __init__(self, channels: int):
        super().__init__()
        # A rotation preserves volume, so training starts from log-determinant zero.
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(channels, channels)))
        if self.weight.device.type != "meta" and torch.linalg.det(self.weight.data) < 0:
            self.weight.data[:, 0].neg_()

    def forward(self, x: Frames) -> tuple[Frames, LogDet]:
        with torch.autocast(x.device.type, enabled=False):
            y = F.conv1d(x, self.weight[:, :, None])
            log_det = x.shape[2] * torch.linalg.slogdet(self.weight).logabsdet
        return y, log_det.expand(x.shape[0])

    def inverse(self, y: Frames) -> Frames:
        with torch.autocast(y.device.type, enabled=False):
            return F.conv1d(y, torch.linalg.inv(self.weight)[:, :, None])


class Coupling(nn.Module):
    """Scales and shifts the second half of the channels by what a network reads in the first.

        y_a = x_a,   y_b = exp(s(x_a, c)) x_b + t(x_a, c)        log|det dy/dx| = sum s

    Source: Dinh et al. 2017, "RealNVP", section 3.2, arXiv:1605.08803.

    Args (of the constructor):
        network: from first half and condition to t and s, one behind the other in channels.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def read(self, kept: Frames, condition: Condition) -> tuple[Frames, Frames]:
        """Shift and log scale of the other half."""
        shift, log_scale = self.network(kept, condition).to(kept.dtype).chunk(2, dim=1)
        return shift, log_scale

    def forward(self, x: Frames, condition: Condition) -> tuple[Frames, LogDet]:
        kept, moved = x.chunk(2, dim=1)
        shift, log_scale = self.read(kept, condition)
        y = torch.cat([kept, moved * log_scale.exp() + shift], dim=1)
        return y, log_scale.sum(dim=(1, 2))

    def inverse(self, y: Frames, condition: Condition) -> Frames:
        kept, moved = y.chunk(2, dim=1)
        shift, log_scale = self.read(kept, condition)
        return torch.cat([kept, (moved - shift) * torch.exp(-log_scale)], dim=1)
