"""A bank of learned vectors that stand in for whatever looks at them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Frames

Points = Float[Tensor, "P D"]


class MemoryBank(nn.Module):
    """Attention of frames over the rows of a bank; what comes out is made of the bank alone.

        y = softmax(z W_Q (M W_K)^T / sqrt(h)) M W_V W_O

    Until it is started from what it is to stand in for, `is_set` is false: its rows mean nothing.

    Source: Tan et al. 2022, "NaturalSpeech", "VAE with memory", arXiv:2205.04421.
    Deviation: all four projections start as identity, so that a bank of what frames were like gives
    every frame back from rows that are like it.
    """

    is_set: Tensor

    def __init__(self, rows: int, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads = heads
        self.bank = nn.Parameter(torch.randn(rows, width))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)
        for layer in (self.query, self.key, self.value, self.leave):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("is_set", torch.tensor(False))

    def forward(self, z: Frames) -> Frames:
        query = self.apart(self.query(z.transpose(1, 2)))
        key = self.apart(self.key(self.bank)[None]).expand(len(z), -1, -1, -1)
        value = self.apart(self.value(self.bank)[None]).expand(len(z), -1, -1, -1)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.leave(mixed.transpose(1, 2).flatten(2)).transpose(1, 2)

    def apart(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T D_head"]:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    @torch.no_grad()
    def start_from(self, points: Points) -> None:
        """Set the bank to the centres of clusters of these points."""
        self.bank.copy_(cluster(points, len(self.bank)))
        self.is_set.fill_(True)


@torch.no_grad()
def cluster(points: Points, count: int, rounds: int = 20) -> Float[Tensor, "count D"]:
    """Centres of k-means, by Lloyd's algorithm from points drawn at random.

    A centre that no point is nearest to stays where it is. Where there are fewer points than
    centres, points are drawn several times.

    Source: Lloyd 1982, "Least Squares Quantization in PCM".
    """
    order = torch.randperm(len(points), device=points.device)
    centres = points[order.repeat(-(-count // len(points)))[:count]].clone()
    for _ in range(rounds):
        nearest = torch.cdist(points, centres).argmin(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        sizes = nearest.bincount(minlength=count)[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    return centres
