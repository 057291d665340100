"""The Transformer blocks that read phonemes. Sequences are (B, T, D)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Size
from sori.learn.nn.attention import attend
from sori.learn.nn.conv import convolve
from sori.learn.nn.dropout import Dropout
from sori.learn.nn.masks import as_bias, as_weight, count_up
from sori.learn.nn.prunable import Axis, Structure, times

Steps = Float[Tensor, "B T D"]
Mask = Bool[Tensor, "B T"]


class Positions(nn.Module):
    """Positions as sines and cosines of geometrically spaced rates.

    A cosine is a sine a quarter turn ahead, so every channel has a rate and a phase of its own.
    `gain` is 1; it is there for a mask to multiply.

    Source: Vaswani et al. 2017, section 3.5, arXiv:1706.03762.
    """

    rates: Tensor
    phases: Tensor
    gain: Tensor

    def __init__(self, width: int):
        super().__init__()
        pairs = torch.arange(width) // 2 * 2
        self.register_buffer("rates", 10000 ** (-pairs / width), persistent=False)
        self.register_buffer("phases", torch.arange(width) % 2 * (torch.pi / 2), persistent=False)
        self.register_buffer("gain", torch.ones(width))

    def forward(self, size: Size) -> Float[Tensor, "T D"]:
        places = count_up(size, self.rates.device)[:, None]
        return (places * self.rates + self.phases).sin() * self.gain

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        structure.follower(f"{path}.rates", width)
        structure.follower(f"{path}.phases", width)
        structure.tensor(f"{path}.gain", width)


class Attention(nn.Module):
    """Multi-head self-attention with a projection for queries, keys and values each."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5  # of the width that it was made with
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)

    def forward(self, x: Steps, mask: Mask) -> Steps:
        query, key, value = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        bias = as_bias(mask)[:, None, None, :]
        mixed = attend(query, key, value, bias, self.scale)
        return self.leave(mixed.transpose(1, 2).flatten(2))

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        heads = structure.dimension(f"{path}.heads", self.heads)
        of_keys, of_values = (
            layer.out_features // self.heads for layer in (self.query, self.value)
        )
        keys = times(heads, structure.dimension(f"{path}.keys", of_keys))
        values = times(heads, structure.dimension(f"{path}.values", of_values))
        structure.layer(f"{path}.query", self.query, keys, width)
        structure.layer(f"{path}.key", self.key, keys, width)
        structure.layer(f"{path}.value", self.value, values, width)
        structure.layer(f"{path}.leave", self.leave, width, values)


class FFTBlock(nn.Module):
    """Feed-forward Transformer block: attention, then two convolutions over time.

        x <- LN(MHA(x) + x),   x <- LN(Conv(ReLU(Conv(x))) + x)

    Source: Ren et al. 2019, "FastSpeech", section 3.1, arXiv:1905.09263.
    """

    def __init__(self, width: int, heads: int, filter_width: int, kernel: int, dropout: float):
        super().__init__()
        self.attend = Attention(width, heads)
        self.first_norm = nn.LayerNorm(width)
        self.widen = nn.Conv1d(width, filter_width, kernel, padding=kernel // 2)
        self.narrow = nn.Conv1d(filter_width, width, 1)
        self.second_norm = nn.LayerNorm(width)
        self.drop = Dropout(dropout)

    def forward(self, x: Steps, mask: Mask) -> Steps:
        keep = as_weight(mask)
        x = self.first_norm(self.drop(self.attend(x, mask)) + x) * keep
        h = convolve(self.narrow, F.relu(convolve(self.widen, x)))
        return self.second_norm(self.drop(h) + x) * keep

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        self.attend.declare(structure, f"{path}.attend", width)
        hidden = structure.dimension(f"{path}.hidden", self.widen.out_channels)
        structure.layer(f"{path}.first_norm", self.first_norm, width)
        structure.layer(f"{path}.widen", self.widen, hidden, width)
        structure.layer(f"{path}.narrow", self.narrow, width, hidden)
        structure.layer(f"{path}.second_norm", self.second_norm, width)
