"""A voice whose card asks for it marks all that it speaks."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_voice import write_voice

import sori
from sori.audio.watermark import detect
from sori.speak.card import read_card
from sori.speak.manner import Manner

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


@pytest.fixture(scope="module")
def unmarked():
    return sori.load(threads=1)


@pytest.fixture(scope="module")
def marked():
    voice = sori.load(threads=1)
    voice.card = replace(voice.card, watermark=True)
    return voice


def test_its_speech_is_found_out_and_that_of_others_is_not(marked, unmarked):
    assert detect(marked.say(TEXT)).is_there
    assert not detect(unmarked.say(TEXT)).is_there


def test_a_stream_bears_the_mark_of_the_whole(marked):
    pieces = [audio.samples for audio in marked.stream(TEXT)]

    np.testing.assert_allclose(np.concatenate(pieces), marked.say(TEXT).samples, atol=1e-6)


def test_times_of_words_stay(marked, unmarked):
    def words(voice):
        return [u.words for u in voice.speak(voice.read(TEXT), Manner())]

    assert words(marked) == words(unmarked)


@pytest.mark.parametrize(("said", "meant"), [(True, True), (False, False), ("yes", False)])
def test_the_card_says_whether(said, meant, tmp_path):
    path = write_voice(tmp_path / "v.onnx", watermark=said, consent={"statement": "agreed"})

    card = read_card(path)

    assert card.watermark is meant
    assert card.consent == {"statement": "agreed"}
