from itertools import product

import numpy as np
import pytest

from sori.core.errors import SoriError
from sori.learn.evaluation.compare import compare, sign_flip_p, wilcoxon_p


def system(values, name="distillmos"):
    return {f"{number:03}": {name: value} for number, value in enumerate(values)}


def test_the_sign_flip_test_agrees_with_all_signs_tried_by_hand():
    differences = np.array([0.3, 0.1, -0.2, 0.5, 0.4, 0.2])
    means = [np.mean(differences * np.array(signs)) for signs in product((1, -1), repeat=6)]
    as_far = sum(abs(mean) >= abs(differences.mean()) - 1e-12 for mean in means)

    assert sign_flip_p(differences) == pytest.approx(as_far / 64)


def test_a_steady_difference_is_significant():
    draw = np.random.default_rng(0)
    base = draw.normal(4, 0.3, 30)

    found = compare(system(base + draw.normal(0.2, 0.05, 30)), system(base))["distillmos"]

    assert found.value == pytest.approx(0.2, abs=0.03)
    assert found.low < found.value < found.high
    assert found.p_permutation < 0.001
    assert found.p_wilcoxon < 0.001


def test_luck_is_not_significant():
    draw = np.random.default_rng(1)
    noise = draw.normal(0, 0.3, 25)

    found = compare(system(4 + noise), system(4 + noise[::-1]))["distillmos"]

    assert found.p_permutation > 0.5
    assert found.p_wilcoxon > 0.5


def test_exchanging_the_systems_turns_the_sign_and_keeps_the_chance():
    one, other = system([3, 4, 5, 4, 3, 4, 5.0]), system([3.5, 4.4, 5, 4.2, 3.1, 4.9, 4.8])

    forth, back = compare(one, other)["distillmos"], compare(other, one)["distillmos"]

    assert forth.value == -back.value
    assert forth.p_wilcoxon == back.p_wilcoxon


def test_equal_systems_do_not_differ():
    found = compare(system([4.0] * 8), system([4.0] * 8))["distillmos"]

    assert found.value == 0
    assert found.p_wilcoxon == 1
    assert found.p_permutation == 1


def test_the_difference_of_two_error_rates_is_the_difference_of_their_sums():
    first = {str(n): {"word_errors": n % 3, "words": 4 + n} for n in range(10)}
    second = {str(n): {"word_errors": 1, "words": 4 + n} for n in range(10)}
    words = sum(4 + n for n in range(10))
    errors = sum(n % 3 for n in range(10))

    found = compare(first, second)["wer"]

    assert found.value == pytest.approx(100 * (errors - 10) / words)


def test_too_few_shared_sentences_are_refused_with_the_number_needed():
    with pytest.raises(SoriError, match="3 sentences were spoken by both; give 6 or more"):
        compare(system([4.0] * 3), system([4.0] * 9))


def test_a_long_list_with_ties_keeps_a_valid_chance():
    draw = np.random.default_rng(2)

    chance = wilcoxon_p(draw.integers(-2, 3, 80).astype(float))

    assert 0 < chance <= 1
