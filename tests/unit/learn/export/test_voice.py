import numpy as np
import onnxruntime
import pytest
import torch

import sori
from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.export.voice import export, read_voice_card
from sori.learn.models.fastspeech2_conv import ConvFastSpeech2
from sori.learn.models.source_filter import SourceFilter, SourceFilterConfig

CARD = """
name = "tiny"
language = "en"
licence = "Apache-2.0"
default_speaker = "speaker"
data = "nothing"
[[speakers]]
name = "{speaker}"
description = "untrained"
accent = "us"
licence = "Apache-2.0"
data = "none"
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    config = registry.spec("fastspeech2_conv").tiny
    acoustic = ConvFastSpeech2(config)
    torch.nn.init.constant_(acoustic.duration_out.bias, 1.5)
    save_model(folder / "acoustic.safetensors", "fastspeech2_conv", config, acoustic)
    sizes = SourceFilterConfig(width=16, hidden=32, blocks=1)
    save_model(folder / "vocoder.safetensors", "source_filter", sizes, SourceFilter(sizes))
    (folder / "card.toml").write_text(CARD.format(speaker="speaker"))
    return folder


def made(parts, out, precision="fp32", card="card.toml", acoustic="acoustic"):
    return export(
        parts / f"{acoustic}.safetensors",
        parts / "vocoder.safetensors",
        parts / card,
        out,
        precision,
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_exported_voice_speaks_in_the_speaking_half(parts, tmp_path, precision):
    out = tmp_path / "voice.onnx"

    differences = made(parts, out, precision)
    audio = sori.load(out).say("One canoe.")

    assert set(differences) == {"durations", "f0", "harmonic", "phase", "noise"}
    assert audio.sample_rate == 24000
    assert audio.seconds > 0.2
    assert np.isfinite(audio.samples).all()


def test_smaller_precisions_make_smaller_files_that_say_nearly_the_same(parts, tmp_path):
    feed = {
        "ids": np.array([[0, 5, 20, 30, 9, 0]]),
        **{
            name: np.ones((1, 1) if name == "speaker" else 1, np.float32)
            for name in ("speaker", "speed", "pitch", "energy")
        },
    }
    sizes, found = {}, {}
    for precision in ("fp32", "fp16", "int8"):
        out = tmp_path / f"{precision}.onnx"
        made(parts, out, precision)
        sizes[precision] = out.stat().st_size
        found[precision] = onnxruntime.InferenceSession(out).run(["noise"], feed)[0]

    assert max(sizes["int8"], sizes["fp16"]) < sizes["fp32"]
    for precision in ("fp16", "int8"):
        assert np.abs(found[precision] - found["fp32"]).mean() < 0.1


def test_a_speaker_has_the_breath_that_the_card_says(parts, tmp_path):
    feed = {"ids": np.array([[0, 5, 20, 30, 9, 0]]), "speaker": np.ones((1, 1), np.float32)}
    feed |= {name: np.ones(1, np.float32) for name in ("speed", "pitch", "energy")}
    noise = {}
    for breath in (0.0, 1.6):
        card, out = parts / f"breath{breath}.toml", tmp_path / f"{breath}.onnx"
        card.write_text(f"{CARD.format(speaker='speaker')}breath = {breath}\n")
        made(parts, out, card=card.name)
        f0, noise[breath] = onnxruntime.InferenceSession(out).run(["f0", "noise"], feed)

    voiced = f0[0] > 0
    added = noise[1.6][0] - noise[0.0][0]
    assert voiced.any()
    np.testing.assert_allclose(added[voiced, 171:], 1.6, atol=1e-4)
    np.testing.assert_allclose(added[~voiced], 0.0, atol=1e-4)


def test_speakers_that_the_model_does_not_know_are_refused(parts, tmp_path):
    (parts / "other.toml").write_text(CARD.format(speaker="somebody"))

    with pytest.raises(SoriError, match="the acoustic model knows speaker"):
        made(parts, tmp_path / "voice.onnx", card="other.toml")

    assert not list(tmp_path.iterdir())


def test_a_vocoder_in_place_of_the_acoustic_model_is_refused(parts, tmp_path):
    with pytest.raises(SoriError, match="not of SourceFilter and SourceFilter"):
        made(parts, tmp_path / "voice.onnx", acoustic="vocoder")


def test_a_fault_in_the_card_is_named(tmp_path):
    path = tmp_path / "card.toml"
    path.write_text('name = "x"\nvoice = 3\n')

    with pytest.raises(SoriError, match="voice: Unexpected keyword argument"):
        read_voice_card(path)


def test_an_unknown_precision_lists_the_known(parts, tmp_path):
    with pytest.raises(SoriError, match="known are fp32, fp16, int8"):
        made(parts, tmp_path / "voice.onnx", "int4")
