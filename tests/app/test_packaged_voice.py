"""The voice in the package: what a user hears after `pip install`."""

import shlex

import numpy as np
import pytest

import sori as package
from sori.audio.files import read
from sori.audio.level import loudness
from sori.speak.catalogue import PACKAGED

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
MOST_MEGABYTES = 20


@pytest.fixture(autouse=True)
def only_the_package(monkeypatch):
    monkeypatch.delenv("SORI_VOICES")


@pytest.fixture(scope="module")
def voice():
    return package.load(PACKAGED / f"{sorted(PACKAGED.glob('*.onnx'))[0].stem}.onnx")


def test_a_voice_is_in_the_package_and_small():
    paths = list(PACKAGED.glob("*.onnx"))

    assert package.voices() == sorted(path.stem for path in paths)
    assert paths
    assert all(path.stat().st_size <= MOST_MEGABYTES * 1e6 for path in paths)


def test_it_says_a_sentence_from_the_command_line(sori):
    result = sori(*shlex.split(f"say '{TEXT}' --out hello.wav"))

    assert result.status == 0
    assert 3.0 < read("hello.wav").seconds < 9.0


def test_every_speaker_speaks_at_a_usual_pace_and_level(voice):
    for speaker in voice.speakers:
        audio = voice.say(TEXT, speaker=speaker)

        assert 3.0 < audio.seconds < 9.0, speaker
        assert np.abs(audio.samples).max() <= 1.0, speaker
        assert -40.0 < loudness(audio) < -10.0, speaker


def test_speakers_differ(voice):
    if len(voice.speakers) == 1:
        return
    first, last = (
        voice.say(TEXT, speaker=name).samples for name in (voice.speakers[0], voice.speakers[-1])
    )

    shortest = min(len(first), len(last))
    assert not np.allclose(first[:shortest], last[:shortest], atol=1e-2)


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_speed_divides_the_time(voice, speed):
    plain, changed = voice.say(TEXT).seconds, voice.say(TEXT, speed=speed).seconds

    assert changed == pytest.approx(plain / speed, rel=0.15)


def test_its_card_names_data_licence_and_quality(voice):
    for speaker in voice.card.speakers:
        assert speaker.licence, speaker.name
        assert speaker.description, speaker.name
        assert speaker.data, speaker.name


def test_its_symbols_hold_everything_that_the_front_end_writes(voice):
    for speaker in voice.card.speakers:
        for sentence in voice.read(TEXT + " Was it? Yes; 3:30, she said: (well) go!", speaker.name):
            assert voice.known(sentence.phonemes)[1] == ()


def test_no_seam_of_a_stream_clicks(voice):
    pieces = [piece.samples for piece in voice.stream(TEXT)]

    for piece in pieces:
        assert np.abs(piece[:3]).max() < 0.01
        assert np.abs(piece[-3:]).max() < 0.01


def test_the_doctor_hears_it(sori):
    result = sori("doctor")

    assert result.status == 0
    assert "says" in result.out.decode()
