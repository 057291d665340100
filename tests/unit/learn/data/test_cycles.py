import numpy as np
import pytest
import scipy.signal

from sori.learn.data.cycles import cycles, follow_fundamental, settle
from sori.learn.mel import MelSpec

SPEC = MelSpec()
RATE, HOP = SPEC.sample_rate, SPEC.hop_samples


@pytest.fixture
def uneven():
    """A voice whose periods wander, with one resonance at 2.5 kHz: wave, heard F0, true count."""
    random = np.random.default_rng(0)
    frames = 80
    f0 = 150 + 20 * np.sin(np.arange(frames) / 9)
    wander = np.interp(
        np.arange(frames * HOP),
        np.arange(0, frames * HOP, 4 * HOP),
        0.02 * random.standard_normal(frames // 4),
    )
    at = np.arange(frames) * HOP + HOP / 2
    count = np.cumsum(np.interp(np.arange(frames * HOP), at, f0)) / RATE + wander
    pulses = np.diff(np.floor(count), prepend=0.0)
    low = scipy.signal.lfilter([1], [1, -1.9, 0.905], pulses)
    ringing = scipy.signal.lfilter([1], [1, -2 * 0.97 * np.cos(2 * np.pi * 2500 / RATE), 0.94], low)
    wave = low / np.abs(low).max() + ringing / np.abs(ringing).max()
    wave += 0.01 * random.standard_normal(len(wave))
    return wave.astype(np.float32), f0, count[HOP // 2 :: HOP]


def wandering(found, true):
    """What is left between two counts but for a constant, in cycles."""
    left = (found - true)[5:-5]
    return np.std(left - np.round(left[0]))


def test_harmonics_find_pulses_to_a_hundredth_of_a_cycle(uneven):
    wave, f0, true = uneven

    assert wandering(cycles(wave, f0, SPEC), true) < 0.01
    # The fundamental alone smooths the wandering away.
    assert wandering(follow_fundamental(wave, f0, SPEC), true) > 0.01


def test_a_recording_without_voice_has_no_cycles():
    noise = np.random.default_rng(0).standard_normal(20 * HOP).astype(np.float32)

    assert not cycles(noise, np.zeros(20), SPEC).any()


def test_the_settled_correction_is_the_least_squares_one():
    random = np.random.default_rng(1)
    anchor, shift, trust = random.standard_normal(9), random.standard_normal(8), random.random(8)
    rows = np.concatenate([
        np.sqrt(trust)[:, None] * (np.eye(9)[1:] - np.eye(9)[:-1]),
        np.sqrt(0.005) * np.eye(9),
    ])
    wanted = np.concatenate([np.sqrt(trust) * shift, np.sqrt(0.005) * anchor])

    expected = np.linalg.lstsq(rows, wanted, rcond=None)[0]

    np.testing.assert_allclose(settle(anchor, shift, trust), expected, atol=1e-9)
