from dataclasses import replace

import numpy as np
import pytest

from sori.core.errors import SoriError
from sori.speak.card import Speaker, read_card
from sori.speak.speakers import mix


@pytest.fixture
def card(voice_file):
    return read_card(voice_file)


@pytest.mark.parametrize(
    ("wanted", "weights", "accent"),
    [
        (None, [1, 0], "us"),
        ("ben", [0, 1], "gb"),
        ("ada(2)+ben(1)", [2 / 3, 1 / 3], "us"),
        (" ada ( 1 ) + ben ( 3 ) ", [0.25, 0.75], "gb"),
        ("ada+ben", [0.5, 0.5], "us"),
        ("ada(.5)+ada(.5)", [1, 0], "us"),
    ],
)
def test_a_speaker_or_a_mix_becomes_weights_that_sum_to_one(card, wanted, weights, accent):
    found = mix(card, wanted)

    np.testing.assert_allclose(found.weights, weights, rtol=1e-6)
    assert found.accent == accent


@pytest.mark.parametrize("wanted", ["", "ada(", "ada(-1)", "ada(x)", "+", "ada ben(1)("])
def test_an_unreadable_mix_is_told(card, wanted):
    with pytest.raises(SoriError):
        mix(card, wanted)


def test_an_unknown_speaker_is_answered_with_the_closest_and_all(card):
    with pytest.raises(SoriError, match=r"'Adda', perhaps ada; choose one of: ada, ben"):
        mix(card, "Adda")


def test_a_speaker_who_is_a_mix_has_the_weights_of_the_others(card):
    blend = Speaker("both", accent="gb", mix="ada(3)+ben")
    among = replace(card, speakers=(blend, *card.speakers), default_speaker="both")

    np.testing.assert_allclose(mix(among, None).weights, [0.75, 0.25])
    np.testing.assert_allclose(mix(among, "both+ben").weights, [0.375, 0.625])
    assert mix(among, "both").accent == "us"


def test_a_mix_of_mixes_is_refused(card):
    within = Speaker("self", mix="self+ada")

    with pytest.raises(SoriError, match="there is no speaker 'self'"):
        mix(replace(card, speakers=(*card.speakers, within)), "self")


def test_weights_of_zero_are_told(card):
    with pytest.raises(SoriError, match="above 0"):
        mix(card, "ada(0)")
