"""How the authors of vocoders name their tensors, and which of our layers these are.

Sources: the authors' programs jik876/hifi-gan, descriptinc/melgan-neurips, maum-ai/univnet and
NVIDIA/waveglow; the UnivNet of transformers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from torch import Tensor

from sori.core.errors import SoriError

Tensors = Mapping[str, Tensor]
HOP = 256  # samples, of all these models
V3_DILATIONS = [[1, 2], [2, 6], [3, 12]]  # of HiFi-GAN's blocks; shapes do not tell them


class Change(NamedTuple):
    """A tensor of ours that is made of several of theirs, or of one that is written otherwise.

    words: what is done, for the report; none where only the name differs.
    """

    names: tuple[str, ...]
    make: Callable[..., Tensor]
    words: str


class Origin(NamedTuple):
    """Where the weights of one of our layers come from.

    rows: the part of the other's output channels that this layer makes; all if not given.
    bias_from: another layer there whose bias is added, over the same rows.
    """

    layer: str
    rows: slice = slice(None)
    bias_from: str | None = None
    bias_rows: slice = slice(None)


Pairs = Iterator[tuple[str, Origin]]
Changes = Iterator[tuple[str, Change]]


def no_changes(tensors: Tensors) -> Changes:
    """Layers are enough to tell everything."""
    return iter(())


@dataclass(frozen=True)
class Layout:
    """How a program names its tensors.

    Args:
        mark: beginning of a name that no other layout has.
        config: sizes of our model, from the shapes of the file.
        pairs: our layers with their origins.
        changes: our tensors that are no weight or bias of such a layer.
    """

    model: str
    mark: str
    config: Callable[[Tensors], dict[str, Any]]
    pairs: Callable[[Tensors], Pairs]
    changes: Callable[[Tensors], Changes] = no_changes


def weight(tensors: Tensors, layer: str) -> Tensor:
    """A tensor with the shape of a layer's weight, normed or not."""
    for ending in (".weight_v", ".parametrizations.weight.original1", ".weight"):
        if (found := tensors.get(layer + ending)) is not None:
            return found
    raise SoriError(f"there is no weight of {layer} in the file")


def how_many(tensors: Tensors, pattern: str) -> int:
    """How many numbers, from 0, fill the `{}` of the beginning of a name."""
    has = lambda n: any(name.startswith(pattern.format(n)) for name in tensors)  # noqa: E731
    return next(n for n in count() if not has(n))


