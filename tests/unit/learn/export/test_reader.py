"""The exported reader says what the network says."""

import json

import numpy as np
import onnxruntime
import torch

from sori.learn.checkpoint import save_model
from sori.learn.export.reader import export_reader
from sori.learn.models.grapheme_to_phoneme import SPEC, GraphemeToPhoneme


def test_the_exported_reader_agrees_with_the_network_for_any_length(tmp_path):
    torch.manual_seed(0)
    model = GraphemeToPhoneme(SPEC.tiny).eval()
    save_model(tmp_path / "m.safetensors", "grapheme_to_phoneme", SPEC.tiny, model, {})

    export_reader(tmp_path / "m.safetensors", tmp_path / "m.onnx")

    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    for length in (1, 3, 12):
        letters = torch.arange(1, length + 1)[None]
        accent = torch.tensor([1])
        with torch.inference_mode():
            want = model(letters, torch.tensor([length]), accent)
        (got,) = session.run(["scores"], {"letters": letters.numpy(), "accent": accent.numpy()})
        # The weights are stored in half precision.
        np.testing.assert_allclose(got, want.numpy(), atol=2e-2)
    card = json.loads(session.get_modelmeta().custom_metadata_map["sori.card"])
    assert card["symbols"] == SPEC.tiny.symbols
