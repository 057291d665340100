"""From TorToise's diffusion decoder to an ONNX graph: a noised mel in, the noise in it out."""

import os
import tempfile
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.export.parity import compare
from sori.learn.export.tracing import trace
from sori.learn.models.tortoise_diffusion import TortoiseDiffusion
from sori.learn.systems.denoising import INPUTS, OUTPUTS, WEIGHTS_KEY, hash_of


def example(network: TortoiseDiffusion, items: int, frames: int) -> tuple[Tensor, ...]:
    """Random noised mels, steps and conditions."""
    bins, width = network.config.mel.bins, network.config.width
    times = torch.randint(network.config.steps, (items,))
    return torch.randn(items, bins, frames), times, torch.randn(items, width, frames)


class Asked(nn.Module):
    """The network with its answer as a plain tuple."""

    def __init__(self, network: TortoiseDiffusion):
        super().__init__()
        self.network = network

    def forward(self, noised: Tensor, times: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        said = self.network(noised, times, condition)
        return said.noise, said.spread


def export_decoder(checkpoint: Path, out: Path) -> float:
    """Write the graph; returns the greatest difference of its noise from the network's.

    Raises:
        SoriError: the checkpoint is not a diffusion decoder, or the graph says something else.
    """
    network = registry.load(checkpoint)
    if not isinstance(network, TortoiseDiffusion):
        raise SoriError(
            f"{checkpoint} holds {type(network).__name__}; give a tortoise_diffusion checkpoint"
        )
    axes = {0: "B", 2: "T"}
    with tempfile.TemporaryDirectory(dir=out.resolve().parent) as folder:
        graph = Path(folder) / "decoder.onnx"
        lengths = {"noised": axes, "times": {0: "B"}, "condition": axes}
        outputs = dict.fromkeys(OUTPUTS, axes)
        trace(Asked(network), graph, example(network, 1, 12), INPUTS, outputs, lengths)
        found = compare(Asked(network), graph, example(network, 2, 31), INPUTS, OUTPUTS)
        model = onnx.load(graph)
        onnx.helper.set_model_props(model, {WEIGHTS_KEY: hash_of(checkpoint)})
        onnx.save(model, graph)
        os.replace(graph, out)
    return found["noise"]
