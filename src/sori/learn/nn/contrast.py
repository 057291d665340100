"""What brings two kinds of sequences into one space, where what belongs together lies close."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Scalar
from sori.learn.nn.attention import attend
from sori.learn.nn.masks import as_bias

Sequence = Float[Tensor, "B L D"]
Heads = Float[Tensor, "B H L D_head"]
Mask = Bool[Tensor, "B L"]


def rotate(x: Heads, channels: int) -> Heads:
    """Turn pairs of the first channels by angles that grow with their place.

    The pairs are a channel of the first half and one of the second.
    """
    half = channels // 2
    rates = 10000 ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[2], device=x.device)[:, None] * rates
    sine, cosine = angles.sin().to(x.dtype), angles.cos().to(x.dtype)
    a, b, rest = x[..., :half], x[..., half:channels], x[..., channels:]
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine, rest], dim=3)


class Block(nn.Module):
    """Attention with rotary positions and a gated feed-forward layer, each under its RMS norm.

    Values are turned as queries and keys are.

    Sources: Su et al. 2021, "RoFormer", section 3.4, arXiv:2104.09864; gated linear units from
    Shazeer 2020, arXiv:2002.05202.

    Args (of the constructor):
        growth: how many times as wide the feed-forward layer is inside.
    """

    def __init__(self, width: int, heads: int, dropout: float, growth: int):
        super().__init__()
        self.heads = heads
        self.rotated = min(max(width // (2 * heads), 32), width // heads)
        self.first_norm = nn.RMSNorm(width, eps=1e-5)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.leave = nn.Linear(width, width)
        self.second_norm = nn.RMSNorm(width, eps=1e-5)
        self.widen = nn.Linear(width, 2 * growth * width)
        self.narrow = nn.Linear(growth * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Sequence, mask: Mask) -> Sequence:
        query, key, value = (
            rotate(part.unflatten(2, (self.heads, -1)).transpose(1, 2), self.rotated)
            for part in self.project(self.first_norm(x)).chunk(3, dim=2)
        )
        bias = as_bias(mask)[:, None, None, :]
        mixed = attend(query, key, value, bias, query.shape[3] ** -0.5)
        x = x + self.leave(mixed.transpose(1, 2).flatten(2))
        content, gate = self.widen(self.second_norm(x)).chunk(2, dim=2)
        return x + self.narrow(self.drop(content * F.gelu(gate)))


def contrastive_terms(logits: Float[Tensor, "B B"]) -> dict[str, Scalar]:
    """What a step of training tells: the loss, and the share of rows that find their own column."""
    own = torch.arange(len(logits), device=logits.device)
    found = (logits.argmax(dim=1) == own).float().mean()
    return {"nll": contrastive(logits), "found": found}


def contrastive(logits: Float[Tensor, "B B"]) -> Scalar:
    """Symmetric cross entropy of finding each row's own column and each column's own row, in nats.

    Source: Radford et al. 2021, "CLIP", figure 3, arXiv:2103.00020.
    """
    own = torch.arange(len(logits), device=logits.device)
    return 0.5 * (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))
