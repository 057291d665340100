from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sori.learn.evaluation.intelligibility import count_edits, error_counts

words = st.lists(st.sampled_from("abc"), max_size=6).map(tuple)


def edits_by_brute_force(first, second):
    @cache
    def edits(i, j):
        if not i or not j:
            return i + j
        replaced = edits(i - 1, j - 1) + (first[i - 1] != second[j - 1])
        return min(replaced, edits(i - 1, j) + 1, edits(i, j - 1) + 1)

    return edits(len(first), len(second))


@given(words, words)
def test_edits_are_what_brute_force_finds(first, second):
    assert count_edits(first, second) == edits_by_brute_force(first, second)


@given(words, words)
def test_edits_are_the_same_in_both_directions(first, second):
    assert count_edits(first, second) == count_edits(second, first)


@pytest.mark.parametrize(
    ("reference", "heard", "word_errors", "character_errors"),
    [
        ("the cat sat", "the cat sat", 0, 0),
        ("the cat sat", "the bat sat", 1, 1),
        ("the cat sat", "the cat", 1, 4),
        ("the cat sat", "", 3, 11),
        ("cat", "the cat", 1, 4),
    ],
)
def test_errors_are_counted_in_words_and_characters(
    reference, heard, word_errors, character_errors
):
    counts = error_counts(reference, heard)

    assert counts["word_errors"] == word_errors
    assert counts["character_errors"] == character_errors
    assert counts["words"] == len(reference.split())
