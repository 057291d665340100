"""SSML is read as its rules say, and everything beyond them is one clear line."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sori.core.errors import SoriError
from sori.text.frontend import FrontEnd
from sori.text.ssml import ELEMENTS, is_ssml, parts

HERE = Path(__file__).parent


def table(name):
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("# ")]


@cache
def front_end(accent):
    return FrontEnd(accent)


def told(speaker, sentence):
    """A sentence in the notation of the table."""
    delivery = sentence.delivery
    said = []
    if speaker:
        said.append(f"@{speaker}")
    if delivery.break_seconds is not None:
        said.append(f"[{delivery.break_seconds:g}]")
    factors = f"{delivery.speed:.4g} {delivery.pitch:.4g} {delivery.gain_db:.4g}"
    if factors != "1 1 0":
        said.append(f"{{{factors}}}")
    return " ".join([*said, sentence.spoken.lower()]).strip()


@pytest.mark.parametrize("row", table("ssml.tsv"), ids=lambda row: row[0])
def test_markup_is_read_as_it_says(row):
    markup, expected, *accent = row
    reader = front_end(accent[0] if accent else "us")

    read = [
        told(part.speaker, sentence)
        for part in parts(f"<speak>{markup}</speak>")
        for sentence in reader.marked_sentences(part.text)
    ]

    assert " | ".join(read) == expected


@pytest.mark.parametrize("row", table("ssml-faults.tsv"), ids=lambda row: row[0])
def test_a_fault_is_one_line_that_names_the_place(row):
    document, expected = row

    with pytest.raises(SoriError) as raised:
        parts(document)

    assert expected in str(raised.value)
    assert str(raised.value).startswith("SSML, line 1: ")
    assert "\n" not in str(raised.value)


def test_the_tables_are_large_enough():
    assert len(table("ssml.tsv")) >= 170
    assert len(table("ssml-faults.tsv")) >= 80


def test_a_fault_names_the_line_it_stands_in():
    with pytest.raises(SoriError, match="SSML, line 3: level"):
        parts('<speak>\n<p>One.</p>\n<emphasis level="x">Two.</emphasis>\n</speak>')


@pytest.mark.parametrize(
    "start",
    [
        "<speak>",
        "  <speak version='1.0'>",
        "<?xml version='1.0' encoding='utf-16'?>\n<speak>",
        "<!DOCTYPE speak PUBLIC '-//W3C//DTD SYNTHESIS 1.0//EN' 'a.dtd'>\n<speak>",
        "<!-- a note --><speak xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='en-GB'>",
    ],
)
def test_the_usual_ways_to_begin_a_document_are_known(start):
    document = f"{start}Hello.</speak>"

    assert is_ssml(document)
    assert [part.text.strip() for part in parts(document)] == ["Hello."]


@pytest.mark.parametrize("text", ["Hello.", "speak", "<speaker>", "< speak>", "a <speak>", ""])
def test_a_text_that_only_mentions_speaking_is_no_document(text):
    assert not is_ssml(text)


def test_a_deep_nest_is_refused():
    with pytest.raises(SoriError, match="more than 40 deep"):
        parts("<speak>" + "<p>" * 100_000)


def test_marks_in_a_plain_text_mean_nothing():
    (sentence,) = front_end("us").sentences("one \x02turn\x044.0\x041.0\x040.0\x04\x03 two")

    assert sentence.delivery.speed == 1.0


def test_marks_in_the_text_of_a_document_are_refused():
    with pytest.raises(SoriError, match="not well-formed"):
        parts("<speak>one \x02turn\x03 two</speak>")


def test_the_rule_of_a_word_sees_its_neighbours_across_a_tag():
    (part,) = parts("<speak>the <emphasis>apple</emphasis></speak>")

    first, _ = front_end("us").marked_sentences(part.text)

    assert first.phonemes == "ði"


names = st.sampled_from([*ELEMENTS, "mark", "x"])
tags = st.builds(
    "<{} {}>".format, names, st.sampled_from(["", "time='1s'", "rate='2'", "name='a'"])
)
pieces = st.one_of(tags, names.map("</{}>".format), st.text(max_size=8))


@given(st.lists(pieces, max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_document_is_read_or_refused_cleanly(body):
    try:
        read = parts(f"<speak>{''.join(body)}</speak>")
    except SoriError as error:
        assert "\n" not in str(error)
        return
    assert all(part.text.strip() for part in read)
