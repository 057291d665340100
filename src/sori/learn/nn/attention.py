"""Attention layers that two or more models use. Sequences are (B, T, D)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sori.learn.contracts import Size
from sori.learn.nn.masks import count_up
from sori.learn.nn.prunable import Axis, Structure, times

Sequence = Float[Tensor, "B T D"]
Heads = Float[Tensor, "B H T D_head"]
Keys = Float[Tensor, "B H L D_head"]
Values = Float[Tensor, "B H L D_value"]


def distance_slopes(heads: int) -> Float[Tensor, " H"]:
    """How fast each head loses interest with distance: 2^-1, 2^-2 ... spread over the heads.

    Source: Press et al. 2021, "Train Short, Test Long" (ALiBi), section 3, arXiv:2108.12409.
    """
    return 2.0 ** -(8.0 * torch.arange(1, heads + 1) / heads)


def attend(
    query: Heads, key: Keys, value: Values, bias: Float[Tensor, "..."], scale: float
) -> Float[Tensor, "B H T D_value"]:
    """Mix values by how well their keys fit the queries: softmax(scale Q K^T + bias) V.

    By PyTorch's fused kernel, but for bfloat16 on a processor: there it takes three times as long,
    forward and backward, as two plain products.
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        scores = (query * scale) @ key.transpose(2, 3) + bias.to(query.dtype)
        return scores.softmax(dim=3, dtype=query.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype), scale=scale)


class DistanceAttention(nn.Module):
    """Multi-head self-attention whose scores fall linearly with distance, in both directions.

    It knows no absolute position, so sentences longer than any in training read as well.

    Source: Vaswani et al. 2017, section 3.2, arXiv:1706.03762; biases as in `distance_slopes`.
    """

    slopes: Tensor

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads = heads
        self.scale = (width // heads) ** -0.5  # of the width that it was made with
        self.project = nn.Linear(width, 3 * width)
        self.leave = nn.Linear(width, width)
        self.register_buffer("slopes", distance_slopes(heads), persistent=False)

    def forward(self, x: Sequence, mask: Bool[Tensor, "B T"] | None = None) -> Sequence:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(x).split(self.widths(), dim=2)
        )
        places = torch.arange(x.shape[1], device=x.device)
        distance = (places[:, None] - places[None, :]).abs()
        bias = (-self.slopes[:, None, None] * distance)[None]
        if mask is not None:
            bias = bias.masked_fill(~mask[:, None, None, :], float("-inf"))
        mixed = attend(query, key, value, bias, self.scale)
        return self.leave(mixed.transpose(1, 2).flatten(2))

    def widths(self) -> list[int]:
        """Channels of queries, keys and values; pruning may leave the values another number."""
        values = self.leave.in_features
        keys = (self.project.out_features - values) // 2
        return [keys, keys, values]

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        """Declare the weights of this layer, which lies at `path` on a stream of this width."""
        of_keys, _, of_values = (channels // self.heads for channels in self.widths())
        heads = structure.dimension(f"{path}.heads", self.heads)
        keys = times(heads, structure.dimension(f"{path}.keys", of_keys))
        values = times(heads, structure.dimension(f"{path}.values", of_values))
        structure.layer(f"{path}.project", self.project, keys + keys + values, width)
        structure.layer(f"{path}.leave", self.leave, width, values)
        structure.follower(f"{path}.slopes", heads)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm in 32 groups, or as many halvings of that as divide the channels evenly."""
    return nn.GroupNorm(math.gcd(32, channels), channels)


class RelativeBias(nn.Module):
    """What each head adds to scores by how far, and on which side, a key lies from a query.

    Distances below 8 have a bucket each, longer ones share 8 more on a log scale up to 64.

    Source: Raffel et al. 2019, "T5", section 2.1, arXiv:1910.10683.
    """

    def __init__(self, heads: int, scale: float):
        super().__init__()
        self.scale = scale
        self.table = nn.Embedding(32, heads)

    def forward(self, size: Size) -> Float[Tensor, "H T T"]:
        places = count_up(size, self.table.weight.device)
        offset = places[None] - places[:, None]
        far = offset.abs()
        shared = 8 + (far.clamp(min=8) / 8).log() / math.log(8) * 8
        bucket = torch.where(far < 8, far, shared.long().clamp(max=15)) + 16 * (offset > 0)
        return self.table(bucket).permute(2, 0, 1) * self.scale


class FrameAttention(nn.Module):
    """Group norm, then multi-head self-attention among frames (B, C, T), added to its input.

    The projection out starts at zero, so the layer starts as the identity.

    Source: Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", section 3,
    arXiv:2105.05233.
    """

    def __init__(self, channels: int, heads: int, relative: bool = False):
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.norm = group_norm(channels)
        self.relative = RelativeBias(heads, 1 / self.scale) if relative else None
        self.project = nn.Conv1d(channels, 3 * channels, 1)
        self.leave = nn.Conv1d(channels, channels, 1)
        for weight in self.leave.parameters():
            nn.init.zeros_(weight)

    def forward(self, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        # Query, key and value of a head lie side by side, as in their program.
        parts = self.project(self.norm(x)).unflatten(1, (self.heads, -1)).transpose(2, 3)
        query, key, value = parts.chunk(3, dim=3)
        bias = x.new_zeros(1, 1) if self.relative is None else self.relative(x.shape[2])
        mixed = attend(query, key, value, bias, self.scale)
        return x + self.leave(mixed.transpose(2, 3).flatten(1, 2))
