"""From a network to an ONNX graph, by following what it does with an example."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

OPSET = 17


def trace(
    network: nn.Module,
    path: Path,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
) -> None:
    """Write the graph of a network in evaluation mode.

    Args:
        axes: names of the axes of inputs and outputs that are of any length.
    """
    with warnings.catch_warnings():
        # The exporter that traces warns of its successor, which needs further packages and cannot
        # count frames from durations; and of sizes that stay as they are, those of kernels.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            tuple(example),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes[name]) for name in (*inputs, *outputs) if name in axes},
            opset_version=OPSET,
            dynamo=False,
        )


def stamp(path: Path, key: str, text: str) -> None:
    """Make this entry all of the metadata of an ONNX file."""
    graph = onnx.load(path)
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, {key: text})
    onnx.save(graph, path)
