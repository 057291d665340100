"""Cutting: from a network and the channels that stay to a smaller network that says the same."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.learn.nn.prunable import (
    Axis,
    OriginalWidthNorm,
    Prunable,
    Structure,
    along,
    apply_masks,
)

Kept = Mapping[str, Tensor]  # of every dimension, a boolean for each channel


def structure_of(model: nn.Module) -> Structure:
    """What a model declares.

    Raises:
        SoriError: it declares nothing.
    """
    if not isinstance(model, Prunable):
        raise SoriError(f"{type(model).__name__} does not say what of it can be pruned")
    return model.structure()


@torch.no_grad()
def compact(model: nn.Module, kept: Kept) -> nn.Module:
    """A copy without the channels that do not stay; it says what the masked network says.

    Of a dimension that loses all channels one stays, with weights of zero: attention without keys
    is then uniform, a block without hidden channels adds its bias, and no layer needs a special
    case.
    """
    structure = structure_of(model)
    masks = {name: mask.float() for name, mask in kept.items()}
    chosen = {name: mask if mask.any() else first_of(mask) for name, mask in kept.items()}
    small = copy.deepcopy(model)
    for name, axes in (structure.axes | structure.followers).items():
        owner, tensor = small.get_submodule(name.rpartition(".")[0]), get_tensor(small, name)
        whole = apply_masks(tensor, axes, masks) if name in structure.axes else tensor
        set_tensor(owner, name.rpartition(".")[2], cut(whole, axes, chosen))
    resize(small, chosen)
    return small


def first_of(mask: Tensor) -> Tensor:
    return torch.arange(len(mask)) == 0


def cut(tensor: Tensor, axes: Sequence[Axis], chosen: Kept) -> Tensor:
    """The tensor without what was not chosen along its axes."""
    for number, axis in enumerate(axes):
        if axis:
            places = along(axis, {k: v.float() for k, v in chosen.items()}).nonzero()[:, 0]
            tensor = tensor.index_select(number, places)
    return tensor.contiguous()


def get_tensor(model: nn.Module, name: str) -> Tensor:
    tensor = getattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2])
    assert isinstance(tensor, Tensor), name
    return tensor


def set_tensor(owner: nn.Module, name: str, value: Tensor) -> None:
    old = getattr(owner, name)
    is_weight = isinstance(old, nn.Parameter)
    setattr(owner, name, nn.Parameter(value, old.requires_grad) if is_weight else value)


def resize(model: nn.Module, chosen: Kept) -> None:
    """Tell layers their new sizes: attributes named like dimensions, groups, widths of norms."""
    for name, mask in chosen.items():
        path, _, attribute = name.rpartition(".")
        owner = model.get_submodule(path)
        if isinstance(getattr(owner, attribute, None), int):
            setattr(owner, attribute, int(mask.sum()))
    for path, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = layer.weight.shape
        elif isinstance(layer, nn.Embedding):
            layer.num_embeddings, layer.embedding_dim = layer.weight.shape
        elif isinstance(layer, nn.BatchNorm1d):
            layer.num_features = len(layer.weight)
        elif isinstance(layer, nn.Conv1d):
            resize_conv(layer)
        elif isinstance(layer, nn.LayerNorm) and layer.weight.shape != layer.normalized_shape:
            owner = model.get_submodule(path.rpartition(".")[0])
            setattr(owner, path.rpartition(".")[2], OriginalWidthNorm(layer))


def resize_conv(layer: nn.Conv1d) -> None:
    """Read the sizes from the weight; a convolution of single channels stays one."""
    is_depthwise = layer.groups > 1
    layer.out_channels, per_group = layer.weight.shape[:2]
    layer.groups = layer.out_channels if is_depthwise else 1
    layer.in_channels = per_group * layer.groups


def pack(kept: Kept) -> dict[str, str]:
    """The kept channels as text: sixteen signs stand for sixty-four channels."""
    return {name: np.packbits(mask.numpy()).tobytes().hex() for name, mask in kept.items()}


def unpack(packed: Mapping[str, str], structure: Structure) -> dict[str, Tensor]:
    """What `pack` wrote, for a model of this structure.

    Raises:
        SoriError: the dimensions are others.
    """
    if packed.keys() != structure.sizes.keys():
        raise SoriError("the pruned model has other dimensions than this version's")
    return {
        name: torch.from_numpy(
            np.unpackbits(np.frombuffer(bytes.fromhex(packed[name]), np.uint8), count=size)
        ).bool()
        for name, size in structure.sizes.items()
    }
