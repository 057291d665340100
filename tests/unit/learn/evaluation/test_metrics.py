import numpy as np
import pytest

from sori.learn.evaluation.metrics import METRICS, bootstrap, column, estimate, summarise

WER = next(metric for metric in METRICS if metric.name == "wer")
MOS = next(metric for metric in METRICS if metric.name == "distillmos")


def test_a_rate_is_a_ratio_of_sums_not_a_mean_of_ratios():
    rows = [{"word_errors": 1, "words": 1}, {"word_errors": 0, "words": 9}]

    assert estimate(WER, rows).value == pytest.approx(10)


def test_an_opinion_is_the_mean_over_the_recordings_that_have_one():
    rows = [{"distillmos": 4.0}, {}, {"distillmos": 5.0}]

    found = estimate(MOS, rows)

    assert found.value == 4.5
    assert found.clips == 2


def test_the_interval_holds_the_value_and_shrinks_with_more_recordings():
    draw = np.random.default_rng(0)
    few = [{"distillmos": value} for value in draw.normal(4, 0.5, 20)]
    many = [{"distillmos": value} for value in draw.normal(4, 0.5, 500)]

    narrow, wide = estimate(MOS, many), estimate(MOS, few)

    assert narrow.low < narrow.value < narrow.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3


def test_the_bootstrap_spreads_as_the_standard_error_says():
    values = np.random.default_rng(1).normal(size=400)
    sums = np.stack([values, np.ones(400)])

    draws = bootstrap(sums, draws=4000)

    assert draws.std() == pytest.approx(values.std() / 20, rel=0.05)


def test_the_same_recordings_give_the_same_interval_twice():
    rows = [{"distillmos": value} for value in (3.0, 4.0, 4.5)]

    assert estimate(MOS, rows) == estimate(MOS, rows)


def test_a_metric_that_no_recording_has_is_left_out():
    assert set(summarise([{"distillmos": 4.0}])) == {"distillmos"}


def test_what_was_heard_does_not_disturb_the_numbers():
    rows = [{"heard": "hello", "word_errors": 0, "words": 1}]

    assert column(WER, rows).tolist() == [[0.0], [1.0]]
