"""The letter-reading network as the small ONNX file that the front end loads."""

import json
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from sori.learn.checkpoint import load_model
from sori.learn.export.smaller import store_halves
from sori.learn.export.tracing import stamp, trace
from sori.learn.models.grapheme_to_phoneme import GraphemeToPhoneme, GraphemeToPhonemeConfig

AXES = {"letters": {1: "N"}, "scores": {1: "L"}}
HALVED = 64  # weights with fewer values, biases and such, stay in single precision


class OneWord(nn.Module):
    """The network for one word without padding."""

    def __init__(self, model: GraphemeToPhoneme):
        super().__init__()
        self.model = model

    def forward(self, letters: Tensor, accent: Tensor) -> Tensor:
        return self.model.score(letters, accent, torch.ones_like(letters)[:, :, None].float())


def export_reader(checkpoint: Path, out: Path) -> None:
    """Write a checkpoint of `grapheme_to_phoneme` as ONNX with its alphabets in the metadata."""
    saved = load_model(checkpoint)
    config = TypeAdapter(GraphemeToPhonemeConfig).validate_python(saved.config)
    model = GraphemeToPhoneme(config).eval()
    model.load_state_dict(saved.weights)
    example = (torch.ones(1, 7, dtype=torch.long), torch.zeros(1, dtype=torch.long))
    trace(OneWord(model), out, example, ("letters", "accent"), ("scores",), AXES)
    store_halves(out, out, HALVED)
    card = {"letters": config.letters, "symbols": config.symbols, "accents": config.accents}
    stamp(out, "sori.card", json.dumps(card))
