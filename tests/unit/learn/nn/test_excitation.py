import numpy as np
import torch

from sori.audio.excitation import pulse_train, sample_f0
from sori.learn.data import features
from sori.learn.mel import MelSpec
from sori.learn.nn.excitation import pulse_train as pulse_trains
from sori.learn.nn.excitation import synchronous_pulse_train

HOP, RATE = 300, 24000


def test_batched_pulses_equal_their_twin_in_numpy():
    torch.manual_seed(0)
    f0 = 80 + 200 * torch.rand(3, 40)
    f0[0, 5:9] = 0
    f0[1] = 0

    batched = pulse_trains(f0, HOP, RATE)

    for row, track in zip(batched, f0, strict=True):
        np.testing.assert_allclose(row, pulse_train(track.numpy(), HOP, RATE), atol=1e-5)


def test_a_second_at_a_steady_pitch_has_so_many_pulses_of_unit_power():
    for hz in (100.0, 210.0, 333.3):
        wave = pulse_train(np.full(80, hz), HOP, RATE)

        peaks = np.flatnonzero((wave > np.roll(wave, 1)) & (wave >= np.roll(wave, -1)) & (wave > 4))

        assert abs(len(peaks) - hz) <= 2
        assert abs(np.square(wave).mean() - 1) < 0.12


def test_harmonics_of_a_steady_pitch_are_equally_strong():
    wave = pulse_train(np.full(80, 333.3), HOP, RATE)[4096:12288]

    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    harmonics = [
        spectrum[round(k * 333.3 * len(wave) / RATE) + np.arange(-1, 2)].max() for k in range(1, 25)
    ]

    assert max(harmonics) / min(harmonics) < 1.2
    assert np.median(spectrum) < 0.01 * max(harmonics)


def test_unvoiced_frames_have_no_pulse():
    f0 = np.full(40, 150.0)
    f0[10:30] = 0

    wave = pulse_train(f0, HOP, RATE)

    assert np.abs(wave[10 * HOP + 8 : 30 * HOP - 8]).max() == 0


def test_synchronous_pulses_fall_where_a_recording_has_the_peaks_of_its_fundamental():
    f0 = 140 + 20 * np.sin(np.arange(60) / 6)
    time = sample_f0(f0, HOP).cumsum() / RATE
    # Half a cycle late, and with a second harmonic that must not mislead.
    wave = np.cos(2 * np.pi * (time - 0.5)) + 0.8 * np.cos(4 * np.pi * time + 1)
    heard = f0 * 1.01  # a tracker that is one in a hundred too high
    passed = features.cycles(wave.astype(np.float32), heard, MelSpec())

    pulses = synchronous_pulse_train(
        torch.from_numpy(passed)[None], torch.from_numpy(heard).float()[None], HOP, RATE
    )[0].numpy()

    inside = slice(2 * HOP, -2 * HOP)
    peaks = (pulses > np.roll(pulses, 1)) & (pulses >= np.roll(pulses, -1)) & (pulses > 4)
    at = np.flatnonzero(peaks[inside]) + 2 * HOP
    assert abs(len(at) - (time[inside][-1] - time[inside][0])) <= 2
    assert np.cos(2 * np.pi * (time[at] - 0.5)).min() > 0.9
