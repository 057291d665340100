import numpy as np
import pytest

from sori.core.audio import Audio
from sori.learn.evaluation.distortion import Alignment
from sori.learn.evaluation.pitch import Melody, SwiftF0, compare_melodies, warp


def melody(f0_hz, is_voiced=None):
    f0_hz = np.asarray(f0_hz, dtype=np.float64)
    return Melody(f0_hz, f0_hz > 0 if is_voiced is None else np.asarray(is_voiced))


def test_a_semitone_too_high_is_an_error_of_a_hundred_cents():
    wanted = melody([110.0, 220.0, 330.0])
    heard = melody(wanted.f0_hz * 2 ** (1 / 12))

    assert compare_melodies(heard, wanted)["f0_cents"] == pytest.approx(100)


def test_errors_in_both_directions_do_not_cancel():
    wanted = melody([200.0, 200.0])
    heard = melody([200 * 2 ** (1 / 12), 200 * 2 ** (-1 / 12)])

    assert compare_melodies(heard, wanted)["f0_cents"] == pytest.approx(100)


def test_pitch_is_compared_only_where_both_sound():
    wanted = melody([200.0, 0.0, 200.0, 0.0])
    heard = melody([200.0, 900.0, 0.0, 0.0])

    scores = compare_melodies(heard, wanted)

    assert scores["f0_cents"] == 0
    assert scores["voicing_errors"] / scores["voicing_frames"] == 0.5


def test_two_melodies_that_never_sound_together_have_no_pitch_error():
    scores = compare_melodies(melody([100.0, 0.0]), melody([0.0, 100.0]))

    assert "f0_cents" not in scores
    assert scores["voicing_errors"] == 2


def test_warping_undoes_a_melody_sung_at_half_speed():
    wanted = melody([100.0, 120.0, 0.0, 150.0])
    heard = melody(np.repeat(wanted.f0_hz, 2))
    path = Alignment(np.arange(8), np.repeat(np.arange(4), 2))

    scores = compare_melodies(*warp(heard, wanted, path))

    assert scores["f0_cents"] == 0
    assert scores["voicing_errors"] == 0


def test_a_path_one_frame_longer_than_a_melody_stays_inside_it():
    short = melody([100.0, 110.0])
    path = Alignment(np.arange(3), np.arange(3))

    first, second = warp(short, melody([100.0, 110.0, 110.0]), path)

    np.testing.assert_array_equal(first.f0_hz, second.f0_hz)


@pytest.mark.parametrize("f0_hz", [90.0, 140.0, 260.0])
def test_the_pitch_of_a_tone_is_found_within_a_fifth_of_a_semitone(f0_hz):
    pytest.importorskip("swift_f0")
    phase = 2 * np.pi * f0_hz * np.arange(24_000) / 24_000
    tone = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 10)) / 5

    found = SwiftF0().melody(Audio(tone.astype(np.float32), 24_000))

    inside = slice(10, -10)
    steady = Melody(np.full(80, f0_hz), np.ones(80, dtype=bool))
    scores = compare_melodies(Melody(found.f0_hz[inside], found.is_voiced[inside]), steady)
    assert scores["f0_cents"] < 20
    assert scores["voicing_errors"] == 0
