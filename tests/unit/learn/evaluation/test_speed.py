import numpy as np
import pytest

from sori.core.audio import Audio
from sori.learn.evaluation.speed import peak_memory_bytes, time_speaking


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_speaking_a_second_in_a_tenth_is_ten_times_real_time():
    clock = Clock()

    def say(text):
        clock.now += 0.1
        return Audio(np.zeros(16_000, np.float32), 16_000)

    speed = time_speaking(say, ["one", "two", "three"], rounds=2, clock=clock)

    assert speed.times_real_time == pytest.approx(10)
    assert speed.audio_seconds == pytest.approx(3)


def test_the_first_sentence_warms_up_and_is_not_counted():
    clock = Clock()
    said = []

    def say(text):
        said.append(text)
        clock.now += 0.1 if len(said) > 1 else 60.0
        return Audio(np.zeros(16_000, np.float32), 16_000)

    speed = time_speaking(say, ["one"], rounds=1, clock=clock)

    assert speed.times_real_time == pytest.approx(10)


def test_one_disturbed_round_does_not_change_the_result():
    clock = Clock()
    durations = iter([0.1, 0.1, 9.0, 0.1])

    def say(text):
        clock.now += next(durations)
        return Audio(np.zeros(16_000, np.float32), 16_000)

    assert time_speaking(say, ["one"], clock=clock).times_real_time == pytest.approx(10)


def test_holding_more_memory_raises_the_peak():
    before = peak_memory_bytes()
    held = np.ones(200 * 2**20, np.uint8)

    assert peak_memory_bytes() - before > 100 * 2**20
    assert held.all()
