"""Masks of padded batches: true where there is data."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sori.learn.contracts import Lengths


def length_mask(lengths: Lengths, size: int) -> Bool[Tensor, "B T"]:
    """True at the first `lengths[b]` of `size` places of item b."""
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def as_weight(mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T 1"]:
    """The mask as ones and zeros that multiply a sequence (B, T, D)."""
    return mask[:, :, None].float()


def as_bias(mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The mask as what is added to scores before a softmax: 0 where there is data, else -inf."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, float("-inf"))
