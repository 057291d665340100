import numpy as np
import pytest

from sori.audio.resample import Resampler, resample
from sori.audio.silence import fade_edges, sound_span, trim_silence
from sori.core.audio import Audio

RATE = 24000


def tone_between(before, sounding, after):
    tone = 0.5 * np.sin(2 * np.pi * 300.0 * np.arange(round(sounding * RATE)) / RATE)
    parts = [np.zeros(round(before * RATE)), tone, np.zeros(round(after * RATE))]
    return Audio(np.concatenate(parts).astype(np.float32), RATE)


def test_the_span_is_where_the_tone_is():
    start, stop = sound_span(tone_between(0.3, 0.5, 0.2))

    assert start / RATE == pytest.approx(0.3, abs=0.005)
    assert stop / RATE == pytest.approx(0.8, abs=0.005)


def test_trimming_keeps_what_is_asked_for():
    trimmed = trim_silence(tone_between(0.3, 0.5, 0.2), keep_seconds=0.1)

    assert trimmed.seconds == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize("samples", [0, 1, 1000])
def test_silence_has_no_span(samples):
    assert sound_span(Audio(np.zeros(samples, np.float32), RATE)) == (0, 0)


def test_a_fade_starts_and_ends_at_zero_and_leaves_the_middle():
    samples = np.ones(1000, np.float32)

    faded = fade_edges(samples, 100)

    assert faded[0] == faded[-1] == 0.0
    assert (faded[100:900] == 1.0).all()
    assert (samples == 1.0).all()


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_a_fade_fits_into_the_shortest_sound(length):
    assert len(fade_edges(np.ones(length, np.float32), 100)) == length


def test_resampling_in_pieces_equals_resampling_the_whole():
    audio = tone_between(0.1, 0.5, 0.1)
    whole = resample(audio, 16000)
    resampler = Resampler(RATE, 16000)

    pieces = [resampler.push(piece) for piece in np.array_split(audio.samples, 9)]
    joined = np.concatenate([*pieces, resampler.finish()])

    np.testing.assert_allclose(joined, whole.samples, atol=1e-3)


def test_the_same_rate_is_the_same_audio():
    audio = tone_between(0.0, 0.1, 0.0)

    assert resample(audio, RATE) is audio
