"""Proof that an exported graph says what the network says."""

from collections.abc import Sequence
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from sori.core.errors import SoriError

TOLERANCE = 2e-3  # greatest difference allowed, relative to the greatest value of an output


def compare(
    network: nn.Module,
    graph: Path,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> dict[str, float]:
    """Run both on the same input; returns the greatest difference of every output.

    Raises:
        SoriError: an output differs by more than rounding can explain, or in shape.
    """
    with torch.inference_mode():
        expected = network(*example)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feed = {name: x.numpy() for name, x in zip(inputs, example, strict=True)}
    found = session.run(list(outputs), feed)
    differences = {}
    for name, want, got in zip(outputs, expected, found, strict=True):
        have = torch.from_numpy(got)
        if want.shape != have.shape:
            raise SoriError(f"output {name} has shape {have.shape}, PyTorch {want.shape}")
        differences[name] = float((want - have).abs().max())
        scale = max(float(want.abs().max()), 1.0)
        if not differences[name] <= TOLERANCE * scale:
            raise SoriError(f"output {name} differs from PyTorch by {differences[name]:.2g}")
    return differences
