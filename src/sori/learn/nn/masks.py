"""Masks of padded batches: true where there is data."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sori.learn.contracts import Lengths, Size

LONGEST_TRACED = 2**14  # frames that a graph can make in one run


def count_up(size: Size, device: torch.device) -> Int[Tensor, " T"]:
    """0, 1 ... size - 1; where a graph is traced, as numbers of which it knows not how many.

    A traced `arange` would have the length of the example for ever after.
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined]
        return (torch.arange(LONGEST_TRACED, device=device) < size).nonzero()[:, 0]
    return torch.arange(size, device=device)  # type: ignore[call-overload]


def length_mask(lengths: Lengths, size: Size) -> Bool[Tensor, "B T"]:
    """True at the first `lengths[b]` of `size` places of item b."""
    places = torch.arange(size, device=lengths.device)  # type: ignore[call-overload]
    return places[None] < lengths[:, None]


def as_weight(mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T 1"]:
    """The mask as ones and zeros that multiply a sequence (B, T, D)."""
    return mask[:, :, None].float()


def as_bias(mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The mask as what is added to scores before a softmax: 0 where there is data, else -inf."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, float("-inf"))
