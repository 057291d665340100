from dataclasses import replace

import numpy as np
import pytest
import torch

import sori
from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.export.voice import export
from sori.learn.models.naturalspeech import NaturalSpeech
from tests.unit.learn.export.test_voice import CARD

TINY = registry.spec("naturalspeech").tiny


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"

    def save(**changes):
        config = replace(TINY, **changes)
        model = NaturalSpeech(config)
        if model.memory is not None:
            model.memory.start_from(torch.randn(40, config.width))
        save_model(path, "naturalspeech", config, model)
        (tmp_path / "card.toml").write_text(CARD.format(speaker="speaker"))
        return path

    return save


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sup_phonemes": 0, "differentiable_durator": False, "memory": False},
        {"strides": (4, 4), "inverse_fft": 16},
    ],
)
def test_an_exported_network_speaks_in_the_speaking_half(checkpoint, tmp_path, changes):
    out = tmp_path / "ns.onnx"

    differences = export(checkpoint(**changes), None, tmp_path / "card.toml", out, "fp32")
    voice = sori.load(out)
    audio = voice.say("One canoe, and two.")

    assert set(differences) == {"durations", "wave"}
    assert audio.sample_rate == 8000
    assert audio.seconds > 0.2
    assert np.isfinite(audio.samples).all()
    assert audio.samples.any()
    assert np.array_equal(voice.say("One canoe, and two.").samples, audio.samples)
    assert voice.say("One canoe, and two.", speed=2.0).seconds < 0.8 * audio.seconds


def test_what_it_cannot_change_is_refused(checkpoint, tmp_path):
    out = tmp_path / "ns.onnx"
    export(checkpoint(), None, tmp_path / "card.toml", out, "fp32")

    with pytest.raises(SoriError, match="the voice tiny cannot change its pitch; leave it 1"):
        sori.load(out).say("One.", pitch=1.2)


def test_a_vocoder_beside_it_is_refused(checkpoint, tmp_path):
    with pytest.raises(SoriError, match="makes waves itself; leave --vocoder out"):
        export(checkpoint(), tmp_path / "x", tmp_path / "card.toml", tmp_path / "ns.onnx")


def test_a_card_of_several_speakers_is_refused(checkpoint, tmp_path):
    path = checkpoint()
    card = tmp_path / "card.toml"
    two = (
        CARD.format(speaker="speaker")
        + CARD.format(speaker="other").partition('data = "nothing"')[2]
    )
    card.write_text(two)

    with pytest.raises(SoriError, match="the card lists 2 speakers, the network knows one"):
        export(path, None, card, tmp_path / "ns.onnx")
