"""The commands of vocoders, as a user gives them."""

import numpy as np
import pytest
import torch

from sori.audio.files import read, write
from sori.core.audio import Audio
from sori.learn import registry
from sori.learn.checkpoint import save_model


@pytest.fixture
def melgan(tmp_path):
    card = registry.spec("melgan")
    torch.manual_seed(0)
    save_model(tmp_path / "melgan.safetensors", "melgan", card.tiny, card.model(card.tiny))
    return tmp_path / "melgan.safetensors"


@pytest.fixture
def recording(tmp_path):
    time = np.arange(8000) / 16000
    write(tmp_path / "in.wav", Audio((0.2 * np.sin(900 * time)).astype(np.float32), 16000))
    return tmp_path / "in.wav"


def test_vocode_copies_a_recording(sori, melgan, recording):
    result = sori("vocode", str(recording), "--vocoder", str(melgan), "--out", "copy.wav")

    assert result.status == 0
    assert "wrote copy.wav: 0.50 s of speech" in result.err
    assert read("copy.wav").sample_rate == 8000


def test_an_exported_vocoder_speaks_in_place_of_its_checkpoint(sori, melgan, recording):
    exported = sori("export-vocoder", str(melgan), "--out", "vocoder.onnx")
    copies = []
    for vocoder in (str(melgan), "vocoder.onnx"):
        assert sori("vocode", str(recording), "--vocoder", vocoder, "--out", "c.flac").status == 0
        copies.append(read("c.flac").samples)

    assert "greatest difference from the network" in exported.err
    np.testing.assert_allclose(*copies, atol=1e-4)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("vocode", "none.wav", "--vocoder", "griffin-lim"), "cannot read none.wav"),
        (("vocode", "in.wav", "--vocoder", "none.safetensors"), "no checkpoint at none"),
        (("vocode", "in.wav", "--vocoder", "griffin-lim", "--out", "c.xyz"), "suffix '.xyz'"),
        (("vocode", "in.wav", "--vocoder", "v.onnx", "--precision", "bf16"), "v.onnx has no bf16"),
        (("import", "none.pt"), "there is no file none.pt"),
        (("export-vocoder", "none.safetensors"), "no checkpoint at none"),
    ],
)
def test_a_fault_is_one_line_and_leaves_nothing(sori, somewhere, words, fault):
    result = sori(*words)

    assert result.status == 2
    assert fault in result.err
    assert result.err.count("\n") == 1
    assert not list(somewhere.iterdir())


def test_a_file_that_lacks_tensors_is_not_imported(sori, somewhere, tmp_path):
    torch.save({"model.1.weight_g": torch.ones(3), "model.1.bias": torch.ones(3)}, "theirs.pt")

    result = sori("import", "theirs.pt")

    assert result.status == 2
    assert "theirs.pt" in result.err
    assert [path.name for path in somewhere.iterdir()] == ["theirs.pt"]


def test_the_measured_table_is_in_the_package(sori):
    result = sori("vocoders")

    text = result.out.decode()
    assert result.status == 0
    for expected in ("recordings", "Griffin-Lim", "DistillMOS", "samples/s", "held-out"):
        assert expected in text
