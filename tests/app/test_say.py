import sys

import numpy as np
import pytest
from tiny_voice import SAMPLE_RATE

from sori.audio.files import FORMATS, read

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


def faults_of(result):
    """The one line of an error: status 2, no traceback, nothing on standard output."""
    assert result.status == 2
    assert result.out == b""
    (line,) = result.err.splitlines()
    assert line.startswith("sori: ")
    return line


def test_text_becomes_a_file_and_a_line_on_standard_error(say, somewhere):
    result = say(TEXT, "--out", "a.wav")

    assert result.status == 0
    assert result.out == b""
    assert "wrote a.wav" in result.err
    assert "x real time" in result.err
    assert read("a.wav").seconds > 2.0
    assert [path.name for path in somewhere.iterdir()] == ["a.wav"]


def test_without_out_the_file_is_speech_wav(say, somewhere):
    say(TEXT)

    assert [path.name for path in somewhere.iterdir()] == ["speech.wav"]


def test_words_need_no_quotes(say):
    say("hello", "there", "--out", "words.wav")
    say("hello there", "--out", "text.wav")

    np.testing.assert_array_equal(read("words.wav").samples, read("text.wav").samples)


def test_argument_file_and_pipe_say_the_same(say, somewhere):
    (somewhere / "text.txt").write_text("\ufeff" + TEXT, encoding="utf-8")

    say(TEXT, "--out", "argument.wav")
    say("--file", "text.txt", "--out", "file.wav")
    say("--out", "pipe.wav", stdin=TEXT.encode())
    say("-", "--out", "dash.wav", stdin=TEXT.encode())

    expected = read("argument.wav").samples
    for name in ("file.wav", "pipe.wav", "dash.wav"):
        np.testing.assert_array_equal(read(name).samples, expected)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_the_suffix_chooses_the_format(say, suffix):
    result = say(TEXT, "--out", f"a{suffix}")

    assert result.status == 0
    assert read(f"a{suffix}").seconds > 2.0


def test_a_dash_writes_raw_samples_to_standard_output(say):
    say(TEXT, "--out", "a.wav")

    result = say(TEXT, "--out", "-")

    samples = np.frombuffer(result.out, "<i2")
    assert f"{SAMPLE_RATE} Hz" in result.err
    assert len(samples) == len(read("a.wav").samples)


@pytest.mark.parametrize(
    "options",
    [
        ["--speed", "2"],
        ["--pitch", "1.2"],
        ["--energy", "0.5"],
        ["--speaker", "ben"],
        ["--speaker", "ada(2)+ben(1)"],
    ],
)
def test_options_change_what_is_heard(say, options):
    say(TEXT, "--out", "plain.wav")

    result = say(TEXT, "--out", "other.wav", *options)

    assert result.status == 0
    assert not np.array_equal(read("plain.wav").samples, read("other.wav").samples)


def test_phonemes_are_spoken_as_they_are(say):
    result = say("--phonemes", "həlˈO wˈɜɹld.\nðˈɛɹ.", "--out", "a.wav")

    assert result.status == 0
    assert read("a.wav").seconds > 1.0


def test_a_voice_is_found_by_its_path(sori, voice_folder):
    result = sori("say", "Hello.", "--voice", voice_folder / "tiny.onnx", "--out", "a.wav")

    assert result.status == 0


def test_a_text_may_start_with_a_dash(say):
    assert say("--out", "a.wav", "--", "-5 degrees").status == 0


def test_what_is_skipped_is_named_on_standard_error(say):
    result = say("Hello 漢字 there.", "--out", "a.wav")

    assert result.status == 0
    assert "sori: skipped" in result.err
    assert "漢" in result.err


@pytest.mark.parametrize("text", ["", "  \n ", "\x00\x07", "... !!", "漢字"])
def test_text_without_a_word_leaves_no_file(say, somewhere, text):
    line = faults_of(say(text, "--out", "a.wav"))

    assert "empty" in line or "nothing" in line or "spoken" in line
    assert not list(somewhere.iterdir())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--speed", "9"], "speed 9 is out of range; give 0.25 to 4"),
        (["--pitch", "0.1"], "pitch"),
        (["--energy", "nan"], "energy"),
        (["--seed", "-1"], "seed"),
        (["--threads", "0"], "threads"),
        (["--speaker", "adda"], "perhaps ada; choose one of: ada, ben"),
        (["--speaker", "ada("], "cannot read the speaker"),
        (["--voice", "tinny"], "perhaps tiny"),
        (["--voice", "none.onnx"], "there is no voice file none.onnx"),
        (["--out", "."], "is a folder"),
        (["--out", "none/a.wav"], "there is no folder"),
        (["--out", "a.doc"], ".wav, .flac"),
        (["--out", "a"], "no suffix"),
        (["--file", "none.txt"], "give one of them"),
        (["--lexicon", "none.txt"], "none.txt"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(say, somewhere, options, expected):
    line = faults_of(say("Hello.", *options))

    assert expected in line
    assert not list(somewhere.iterdir())


def test_a_text_file_in_another_encoding_is_told(say, somewhere):
    (somewhere / "text.txt").write_bytes("naïve".encode("latin-1"))

    assert "UTF-8" in faults_of(say("--file", "text.txt"))


def test_a_missing_text_file_is_told(say):
    assert "cannot read the text file none.txt" in faults_of(say("--file", "none.txt"))


def test_no_text_at_all_is_told(say, monkeypatch):
    assert "empty" in faults_of(say())


def test_a_closed_standard_input_is_told(say, sori, monkeypatch, capfdbinary):
    from sori.app import cli

    monkeypatch.setattr(sys, "argv", ["sori", "say"])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as leaving:
        cli.main()

    assert leaving.value.code == 2
    assert b"there is no text" in capfdbinary.readouterr().err


def test_a_damaged_voice_is_told(sori, voice_folder, somewhere):
    whole = (voice_folder / "tiny.onnx").read_bytes()
    part = somewhere / "part.onnx"
    part.write_bytes(whole[: len(whole) // 2])

    assert "not a whole ONNX file" in faults_of(sori("say", "Hello.", "--voice", part))


@pytest.mark.parametrize("words", [["--speed", "fast"], ["--nonsense"], ["--out"]])
def test_wrong_usage_is_readable_and_exits_with_2(say, words):
    result = say("Hello.", *words)

    assert result.status == 2
    assert "Error: " in result.err
    assert "Traceback" not in result.err
