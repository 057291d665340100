"""Numbers in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sori.text import numbers
from sori.text.roman import value_of
from sori.text.wordlist import word_list

WORDS = {w: i for i, w in enumerate(numbers.ONES)} | {
    w: 10 * i for i, w in enumerate(numbers.TENS) if i > 1
}
SCALES = {w: 1000**i for i, w in enumerate(numbers.SCALES) if i}


def understood(words):
    """Read a cardinal's words back as a number."""
    total = group = 0
    for word in words.replace("-", " ").split():
        if word == "hundred":
            group *= 100
        elif word in SCALES:
            total, group = total + group * SCALES[word], 0
        else:
            group += WORDS[word]
    return total + group


@given(st.integers(min_value=0, max_value=10**36 - 1))
def test_a_cardinal_says_its_number(number):
    assert understood(numbers.cardinal(number)) == number


@given(st.integers(min_value=1, max_value=3999))
def test_roman_letters_have_their_value(number):
    letters, rest = "", number
    for value, sign in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        word_list("M CM D CD C XC L XL X IX V IV I"),
        strict=True,
    ):
        letters, rest = letters + sign * (rest // value), rest % value

    assert value_of(letters) == number


@pytest.mark.parametrize("letters", ["", "IIII", "VX", "IC", "ABC", "MMMM"])
def test_other_letters_have_none(letters):
    assert value_of(letters) == 0


def test_a_number_beyond_every_name_is_read_digit_by_digit():
    assert numbers.cardinal("1" * 37) == " ".join(["one"] * 37)


@given(st.integers(min_value=1, max_value=9999))
def test_every_year_has_a_reading(number):
    assert numbers.year(number).replace("-", " ").isprintable()
