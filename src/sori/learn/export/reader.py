"""The letter-reading network as the small ONNX file that the front end loads."""

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from pydantic import TypeAdapter
from torch import Tensor, nn

from sori.learn.checkpoint import load_model
from sori.learn.models.grapheme_to_phoneme import GraphemeToPhoneme, GraphemeToPhonemeConfig

OPSET = 18
HALVED_ELEMENTS = 64  # smaller tensors, biases and such, stay in single precision


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
    with warnings.catch_warnings():
        # The exporter that traces warns of its successor, which needs further packages.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            OneWord(model).eval(),
            (torch.ones(1, 7, dtype=torch.long), torch.zeros(1, dtype=torch.long)),
            str(out),
            input_names=["letters", "accent"],
            output_names=["scores"],
            dynamic_axes={"letters": {1: "N"}, "scores": {1: "L"}},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load(out)
    halve_weights(graph)
    card = {"letters": config.letters, "symbols": config.symbols, "accents": config.accents}
    entry = graph.metadata_props.add()
    entry.key, entry.value = "sori.card", json.dumps(card)
    onnx.save(graph, out)


def halve_weights(model: onnx.ModelProto) -> None:
    """Store weights in half precision, cast back when the file is loaded: half the size."""
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < HALVED_ELEMENTS:
            continue
        name = tensor.name
        half = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