def strides(tensors: Tensors, layers: list[str]) -> list[int]:
    """Strides of transposed convolutions whose kernels are twice as long."""
    return [weight(tensors, layer).shape[2] // 2 for layer in layers]


def hifigan_config(tensors: Tensors) -> dict[str, Any]:
    width, bins, _ = weight(tensors, "conv_pre").shape
    stages = how_many(tensors, "ups.{}.")
    blocks = how_many(tensors, "resblocks.{}.") // stages
    is_short = not how_many(tensors, "resblocks.0.convs1.{}.")
    convs = "convs" if is_short else "convs1"
    layers = how_many(tensors, f"resblocks.0.{convs}.{{}}.")
    return {
        "mel": {"sample_rate": 22050, "hop_samples": HOP, "bins": bins},
        "width": width,
        "strides": strides(tensors, [f"ups.{n}" for n in range(stages)]),
        "kernels": [weight(tensors, f"resblocks.{n}.{convs}.0").shape[2] for n in range(blocks)],
        "dilations": V3_DILATIONS[:blocks] if is_short else [1 + 2 * n for n in range(layers)],
        "blocks": "short" if is_short else "paired",
    }


def hifigan_pairs(tensors: Tensors) -> Pairs:
    config = hifigan_config(tensors)
    blocks = len(config["kernels"])
    yield "enter", Origin("conv_pre")
    for stage in range(len(config["strides"])):
        yield f"stages.{stage}.upsample", Origin(f"ups.{stage}")
        for block in range(blocks):
            ours, theirs = f"stages.{stage}.blocks.{block}", f"resblocks.{stage * blocks + block}"
            if config["blocks"] == "short":
                for layer in range(len(config["dilations"][block])):
                    yield f"{ours}.dilated.{layer}", Origin(f"{theirs}.convs.{layer}")
                continue
            for layer in range(len(config["dilations"])):
                yield f"{ours}.dilated.{layer}", Origin(f"{theirs}.convs1.{layer}")
                yield f"{ours}.plain.{layer}", Origin(f"{theirs}.convs2.{layer}")
    yield "leave", Origin("conv_post")


def melgan_stages(tensors: Tensors) -> tuple[list[int], int]:
    """Places of the upsampling layers in the row of all, and residual blocks behind each."""
    last = max(int(name.split(".")[1]) for name in tensors if name.startswith("model."))
    has = lambda n, part: any(name.startswith(f"model.{n}.{part}") for name in tensors)  # noqa: E731
    ups = [n for n in range(2, last) if has(n, "weight") or has(n, "param")]
    blocks = sum(has(n, "block") for n in range(last))
    return ups, blocks // len(ups)


def melgan_config(tensors: Tensors) -> dict[str, Any]:
    width, bins, _ = weight(tensors, "model.1").shape
    ups, blocks = melgan_stages(tensors)
    return {
        "mel": {"sample_rate": 22050, "hop_samples": HOP, "bins": bins, "f_max_hz": 11025.0},
        "width": width,
        "strides": strides(tensors, [f"model.{n}" for n in ups]),
        "dilations": [3**n for n in range(blocks)],
    }


def melgan_pairs(tensors: Tensors) -> Pairs:
    ups, blocks = melgan_stages(tensors)
    # A convolution that pads by reflection is the second of two layers.
    yield "enter.1", Origin("model.1")
    for stage, place in enumerate(ups):
        yield f"stages.{stage}.upsample", Origin(f"model.{place}")
        for block in range(blocks):
            ours, theirs = f"stages.{stage}.blocks.{block}", f"model.{place + 1 + block}"
            yield f"{ours}.dilated.1", Origin(f"{theirs}.block.2")
            yield f"{ours}.leave", Origin(f"{theirs}.block.4")
            yield f"{ours}.shortcut", Origin(f"{theirs}.shortcut")
    # Behind the last block: an activation, the padding, the convolution.
    yield "leave.1", Origin(f"model.{ups[-1] + blocks + 3}")


class UnivNetNames(NamedTuple):
    """Names of UnivNet's layers; {} is the number of a layer."""

    stack: str
    upsample: str
    conv: str
    read: str
    first: str
    second: str
    leave: str


AUTHORS_UNIVNET = UnivNetNames(
    "res_stack.{}",
    "convt_pre.1",
    "conv_blocks.{}.1",
    "input_conv.0",
    "residual_convs.{}.1",
    "residual_convs.{}.3",
    "conv_post.1",
)
TRANSFORMERS_UNIVNET = UnivNetNames(
    "resblocks.{}",
    "convt_pre",
    "resblocks.{}.conv",
    "input_conv",
    "resblocks.{}.conv1",
    "resblocks.{}.conv2",
    "conv_post",
)


def univnet(names: UnivNetNames) -> Layout:
    """The layout of a program for UnivNet."""
    predictor = f"{names.stack}.kernel_predictor"
    first = predictor.format(0)

    def config(tensors: Tensors) -> dict[str, Any]:
        width, noise, _ = weight(tensors, "conv_pre").shape
        hidden, bins, _ = weight(tensors, f"{first}.{names.read}").shape
        layers = how_many(tensors, f"{names.stack.format(0)}.{names.conv}.")
        ups = [
            f"{names.stack.format(n)}.{names.upsample}"
            for n in range(how_many(tensors, names.stack + "."))
        ]
        return {
            "mel": {"sample_rate": 24000, "hop_samples": HOP, "bins": bins, "f_max_hz": 12000.0},
            "width": width,
            "noise_channels": noise,
            "strides": strides(tensors, ups),
            "dilations": [3**n for n in range(layers)],
            "predictor_width": hidden,
            "predictor_blocks": how_many(tensors, f"{first}.{names.first}."),
        }

    def pairs(tensors: Tensors) -> Pairs:
        sizes = config(tensors)
        yield "enter", Origin("conv_pre")
        for block in range(len(sizes["strides"])):
            stack, reads = names.stack.format(block), predictor.format(block)
            yield f"blocks.{block}.upsample", Origin(f"{stack}.{names.upsample}")
            for n in range(len(sizes["dilations"])):
                yield f"blocks.{block}.convs.{n}", Origin(f"{stack}.{names.conv.format(n)}")
            ours = f"blocks.{block}.predict"
            yield f"{ours}.enter", Origin(f"{reads}.{names.read}")
            for n in range(sizes["predictor_blocks"]):
                yield f"{ours}.blocks.{n}.0", Origin(f"{reads}.{names.first.format(n)}")
                yield f"{ours}.blocks.{n}.2", Origin(f"{reads}.{names.second.format(n)}")
            yield f"{ours}.kernels", Origin(f"{reads}.kernel_conv")
            yield f"{ours}.biases", Origin(f"{reads}.bias_conv")
        yield "leave", Origin(names.leave)

    return Layout("univnet", f"{first}.{names.read}.", config, pairs)


def waveglow_config(tensors: Tensors) -> dict[str, Any]:
    bins, _, reach = weight(tensors, "upsample").shape
    channels = [
        weight(tensors, f"convinv.{n}.conv").shape[0]
        for n in range(how_many(tensors, "convinv.{}."))
    ]
    leaving = next((n for n, size in enumerate(channels) if size < channels[0]), len(channels))
    early = channels[0] - channels[leaving] if leaving < len(channels) else 2
    width, _, kernel = weight(tensors, "WN.0.in_layers.0").shape
    return {
        "mel": {"sample_rate": 22050, "hop_samples": HOP, "bins": bins},
        "group": channels[0],
        "flows": len(channels),
        "early_every": leaving,
        "early_channels": early,
        "layers": how_many(tensors, "WN.0.in_layers.{}."),
        "width": width // 2,
        "kernel": kernel,
        "upsampling_frames": reach // HOP,
    }


def waveglow_pairs(tensors: Tensors) -> Pairs:
    config = waveglow_config(tensors)
    width, layers = config["width"], config["layers"]
    is_joint = any(name.startswith("WN.0.cond_layer.") for name in tensors)
    yield "upsample", Origin("upsample")
    for flow in range(config["flows"]):
        ours, theirs = f"flows.{flow}.couple.network", f"WN.{flow}"
        yield f"flows.{flow}.mix", Origin(f"convinv.{flow}.conv")
        yield f"{ours}.enter", Origin(f"{theirs}.start")
        for n in range(layers):
            # One convolution brings the mel into all layers, or each layer has its own.
            brings = f"{theirs}.cond_layer" if is_joint else f"{theirs}.cond_layers.{n}"
            part = slice(2 * width * n, 2 * width * (n + 1)) if is_joint else slice(None)
            into = Origin(f"{theirs}.in_layers.{n}", bias_from=brings, bias_rows=part)
            yield f"{ours}.stack.layers.{n}.dilated", into
            yield f"{ours}.stack.layers.{n}.condition", Origin(brings, part)
            both = f"{theirs}.res_skip_layers.{n}"
            is_last = n == layers - 1
            if not is_last:
                yield f"{ours}.stack.layers.{n}.residual", Origin(both, slice(0, width))
            skip = slice(None) if is_last else slice(width, None)
            yield f"{ours}.stack.layers.{n}.skip", Origin(both, skip)
        yield f"{ours}.leave", Origin(f"{theirs}.end")


LAYOUTS = (
    Layout("hifigan", "resblocks.0.convs1.0.", hifigan_config, hifigan_pairs),
    Layout("hifigan", "resblocks.0.convs.0.", hifigan_config, hifigan_pairs),
    Layout("melgan", "model.1.", melgan_config, melgan_pairs),
    Layout("waveglow", "convinv.0.conv.", waveglow_config, waveglow_pairs),
    univnet(AUTHORS_UNIVNET),
    univnet(TRANSFORMERS_UNIVNET),
)
