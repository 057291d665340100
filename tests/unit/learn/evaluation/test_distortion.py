from functools import cache

import numpy as np
import pytest

from sori.core.audio import Audio
from sori.learn.evaluation import distortion
from sori.learn.evaluation.clips import Take


def cheapest_by_brute_force(distances):
    @cache
    def cost(i, j):
        if i < 0 or j < 0:
            return np.inf
        if i == j == 0:
            return distances[0, 0]
        return distances[i, j] + min(cost(i - 1, j - 1), cost(i - 1, j), cost(i, j - 1))

    return cost(distances.shape[0] - 1, distances.shape[1] - 1)


def chirp(seconds=0.6, gain=0.3):
    time = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * (150 * time + 200 * time**2)
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 9))
    return Audio((gain * voice / 3).astype(np.float32), 16_000)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (5, 8), (9, 4)])
def test_the_aligned_path_costs_what_brute_force_finds(shape):
    distances = np.random.default_rng(sum(shape)).random(shape)

    path = distortion.align(distances)

    assert distances[path.first, path.second].sum() == pytest.approx(
        cheapest_by_brute_force(distances)
    )


def test_the_aligned_path_joins_both_ends_in_single_steps():
    distances = np.random.default_rng(1).random((12, 9))

    path = distortion.align(distances)

    steps = np.stack([np.diff(path.first), np.diff(path.second)])
    assert (path.first[0], path.second[0]) == (0, 0)
    assert (path.first[-1], path.second[-1]) == (11, 8)
    assert steps.min() >= 0
    assert (steps.max(axis=0) == 1).all()


def test_a_sequence_held_twice_as_long_aligns_at_no_cost():
    cepstra = np.random.default_rng(2).normal(size=(20, 13))
    distances = distortion.cepstral_distances(cepstra, np.repeat(cepstra, 2, axis=0))

    path = distortion.align(distances)

    np.testing.assert_allclose(distances[path.first, path.second], 0, atol=1e-5)
    np.testing.assert_array_equal(path.first, np.repeat(np.arange(20), 2))


@pytest.mark.parametrize("order", [1, 5, 13])
def test_a_cosine_ripple_of_the_log_mel_has_the_distance_that_theory_gives(order):
    height = 0.7
    bands = np.arange(40)
    ripple = height * np.cos(np.pi * order * (bands + 0.5) / 40)
    plain = np.random.default_rng(3).normal(size=(1, 40))

    distances = distortion.cepstral_distances(
        distortion.mel_cepstra(plain), distortion.mel_cepstra(plain + ripple)
    )

    assert distances.item() == pytest.approx(10 * np.sqrt(2) / np.log(10) * height)


def test_scaled_cepstra_are_as_far_apart_as_the_scale_says():
    cepstra = np.random.default_rng(4).normal(size=(6, 13))
    lengths = np.sqrt((cepstra**2).sum(axis=1))

    distances = distortion.cepstral_distances(cepstra, 1.5 * cepstra)

    np.testing.assert_allclose(
        np.diag(distances), 10 * np.sqrt(2) / np.log(10) * 0.5 * lengths, rtol=1e-6
    )


def test_a_recording_has_no_distance_to_itself():
    recording = chirp()

    path, mcd_db = distortion.align_audio(recording, recording)

    assert mcd_db == pytest.approx(0, abs=1e-4)
    np.testing.assert_array_equal(path.first, path.second)


def test_loudness_alone_leaves_the_cepstral_distance_near_zero():
    _, mcd_db = distortion.align_audio(chirp(gain=0.3), chirp(gain=0.15))

    assert mcd_db == pytest.approx(0, abs=1e-3)


def test_half_the_amplitude_differs_by_six_decibels():
    found = distortion.level_difference_db(chirp(gain=0.1), chirp(gain=0.2))

    assert found == pytest.approx(20 * np.log10(2), abs=1e-4)


def test_a_recording_shorter_than_one_window_is_measured():
    blip = Audio(np.ones(40, np.float32), 16_000)

    scores = distortion.Distortion().hear(Take(blip, reference=blip))

    assert scores["mcd_db"] == pytest.approx(0, abs=1e-4)


def test_silence_against_sound_has_no_energy_ratio():
    silence = Audio(np.zeros(16_000, np.float32), 16_000)

    scores = distortion.Distortion().hear(Take(silence, reference=chirp()))

    assert set(scores) == {"mcd_db"}


def test_without_a_reference_nothing_is_compared():
    assert distortion.Distortion().hear(Take(chirp())) == {}
