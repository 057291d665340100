import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sori.audio.level import KNEE, loudness, soft_limit
from sori.core.audio import Audio


@given(st.lists(st.floats(-50, 50, width=32), max_size=50))
def test_the_limiter_stays_inside_full_scale_and_keeps_the_sign(values):
    samples = np.array(values, np.float32)

    limited = soft_limit(samples)

    assert (np.abs(limited) <= 1.0).all()
    assert (np.sign(limited) == np.sign(samples)).all()


def test_the_limiter_leaves_quiet_sound_alone():
    samples = np.linspace(-KNEE, KNEE, 101, dtype=np.float32)

    assert soft_limit(samples) is samples


def test_the_limiter_has_no_corner_at_its_knee():
    samples = np.linspace(KNEE - 1e-2, KNEE + 1e-2, 2001)

    slopes = np.diff(soft_limit(samples)) / np.diff(samples)

    assert np.abs(np.diff(slopes)).max() < 1e-3


def test_the_limiter_rises_with_its_input():
    assert (np.diff(soft_limit(np.linspace(0.0, 2.0, 1000))) > 0).all()


@pytest.mark.parametrize("sample_rate", [22050, 24000, 48000])
def test_a_full_scale_tone_of_997_hz_has_the_loudness_of_the_standard(sample_rate):
    at = np.arange(3 * sample_rate) / sample_rate
    audio = Audio(np.sin(2 * np.pi * 997.0 * at).astype(np.float32), sample_rate)

    assert loudness(audio) == pytest.approx(-3.01, abs=0.1)


def test_silence_around_a_tone_does_not_make_it_softer():
    sample_rate = 24000
    at = np.arange(5 * sample_rate) / sample_rate
    tone = (0.1 * np.sin(2 * np.pi * 997.0 * at)).astype(np.float32)
    rest = np.zeros(20 * sample_rate, np.float32)

    surrounded = loudness(Audio(np.concatenate([rest, tone, rest]), sample_rate))

    assert surrounded == pytest.approx(loudness(Audio(tone, sample_rate)), abs=0.3)


def test_silence_has_no_loudness():
    assert loudness(Audio(np.zeros(24000, np.float32), 24000)) == -np.inf
