import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_voice import SPEAKERS, card, write_voice

from sori.core.errors import SoriError
from sori.speak.card import parse_card, read_card
from sori.speak.metadata import metadata


def test_the_card_is_read_from_the_file(voice_file):
    found = read_card(voice_file)

    assert found.name == "tiny"
    assert found.sample_rate == 24000
    assert tuple(speaker.name for speaker in found.speakers) == SPEAKERS
    assert found.quality == {"wer_percent": 99.5}


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_voice_is_told(voice_file, tmp_path, kept):
    whole = voice_file.read_bytes()
    part = tmp_path / "part.onnx"
    part.write_bytes(whole[: int(kept * len(whole))])

    with pytest.raises(SoriError, match=r"part\.onnx.*export the voice again"):
        read_card(part)


def test_a_file_of_another_kind_is_told(tmp_path):
    path = tmp_path / "foreign.onnx"
    path.write_bytes(b"#!/bin/sh\necho hello\n")

    with pytest.raises(SoriError, match="not a whole ONNX file"):
        read_card(path)


def test_an_onnx_file_without_a_card_is_told(tmp_path):
    import onnx
    from onnx import helper

    path = tmp_path / "other.onnx"
    graph = helper.make_graph([], "other", [], [])
    onnx.save(helper.make_model(graph), path)

    with pytest.raises(SoriError, match=r"not a voice.*sori\.card"):
        read_card(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SoriError, match="there is no voice file"):
        read_card(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"format": 2}, "format is 2 and this Sori reads 1"),
        ({"symbols": ["a", "b"]}, "symbol 0"),
        ({"symbols": ["_", "ab"]}, "one character"),
        ({"default_speaker": "zoe"}, "zoe"),
        ({"sample_rate": 0}, "above 0"),
        ({"synthesis": {"kind": "magic"}}, "magic"),
        ({"speakers": [{"name": "ada", "accent": "xx"}]}, "accent"),
        ({"speakers": 3}, "int"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(tmp_path, changes, fault):
    path = write_voice(tmp_path / "wrong.onnx", **changes)

    with pytest.raises(SoriError, match=fault):
        read_card(path)


def test_a_missing_key_is_named(tmp_path):
    raw = card()
    del raw["licence"]

    with pytest.raises(KeyError, match="licence"):
        parse_card(raw)


def test_unknown_keys_of_a_speaker_are_for_later_versions():
    raw = card()
    raw["speakers"][0]["mood"] = "merry"

    assert parse_card(raw).speakers[0].name == "ada"


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise(data):
    try:
        entries = list(metadata(io.BytesIO(data), len(data)))
    except ValueError:
        return
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in entries)
