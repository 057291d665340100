import numpy as np
import pytest
import torch

from sori.learn.mel import (
    MelSpec,
    MelSpectrogram,
    filterbank,
    hz_to_mel,
    mel_to_hz,
    require_same,
)


def test_the_scale_is_linear_to_1_khz_and_has_an_inverse():
    hz = np.array([0.0, 200.0, 500.0, 1000.0, 3000.0, 8000.0])

    mels = hz_to_mel(hz)

    np.testing.assert_allclose(mels[:4], [0, 3, 7.5, 15])
    np.testing.assert_allclose(mel_to_hz(mels), hz, atol=1e-9)


def test_every_band_has_unit_area_where_bins_are_narrow():
    spec = MelSpec(fft_samples=16384, window_samples=1024)

    area = filterbank(spec).sum(dim=1) * spec.sample_rate / spec.fft_samples

    torch.testing.assert_close(area, torch.ones(80), atol=0.02, rtol=0)


def test_whole_hops_make_that_many_frames():
    wave = torch.randn(2, 300 * 37)

    assert MelSpectrogram(MelSpec())(wave).shape == (2, 80, 37)


def test_a_click_is_strongest_in_the_frame_whose_hop_it_lies_in():
    wave = torch.zeros(1, 300 * 20)
    wave[0, 300 * 11 + 150] = 1

    mel = MelSpectrogram(MelSpec())(wave)

    assert int(mel.sum(dim=1).argmax()) == 11


def test_a_tone_is_loudest_in_the_band_around_it():
    spec = MelSpec()
    edges = mel_to_hz(np.linspace(0, hz_to_mel(spec.f_max_hz), spec.bins + 2))
    for band in (20, 50, 70):
        tone = torch.sin(2 * torch.pi * edges[band + 1] * torch.arange(24000) / 24000)[None]

        mel = MelSpectrogram(spec)(tone.float())

        assert int(mel.mean(dim=2).argmax()) == band


def test_silence_is_at_the_floor():
    spec = MelSpec(floor=1e-2)

    mel = MelSpectrogram(spec)(torch.zeros(1, 3000))

    torch.testing.assert_close(mel, torch.full_like(mel, float(np.log(1e-2))))


def test_models_that_disagree_are_refused_by_field():
    with pytest.raises(ValueError, match="bins: acoustic 80, vocoder 100"):
        require_same(MelSpec(), MelSpec(bins=100))


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="window_samples 2048 exceeds fft_samples 1024"):
        MelSpec(window_samples=2048)
    with pytest.raises(ValueError, match="f_max_hz 13000"):
        MelSpec(f_max_hz=13000)
