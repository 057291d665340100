"""What of a network can be pruned, declared as data, and the layer that a narrower network needs.

A *dimension* is a number of channels that several tensors share: the width of the residual stream,
the heads of one attention, the hidden channels of one block. A model names its dimensions and says
for every tensor which of them each axis runs over. Masking, counting and cutting read that and
nothing else, so they know no model.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

# An axis is made of parts, one behind another; a part is the Kronecker product of its dimensions,
# the slowest first. An axis without parts is fixed by the data and stays whole.
Part = tuple[str, ...]
Axis = tuple[Part, ...]
FIXED: Axis = ()
Masks = Mapping[str, Tensor]  # of every dimension, one number for each channel


class Structure:
    """The dimensions of a network, and the axes of its tensors."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.axes: dict[str, tuple[Axis, ...]] = {}  # tensors that a mask multiplies
        self.followers: dict[str, tuple[Axis, ...]] = {}  # buffers that only lose what is cut

    def dimension(self, name: str, size: int) -> Axis:
        """Name a dimension; returns the axis that runs over it alone."""
        assert name not in self.sizes, name
        self.sizes[name] = size
        return ((name,),)

    def tensor(self, name: str, *axes: Axis) -> None:
        """Say what the axes of a weight run over; those not named are fixed."""
        self.axes[name] = axes

    def follower(self, name: str, *axes: Axis) -> None:
        """Say what the axes of a buffer run over that needs no mask of its own."""
        self.followers[name] = axes

    def layer(self, path: str, layer: nn.Module, *axes: Axis) -> None:
        """Declare a linear layer, convolution, norm or table: weight, and bias by its first axis.

        A batch norm's statistics follow.
        """
        for name, weight in layer.named_parameters(recurse=False):
            self.tensor(f"{path}.{name}", *axes[: weight.ndim])
        for name, buffer in layer.named_buffers(recurse=False):
            if buffer.ndim:
                self.follower(f"{path}.{name}", axes[0])


@runtime_checkable
class Prunable(Protocol):
    """A network that declares what can be pruned."""

    def structure(self) -> Structure: ...


def times(slow: Axis, fast: Axis) -> Axis:
    """The axis over all pairs of two dimensions, such as heads and their channels."""
    (outer,), (inner,) = slow, fast
    return ((*outer, *inner),)


def along(axis: Axis, masks: Masks) -> Tensor:
    """The mask of an axis: Kronecker products of its dimensions, part behind part."""
    parts = []
    for first, *others in axis:
        mask = masks[first]
        for name in others:
            mask = torch.outer(mask, masks[name]).flatten()
        parts.append(mask)
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def apply_masks(weight: Tensor, axes: Sequence[Axis], masks: Masks) -> Tensor:
    """A weight times the outer product of the masks of its axes.

        W' = W * z,   z = z_1 z_2^T

    Source: Huang et al. 2023, "Personalized Lightweight Text-to-Speech: Voice Cloning with Adaptive
    Structured Pruning", section 2.2, arXiv:2303.11816.
    """
    for number, axis in enumerate(axes):
        if axis:
            shape = [1] * weight.ndim
            shape[number] = -1
            weight = weight * along(axis, masks).view(shape)
    return weight


def kept_weights(model: nn.Module, structure: Structure, masks: Masks) -> Float[Tensor, ""]:
    """The sum of the masks of all weights: how many are left, if masks are 0 or 1.

    A weight that no mask reaches counts as kept. The sum of an outer product is the product of the
    sums, so no large tensor is made.
    """
    total = torch.zeros(())
    for name, weight in model.named_parameters():
        axes = structure.axes.get(name.replace("parametrizations.", "").replace(".original", ""))
        kept: Tensor | float = float(weight.numel())
        for size, axis in zip(weight.shape, axes or (), strict=False):
            if axis:
                kept = kept / size * along(axis, masks).sum()
        total = total + kept
    return total


class OriginalWidthNorm(nn.Module):
    """Layer norm over channels of which the pruned ones, all zero, are no longer there.

        mean = sum(x) / d,   var = sum(x^2) / d - mean^2,   d the width before pruning

    A layer norm over the remaining channels would divide by their number and say something else.
    The zeros are put back for the norm alone: one fused operation, in training and in the runtime.

    Source: Ba et al. 2016, "Layer Normalization", arXiv:1607.06450, with zeros in most channels.
    """

    def __init__(self, norm: nn.LayerNorm):
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.width = math.prod(norm.normalized_shape)
        self.eps = norm.eps

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        kept = len(self.weight)
        x, weight, bias = (
            F.pad(each, (0, self.width - kept)) for each in (x, self.weight, self.bias)
        )
        return F.layer_norm(x, (self.width,), weight, bias, self.eps)[..., :kept]
