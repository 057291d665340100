"""From a vocoder that speaks in one pass to an ONNX graph: mel and noise in, wave out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.core.files import beside
from sori.learn import registry
from sori.learn.export.parity import compare
from sori.learn.export.tracing import stamp, trace
from sori.learn.nn.conv import fold_weight_norm
from sori.learn.nn.noise import OnePass

CARD_KEY = "sori.vocoder"
FRAMES_TRACED, FRAMES_COMPARED = 12, 31


class Speaking(nn.Module):
    """The one pass of a vocoder, as its `forward`."""

    def __init__(self, network: OnePass):
        super().__init__()
        assert isinstance(network, nn.Module)
        self.network = network

    def forward(self, mel: Tensor, *drawn: Tensor) -> tuple[Tensor]:
        return (self.network.speak(mel, *drawn),)  # type: ignore[operator]


def example(network: OnePass, frames: int) -> tuple[Tensor, ...]:
    """A random mel and the noise for it."""
    mel = torch.randn(1, network.mel_spec.bins, frames) - 5
    return mel, *(noise.draw(mel) for noise in network.noises)


def describe(network: OnePass) -> dict[str, Any]:
    """What the speaking side must know: the mel, and the noise to draw."""
    return {
        "format": 1,
        "mel": asdict(network.mel_spec),
        "noises": [noise._asdict() for noise in network.noises],
    }


def export_vocoder(checkpoint: Path, out: Path) -> float:
    """Write the graph; returns the greatest difference of its wave from the network's.

    Raises:
        SoriError: the checkpoint does not speak in one pass, or the graph says something else.
    """
    network = registry.load(checkpoint)
    if not isinstance(network, OnePass):
        raise SoriError(
            f"{checkpoint} holds {type(network).__name__}, which does not make a wave in one pass"
        )
    fold_weight_norm(network)  # type: ignore[arg-type]
    traced, compared = example(network, FRAMES_TRACED), example(network, FRAMES_COMPARED)
    inputs = ["mel", *(f"noise_{number}" for number in range(len(traced) - 1))]
    axes = {
        name: {tensor.ndim - 1: f"T_{name}"} for name, tensor in zip(inputs, traced, strict=True)
    }
    speaking = Speaking(network).eval()
    with torch.no_grad():
        speaking(*traced)  # finds what is found once, such as inverse matrices
    with beside(out) as graph:
        trace(speaking, graph, traced, inputs, ["wave"], axes | {"wave": {1: "S"}})
        difference = compare(speaking, graph, compared, inputs, ["wave"])["wave"]
        stamp(graph, CARD_KEY, json.dumps(describe(network)))
    return difference
