"""What is written is spoken as the rules of English say: a table of hard cases."""

from functools import cache
from pathlib import Path

import pytest

from sori.text.frontend import FrontEnd

HERE = Path(__file__).parent


def table(name):
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("# ")]


@cache
def front_end(accent):
    return FrontEnd(accent)


@pytest.mark.parametrize("row", table("readings.tsv"), ids=lambda row: row[0])
def test_a_hard_case_is_spoken_as_english_is(row):
    text, expected, *accent = row

    sentences = front_end(accent[0] if accent else "us").sentences(text)

    assert " ".join(sentence.spoken for sentence in sentences).lower() == expected


@pytest.mark.parametrize("row", table("homographs.tsv"), ids=lambda row: row[1])
def test_a_homograph_is_read_by_its_neighbours(row):
    word, text, expected = row

    steps = front_end("us").explain(text)

    read = [w.phonemes for step in steps for w in step.words if w.spoken.lower() == word.lower()]
    assert read[-1:] == [expected]


def test_the_tables_are_large_enough():
    assert len(table("readings.tsv")) >= 300
    assert len(table("homographs.tsv")) >= 120
    assert len({row[0].lower() for row in table("homographs.tsv")}) >= 60
