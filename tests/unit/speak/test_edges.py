import numpy as np
import pytest

from sori.core.audio import Audio
from sori.speak.edges import LEAD_SECONDS, TAIL_SECONDS, rest_between, trim_edges

RATE = 24000


def sound_with_rests(before, after):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE // 2)
    return Audio(
        np.concatenate([np.zeros(before), noise, np.zeros(after)]).astype(np.float32), RATE
    )


@pytest.mark.parametrize("before", [2000, 9000])
@pytest.mark.parametrize("after", [3000, 12000])
def test_the_rests_at_both_ends_become_even(before, after):
    trimmed = trim_edges(sound_with_rests(before, after), before, after)

    seconds = len(trimmed.samples) / RATE
    assert seconds == pytest.approx(0.5 + LEAD_SECONDS + TAIL_SECONDS, abs=0.01)
    assert trimmed.cut == pytest.approx(before - LEAD_SECONDS * RATE, abs=0.005 * RATE)


def test_a_soft_start_outside_the_silence_is_never_cut():
    audio = sound_with_rests(9000, 0)

    trimmed = trim_edges(audio, quiet_lead=1000, quiet_tail=0)

    assert trimmed.cut == 1000 - LEAD_SECONDS * RATE


def test_both_ends_are_faded():
    trimmed = trim_edges(sound_with_rests(0, 0), 0, 0)

    assert trimmed.samples[0] == trimmed.samples[-1] == 0.0


def test_a_pause_counts_the_rests_that_are_there_already():
    assert rest_between(0.5) == pytest.approx(0.5 - LEAD_SECONDS - TAIL_SECONDS)
    assert rest_between(0.01) == 0.0
