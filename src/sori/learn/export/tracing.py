"""From a network to an ONNX graph, by following what it does with an example."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

OPSET = 17


def trace(
    network: nn.Module,
    path: Path,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Mapping[str, Mapping[int, str]],
    lengths: Mapping[str, Mapping[int, str]],
) -> None:
    """Write the graph of a network in evaluation mode.

    Args:
        outputs, lengths: of outputs and of inputs, names of the axes that are of any length.
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
            dynamic_axes={k: dict(v) for k, v in (*lengths.items(), *outputs.items()) if v},
            opset_version=OPSET,
            dynamo=False,
        )
