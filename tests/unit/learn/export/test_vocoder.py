"""Exported vocoders: every model that speaks in one pass, as network and as graph."""

import numpy as np
import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.export.vocoder import export_vocoder
from sori.learn.nn.noise import OnePass
from sori.learn.systems.vocoding import Sound, load_vocoder

ONE_PASS = ("flowavenet", "hifigan", "melgan", "parallel_wavenet", "univnet", "waveglow")


def saved(name, folder):
    """A checkpoint of the tiny model, away from a start at which layers do nothing."""
    torch.manual_seed(0)
    card = registry.spec(name)
    model = card.model(card.tiny)
    for weight in model.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.05)
    save_model(folder / f"{name}.safetensors", name, card.tiny, model)
    return folder / f"{name}.safetensors"


def test_every_vocoder_without_a_loop_over_samples_speaks_in_one_pass():
    cards = {name: registry.spec(name) for name in registry.names()}
    vocoders = {
        name: card.model(card.tiny) for name, card in cards.items() if hasattr(card.model, "vocode")
    }

    found = {name for name, model in vocoders.items() if isinstance(model, OnePass)}

    assert found == set(ONE_PASS)


@pytest.mark.parametrize("name", ONE_PASS)
def test_an_exported_vocoder_says_what_the_network_says(name, tmp_path):
    checkpoint = saved(name, tmp_path)

    difference = export_vocoder(checkpoint, tmp_path / "vocoder.onnx")
    network, graph = load_vocoder(str(checkpoint)), load_vocoder(str(tmp_path / "vocoder.onnx"))
    random = np.random.default_rng(0)
    # Another length than any that was traced.
    sound = Sound(random.standard_normal((17, network.spec.bins), np.float32) - 5, None)
    waves = [vocoder.speak(sound, seed=3).samples for vocoder in (network, graph)]

    assert difference < 1e-4
    assert waves[0].shape == (17 * network.spec.hop_samples,)
    assert waves[0].std() > 1e-4
    np.testing.assert_allclose(*waves, atol=1e-4)


def test_a_vocoder_with_a_loop_is_refused(tmp_path):
    with pytest.raises(SoriError, match="WaveNet, which does not make a wave in one pass"):
        export_vocoder(saved("wavenet", tmp_path), tmp_path / "vocoder.onnx")

    assert not (tmp_path / "vocoder.onnx").exists()


def test_a_graph_that_is_no_vocoder_is_refused_in_one_line(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no graph")

    for name, fault in (("broken.onnx", "cannot be loaded"), ("none.onnx", "there is no vocoder")):
        with pytest.raises(SoriError, match=fault):
            load_vocoder(str(tmp_path / name))
