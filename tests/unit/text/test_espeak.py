"""The optional program for other languages, stood in for by a script."""

import os

import pytest

from sori.core.errors import SoriError
from sori.text.espeak import EspeakFrontEnd


def install(tmp_path, monkeypatch, script):
    program = tmp_path / "espeak-ng"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def test_its_ipa_becomes_our_letters(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "cat > /dev/null; echo ' ɡˈuːtən tˈɑːk'")

    (sentence,) = EspeakFrontEnd("de").sentences("Guten Tag!")

    assert sentence.phonemes == "ɡˈutən tˈɑk!"


def test_sounds_that_no_voice_has_are_named(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "cat > /dev/null; echo 'ʘa'")

    (sentence,) = EspeakFrontEnd("zu").sentences("xa")

    assert sentence.skipped == ("ʘ (latin letter bilabial click)",)


def test_a_language_it_does_not_know_is_a_clean_error(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "cat > /dev/null; echo 'no such voice' >&2; exit 1")

    with pytest.raises(SoriError, match="no such voice"):
        list(EspeakFrontEnd("qq").sentences("hello"))


def test_without_the_program_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(SoriError, match="install it"):
        EspeakFrontEnd("de")


def test_a_language_code_cannot_smuggle_an_option():
    with pytest.raises(SoriError, match="no language code"):
        EspeakFrontEnd("--help")
