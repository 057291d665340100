"""A diffusion decoder in onnxruntime, from the graph that `sori export-decoder` wrote."""

import hashlib
from pathlib import Path

import torch

from sori.core.errors import SoriError
from sori.learn.contracts import Lengths, Mel
from sori.learn.models.tortoise_diffusion import Frames
from sori.learn.nn.diffusion import Prediction
from sori.learn.systems.vocoding import open_graph

INPUTS, OUTPUTS = ("noised", "times", "condition"), ("noise", "spread")
WEIGHTS_KEY = "sori.weights"  # the hash of the checkpoint that a graph was made of


def hash_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class GraphDenoiser:
    """Says what the decoder says that the graph was made of.

    Raises:
        SoriError: the graph is unusable, or was made of other weights than these.
    """

    def __init__(self, path: Path, weights: Path):
        self.session, card = open_graph(path)
        if card.get(WEIGHTS_KEY) != hash_of(weights):
            raise SoriError(
                f"{path} was not made of {weights}; export it again with sori export-decoder, or "
                "remove it"
            )

    def __call__(self, noised: Mel, times: Lengths, condition: Frames) -> Prediction:
        given = (noised, times, condition)
        feed = {name: value.numpy() for name, value in zip(INPUTS, given, strict=True)}
        noise, spread = self.session.run(OUTPUTS, feed)
        return Prediction(torch.from_numpy(noise), torch.from_numpy(spread))
