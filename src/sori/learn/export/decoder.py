"""From TorToise's diffusion decoder to an ONNX graph: a noised mel in, the noise in it out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.core.files import beside
from sori.learn import registry
from sori.learn.export.parity import compare
from sori.learn.export.tracing import stamp, trace
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
    frames = {0: "B", 2: "T"}
    axes = dict.fromkeys((*INPUTS, *OUTPUTS), frames) | {"times": {0: "B"}}
    asked = Asked(network)
    with beside(out) as graph:
        trace(asked, graph, example(network, 1, 12), INPUTS, OUTPUTS, axes)
        found = compare(asked, graph, example(network, 2, 31), INPUTS, OUTPUTS)
        stamp(graph, WEIGHTS_KEY, hash_of(checkpoint))
    return found["noise"]
