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
