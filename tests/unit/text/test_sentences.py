"""Sentences end where a reader would say so, and none is too long for a voice."""

import pytest

from sori.text.sentences import LONGEST_CHARACTERS, split


def texts(text):
    return [passage.text for passage in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith met Mrs. Jones. They left.", ["Dr. Smith met Mrs. Jones.", "They left."]),
        ("J. R. R. Tolkien wrote. He read.", ["J. R. R. Tolkien wrote.", "He read."]),
        ("Pi is 3.14 today. Yes.", ["Pi is 3.14 today.", "Yes."]),
        ('"Stop!" he said. "No."', ['"Stop!" he said.', '"No."']),
        ("He said “Go.” She went.", ["He said “Go.”", "She went."]),
        ("Wait... what? Oh.", ["Wait... what?", "Oh."]),
        ("He came at 5 p.m. The end.", ["He came at 5 p.m.", "The end."]),
        ("The U.S. Army came. It left.", ["The U.S. Army came.", "It left."]),
        ("See No. 5 and p. 3. Then no. Then go.", ["See No. 5 and p. 3.", "Then no.", "Then go."]),
        ("We have pens, etc. and ink.", ["We have pens, etc. and ink."]),
        ("hello. how are you", ["hello.", "how are you"]),
        ("He lives in St. Louis. It rains.", ["He lives in St. Louis.", "It rains."]),
        ("1. First point.", ["1. First point."]),
        ("A line\nthat is wrapped.", ["A line\nthat is wrapped."]),
        ("Title\nBy Someone\n", ["Title", "By Someone"]),
        ("", []),
        (" \n\n \n", []),
    ],
)
def test_a_text_is_split_into_its_sentences(text, expected):
    assert texts(text) == expected


def test_paragraphs_are_numbered_and_their_last_sentence_is_marked():
    passages = list(split("One. Two.\n\nThree."))

    assert [(p.paragraph, p.ends_paragraph) for p in passages] == [(0, False), (0, True), (1, True)]


def test_an_endless_sentence_is_cut_at_a_comma_and_says_so():
    passages = list(split("some words and then some more, " * 200))

    assert all(len(passage.text) <= LONGEST_CHARACTERS for passage in passages)
    assert all(passage.text.endswith(",") for passage in passages)
    assert [passage.is_cut for passage in passages[:-1]] == [True] * (len(passages) - 1)


def test_a_text_without_any_space_is_cut_all_the_same():
    passages = texts("x" * 5000)

    assert "".join(passages) == "x" * 5000
    assert max(map(len, passages)) <= LONGEST_CHARACTERS


def test_nothing_is_lost_at_the_cuts():
    text = "word " * 3000

    assert " ".join(texts(text)).split() == text.split()
