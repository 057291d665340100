"""The mark is found in what is left of a recording, nowhere else, and nobody hears it."""

import numpy as np
import pytest

from sori.audio.files import read, write
from sori.audio.resample import resample
from sori.audio.watermark import DEPTH, detect, mark
from sori.core.audio import Audio

RATE = 24_000


def babble(seconds=5.0, seed=0, rate=RATE):
    """Something that changes as speech does: a buzz and a hiss through filters that wander."""
    random = np.random.default_rng(seed)
    count = round(seconds * rate)
    time = np.arange(count) / rate

    def wander(hz):
        knots = random.standard_normal(round(seconds * hz) + 3)
        return np.interp(time * hz, np.arange(len(knots)), knots)

    phase = 2 * np.pi * np.cumsum(120 * np.exp(0.2 * wander(2))) / rate
    sound = sum(
        np.exp(wander(6) - 0.25 * number) * np.sin(number * phase) for number in range(1, 40)
    )
    sound += 0.2 * np.exp(wander(8)) * random.standard_normal(count)
    sound *= np.clip(wander(4) + 1, 0, None)
    return Audio((0.5 * sound / np.abs(sound).max()).astype(np.float32), rate)


def marked(audio):
    return Audio(mark(audio.samples, audio.sample_rate), audio.sample_rate)


def through_mp3(audio, folder):
    write(folder / "sound.mp3", audio)
    return read(folder / "sound.mp3")


DAMAGE = {
    "nothing": lambda audio, folder: audio,
    "mp3": through_mp3,
    "16 kHz": lambda audio, folder: resample(resample(audio, 16_000), 44_100),
    "trimmed": lambda audio, folder: Audio(audio.samples[12_345:-5_432], audio.sample_rate),
    "softer": lambda audio, folder: Audio(0.05 * audio.samples, audio.sample_rate),
    "16 bits": lambda audio, folder: Audio(np.round(audio.samples * 32767) / 32767, RATE),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_mark_is_found_after(damage, tmp_path):
    assert detect(damage(marked(babble()), tmp_path)).is_there


@pytest.mark.parametrize("seed", range(4))
def test_no_mark_is_found_where_none_is(seed):
    assert not detect(babble(seed=seed)).is_there


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_voices_of_any_rate_can_be_marked(rate):
    assert detect(marked(babble(rate=rate))).is_there


def test_a_mark_changes_no_bin_by_more_than_its_depth():
    audio = babble()

    change = mark(audio.samples, RATE) - audio.samples

    below_db = 10 * np.log10(np.sum(audio.samples**2) / np.sum(change**2))
    assert below_db > -20 * np.log10(np.exp(DEPTH) - 1)


def test_silence_stays_silent_and_every_sample_stays():
    silence = np.zeros(5001, np.float32)

    assert np.array_equal(mark(silence, RATE), silence)
    assert mark(np.zeros(0, np.float32), RATE).shape == (0,)


def test_pieces_bear_one_mark_together():
    first, second = babble(2.0, seed=1).samples, babble(2.5, seed=2).samples
    silence = np.zeros(2000, np.float32)
    whole = np.concatenate([first, silence, silence, second])
    cut = len(first) + len(silence)

    pieces = np.concatenate([mark(whole[:cut], RATE), mark(whole[cut:], RATE, cut)])

    inside = np.ones(len(whole), bool)
    inside[cut - 500 : cut + 500] = False
    np.testing.assert_allclose(pieces[inside], mark(whole, RATE)[inside], atol=1e-5)


def test_speech_that_was_joined_from_two_marked_files_is_found():
    joined = np.concatenate([marked(babble(14.0, seed=3)).samples, babble(6.0, seed=4).samples])

    assert detect(Audio(joined, RATE)).is_there


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(30_000), np.ones(100)])
def test_where_there_is_nothing_to_hear_there_is_no_mark(samples):
    assert not detect(Audio(samples.astype(np.float32), RATE)).is_there
