"""Any vocoder behind one door, for recordings and for saved mels."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from sori.audio.files import write
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.mel import MelSpec, MelSpectrogram
from sori.learn.systems.griffin_lim import GriffinLim
from sori.learn.systems.vocoding import load_vocoder, read_sound

SPEC = MelSpec(sample_rate=16000, hop_samples=256)


def tone(seconds=0.6, rate=16000):
    """A voice-like sound: twelve harmonics of a gliding pitch."""
    time = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (140 * time + 40 * time**2)
    wave = sum(np.sin(k * phase) / k for k in range(1, 13))
    return Audio((0.1 * wave).astype(np.float32), rate)


@pytest.fixture
def melgan(tmp_path):
    card = registry.spec("melgan")
    torch.manual_seed(0)
    save_model(tmp_path / "melgan.safetensors", "melgan", card.tiny, card.model(card.tiny))
    return tmp_path / "melgan.safetensors"


@pytest.fixture
def source_filter(tmp_path):
    card = registry.spec("source_filter")
    save_model(tmp_path / "sf.safetensors", "source_filter", card.tiny, card.model(card.tiny))
    return tmp_path / "sf.safetensors"


@pytest.mark.parametrize("name", ["flowavenet", "melgan", "univnet", "waveglow"])
def test_half_precision_says_almost_the_same(name, tmp_path):
    card = registry.spec(name)
    torch.manual_seed(0)
    model = card.model(card.tiny)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)  # couplings start as the identity
    path = tmp_path / f"{name}.safetensors"
    save_model(path, name, card.tiny, model)

    full, halved = (load_vocoder(str(path), precision=p).copy(tone()) for p in ("fp32", "bf16"))

    level = np.abs(full.samples).max()
    assert halved.samples.dtype == np.float32
    assert 0 < np.abs(halved.samples - full.samples).max() < 0.05 * level


@pytest.mark.parametrize("place", ["griffin-lim", "vocoder.onnx"])
def test_what_has_no_half_precision_says_so(place):
    with pytest.raises(SoriError, match=f"{place} has no bf16"):
        load_vocoder(place, precision="bf16")


def test_who_speaks_sample_by_sample_has_no_half_precision(tmp_path):
    card = registry.spec("wavenet")
    save_model(tmp_path / "w.safetensors", "wavenet", card.tiny, card.model(card.tiny))

    with pytest.raises(SoriError, match="sample after sample"):
        load_vocoder(str(tmp_path / "w.safetensors"), precision="bf16")


def test_griffin_lim_comes_closer_to_the_mel_with_every_iteration():
    torch.manual_seed(0)
    mel = MelSpectrogram(SPEC)(torch.from_numpy(tone().samples)[None][:, : 256 * 36])
    distances = []
    for iterations in (0, 10, 60):
        torch.manual_seed(1)
        wave = GriffinLim(SPEC, iterations).vocode(mel)
        distances.append(float((MelSpectrogram(SPEC)(wave) - mel).abs().mean()))

    assert wave.shape == (1, 256 * 36)
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.3


def test_magnitudes_that_griffin_lim_aims_at_have_the_bands_of_the_mel():
    lim = GriffinLim(SPEC)
    mel = MelSpectrogram(SPEC)(torch.from_numpy(tone().samples)[None])

    found = torch.log((lim.front_end.bands @ lim.magnitude(mel)).clamp(min=SPEC.floor))

    assert (found - mel).abs().mean() < 0.05


def test_synthesis_of_griffin_lim_is_the_inverse_of_its_analysis():
    lim = GriffinLim(SPEC)
    wave = torch.from_numpy(tone().samples)[None][:, : 256 * 36]

    back = lim.synthesise(lim.analyse(wave))

    torch.testing.assert_close(back, wave, atol=1e-5, rtol=0)


def test_copies_keep_length_and_level(melgan):
    quiet = Audio(tone().samples / 50, 16000)
    vocoder = load_vocoder("griffin-lim", SPEC)

    copy = vocoder.copy(quiet)

    assert copy.sample_rate == 16000
    assert abs(len(copy.samples) - len(quiet.samples)) < SPEC.hop_samples
    assert copy.samples.std() == pytest.approx(quiet.samples.std(), rel=0.2)
    assert load_vocoder(str(melgan)).copy(tone()).sample_rate == 8000


def test_the_same_seed_gives_the_same_samples():
    vocoder = load_vocoder("griffin-lim", SPEC)
    sound = vocoder.hear(tone())

    first, again, other = (vocoder.speak(sound, seed).samples for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_silence_has_a_mel_too():
    vocoder = load_vocoder("griffin-lim", SPEC)

    copy = vocoder.copy(Audio(np.zeros(16000, np.float32), 16000))

    assert np.isfinite(copy.samples).all()
    assert np.abs(copy.samples).max() < 0.01


def test_a_saved_mel_says_what_its_recording_does(melgan, tmp_path):
    write(tmp_path / "in.wav", tone())
    vocoder = load_vocoder(str(melgan))
    sound = read_sound(tmp_path / "in.wav", vocoder)
    np.save(tmp_path / "mel.npy", sound.mel.T)
    np.savez(tmp_path / "mel.npz", mel=sound.mel.T, **asdict(vocoder.spec))

    for name in ("mel.npy", "mel.npz"):
        read = read_sound(tmp_path / name, vocoder)

        assert np.array_equal(read.mel, sound.mel)
        assert len(vocoder.speak(read).samples) == len(sound.mel) * vocoder.spec.hop_samples


def test_mels_made_for_another_vocoder_are_refused_by_field(melgan, tmp_path):
    vocoder = load_vocoder(str(melgan))
    stated = asdict(vocoder.spec) | {"hop_samples": 100, "f_max_hz": 3000.0}
    np.savez(tmp_path / "mel.npz", mel=np.zeros((40, 9), np.float32), **stated)

    with pytest.raises(SoriError, match=r"hop_samples: acoustic 100, vocoder 64; f_max_hz"):
        read_sound(tmp_path / "mel.npz", vocoder)


def test_a_vocoder_that_needs_f0_says_so(source_filter, tmp_path):
    vocoder = load_vocoder(str(source_filter))
    np.save(tmp_path / "mel.npy", np.zeros((80, 9), np.float32))
    np.savez(tmp_path / "mel.npz", mel=np.zeros((80, 9), np.float32), f0=np.full(9, 120.0))

    with pytest.raises(SoriError, match="needs F0"):
        vocoder.speak(read_sound(tmp_path / "mel.npy", vocoder))
    audio = vocoder.speak(read_sound(tmp_path / "mel.npz", vocoder))

    assert len(audio.samples) == 9 * 300


def test_files_that_hold_no_mel_are_refused_in_one_line(melgan, tmp_path):
    vocoder = load_vocoder(str(melgan))
    np.save(tmp_path / "flat.npy", np.zeros(9, np.float32))
    np.save(tmp_path / "bands.npy", np.zeros((80, 9), np.float32))
    np.savez(tmp_path / "other.npz", spectrum=np.zeros((40, 9), np.float32))
    (tmp_path / "text.npy").write_text("hello")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)

    for name, fault in (
        ("flat.npy", "a mel is"),
        ("bands.npy", "the mel has 80 bands"),
        ("other.npz", "no array 'mel'"),
        ("text.npy", "cannot read the mel"),
        ("objects.npy", "cannot read the mel"),
        ("none.npy", "cannot read the mel"),
    ):
        with pytest.raises(SoriError, match=fault):
            vocoder.speak(read_sound(tmp_path / name, vocoder))


def test_a_checkpoint_that_is_no_vocoder_is_refused(tmp_path):
    card = registry.spec("aligner")
    save_model(tmp_path / "aligner.safetensors", "aligner", card.tiny, card.model(card.tiny))

    with pytest.raises(SoriError, match="Aligner, which is not a vocoder"):
        load_vocoder(str(tmp_path / "aligner.safetensors"))


def test_a_recording_shorter_than_a_transform_is_refused(melgan):
    with pytest.raises(SoriError, match="needs at least 0.064 s"):
        load_vocoder(str(melgan)).copy(Audio(np.zeros(100, np.float32), 16000))
