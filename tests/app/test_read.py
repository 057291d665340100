"""`sori read`: chapters, captions, resuming, and speaking only what changed."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest

from sori.app.books import read_tags
from sori.audio import aac
from sori.audio.files import read
from sori.audio.watermark import detect
from sori.speak.card import KEY
from sori.speak.catalogue import PACKAGED
from sori.speak.voice import Voice, load

BOOK = """# One

The birch canoe slid on the smooth planks. It was late.

***

Glue the sheet to the dark blue background.

# Two

The end came early.
"""


@pytest.fixture
def book(somewhere):
    path = somewhere / "book.md"
    path.write_text(BOOK, encoding="utf-8")
    return path


@pytest.fixture
def read_aloud(sori, book):
    def run(*words):
        return sori("read", book, "--voice", "tiny", "--jobs", "1", *words)

    return run


@pytest.fixture
def spoken(monkeypatch):
    """Phonemes of every run of the voice."""
    runs = []
    plain = Voice.utter

    def utter(self, phonemes, *rest):
        runs.append(phonemes)
        return plain(self, phonemes, *rest)

    monkeypatch.setattr(Voice, "utter", utter)
    return runs


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_book_becomes_a_file_for_each_chapter_with_captions(read_aloud, somewhere):
    result = read_aloud()

    assert result.status == 0, result.err
    assert "wrote 2 chapters to" in result.err
    names = {path.name for path in (somewhere / "book").iterdir() if path.is_file()}
    chapters = {f"{name}.{kind}" for name in ("1-one", "2-two") for kind in ("flac", "srt", "vtt")}
    assert names == chapters | {"manifest.json"}
    assert read(somewhere / "book" / "1-one.flac").seconds > 3


def test_captions_name_words_while_they_sound(read_aloud, somewhere):
    read_aloud()

    lines = (somewhere / "book" / "1-one.vtt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "WEBVTT"
    (timed,) = [line for line in lines if "canoe" in line]
    times = re.findall(r"<(\d\d:\d\d:\d\d\.\d{3})>", timed)
    assert times == sorted(times)
    assert len(times) == 7
    audio = read(somewhere / "book" / "1-one.flac")
    srt = (somewhere / "book" / "1-one.srt").read_text(encoding="utf-8")
    *_, last = re.findall(r"--> (\d\d):(\d\d):(\d\d),(\d{3})", srt)
    end = int(last[1]) * 60 + int(last[2]) + int(last[3]) / 1000
    assert audio.seconds - 0.2 < end <= audio.seconds + 0.001


def test_the_same_command_speaks_nothing_again(read_aloud, somewhere, spoken):
    read_aloud()
    before = contents(somewhere / "book")
    spoken.clear()

    read_aloud()

    assert not spoken
    assert contents(somewhere / "book") == before


def test_an_edited_line_is_the_only_one_spoken_again(read_aloud, book, somewhere, spoken):
    read_aloud()
    second = (somewhere / "book" / "2-two.flac").stat().st_mtime_ns
    spoken.clear()
    book.write_text(BOOK.replace("dark blue", "light green"), encoding="utf-8")

    read_aloud()

    assert len(spoken) == 1
    assert (somewhere / "book" / "2-two.flac").stat().st_mtime_ns == second
    fresh = somewhere / "fresh"
    read_aloud("--out", fresh)
    assert contents(fresh) == contents(somewhere / "book")


def test_only_the_edited_sentence_of_a_paragraph_is_spoken_again(sori, somewhere, spoken):
    book = somewhere / "a.txt"
    book.write_text("One here. Two there. Three more.")
    sori("read", book, "--voice", "tiny", "--jobs", "1")
    spoken.clear()
    book.write_text("One here. Two anywhere. Three more.")

    sori("read", book, "--voice", "tiny", "--jobs", "1")

    assert len(spoken) == 1


def test_a_chapter_sounds_as_its_text_said_at_once(sori, somewhere):
    text = "One here. Two there! Is it three?\n\nA second paragraph; it ends here."
    (somewhere / "a.txt").write_text(text)

    sori("read", "a.txt", "--voice", "tiny")

    whole = load("tiny").say(text).samples
    np.testing.assert_allclose(read(somewhere / "a" / "1-chapter.flac").samples, whole, atol=1e-4)


def test_gone_chapters_and_their_sound_are_removed(read_aloud, book, somewhere):
    read_aloud()
    kept = somewhere / "book" / ".sori-takes"
    before = len(list(kept.iterdir()))
    book.write_text(BOOK[: BOOK.index("# Two")], encoding="utf-8")

    read_aloud()

    assert not list((somewhere / "book").glob("*two*"))
    assert len(list(kept.iterdir())) < before


def test_another_speaker_or_speed_is_another_reading(read_aloud, somewhere, spoken):
    read_aloud()
    spoken.clear()

    read_aloud("--speed", "2")

    assert len(spoken) == 6


@pytest.mark.parametrize(("form", "jobs"), [("flac", 1), ("m4b", 2), ("opus", 1)])
def test_a_killed_run_resumes_and_ends_with_the_same_bytes(
    start, sori, book, somewhere, form, jobs
):
    long = "\n\n".join(f"# Part {n}\n\nSentence {n} of a long book. " * 4 for n in range(16))
    book.write_text(long, encoding="utf-8")
    options = ("--voice", "tiny", "--format", form)
    for moment in (1, 30, 70):
        process = start("read", book, *options, "--out", "killed", "--jobs", jobs)
        kept = somewhere / "killed" / ".sori-takes"
        while process.poll() is None and len(list(kept.glob("[!.]*"))) < moment:
            time.sleep(0.002)
        process.kill()
        process.wait()

    resumed = sori("read", book, *options, "--out", "killed", "--jobs", "1")
    sori("read", book, *options, "--out", "whole", "--jobs", "1")

    assert resumed.status == 0
    assert contents(somewhere / "killed") == contents(somewhere / "whole")
    parts = (somewhere / "whole" / ".sori-takes", somewhere / "killed" / ".sori-takes")
    assert len({frozenset(contents(part)) for part in parts}) == 1


def test_memory_does_not_grow_with_the_book(somewhere):
    peaks = []
    for name, chapters in (("short", 2), ("long", 150)):
        text = "\n\n".join(f"# Part {n}\n\n" + f"Line {n} of it. " * 5 for n in range(chapters))
        (somewhere / f"{name}.md").write_text(text, encoding="utf-8")
        peaks.append(
            peak_megabytes("read", f"{name}.md", "--voice", "tiny", "--speed", "4", "--jobs", "1")
        )

    short, long = peaks
    assert long < short + 15


def peak_megabytes(*words):
    """Peak memory of `sori` with these words."""
    measure = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, sys.executable, "-m", "sori", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def test_paragraphs_join_without_a_click(read_aloud, somewhere):
    read_aloud()

    samples = read(somewhere / "book" / "1-one.flac").samples

    # The tone itself never steps more than this between two samples.
    most = 0.3 * 2 * np.pi * 220 / 24000
    assert np.abs(np.diff(samples)).max() <= most * 1.05


def test_a_paragraph_without_a_word_is_named_and_passed_over(sori, somewhere):
    (somewhere / "a.txt").write_text("Hello.\n\n漢字\n\nThere.", encoding="utf-8")

    result = sori("read", "a.txt", "--voice", "tiny")

    assert result.status == 0
    assert "漢" in result.err
    (chapter,) = json.loads((somewhere / "a" / "manifest.json").read_text())["chapters"]
    assert chapter["title"] == "Chapter 1"
    assert read(somewhere / "a" / "1-chapter.flac").seconds == pytest.approx(chapter["seconds"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["none.txt"], "cannot read the text file none.txt"),
        (["book.md", "--format", "doc"], "choose one of: wav"),
        (["book.md", "--one-file"], "needs m4b or opus"),
        (["book.md", "--engine", "steam"], "choose one of: local, ray"),
        (["bad.ssml"], "bad.ssml: SSML, line 2: level 'x' is not known"),
        (["cast.ssml"], "perhaps ben"),
        (["--lexicon", "none.txt", "book.md"], "none.txt"),
        (["book.md", "--speed", "9"], "speed 9 is out of range"),
        (["book.md", "--out", "book.md"], "is a file; name a folder"),
        (["book.md", "--speaker", "adda"], "perhaps ada"),
    ],
)
def test_a_wrong_option_is_one_line(sori, book, somewhere, words, expected):
    (somewhere / "bad.ssml").write_text("<speak>\n<emphasis level='x'>A.</emphasis></speak>")
    (somewhere / "cast.ssml").write_text("<speak><voice name='benn'>A.</voice></speak>")
    result = sori("read", "--voice", "tiny", *words)

    assert result.status == 2
    (line,) = result.err.splitlines()
    assert expected in line


@pytest.fixture(scope="module")
def cloned(tmp_path_factory):
    """The packaged voice, as if it had been cloned: its card asks for the mark."""
    model = onnx.load(next(PACKAGED.glob("*.onnx")))
    for prop in model.metadata_props:
        if prop.key == KEY:
            prop.value = json.dumps(json.loads(prop.value) | {"watermark": True})
    path = tmp_path_factory.mktemp("cloned") / "cloned.onnx"
    onnx.save(model, path)
    return path


NO_FFMPEG = pytest.mark.skipif(not aac.is_at_hand(), reason="no ffmpeg is on this machine")


@pytest.mark.parametrize("suffix", ["flac", pytest.param("m4b", marks=NO_FFMPEG)])
def test_one_mark_runs_through_a_book_of_a_cloned_voice(sori, somewhere, cloned, suffix):
    text = "The birch canoe slid on the smooth planks. It was late. Who is there? Nobody came."
    (somewhere / "a.txt").write_text(text)

    sori("read", "a.txt", "--voice", cloned, "--format", suffix, "--jobs", "1")

    made = next((somewhere / "a").glob(f"*.{suffix}"))
    if suffix == "m4b":
        sound = somewhere / "a.wav"
        subprocess.run(["ffmpeg", "-v", "error", "-i", made, sound], check=True)
        made = sound
    else:
        whole = load(cloned, threads=1).say(text).samples
        np.testing.assert_allclose(read(made).samples, whole, atol=2e-4)
    assert detect(read(made)).strength > 8  # short pieces with a mark each reach 6


def test_a_book_gets_a_new_file_when_its_cover_changes(sori, somewhere, monkeypatch):
    (somewhere / "a.txt").write_text("It was late.")
    options = ("read", "a.txt", "--voice", "tiny", "--format", "m4b", "--jobs", "1")
    sori(*options)
    before = (somewhere / "a" / "a.m4b").read_bytes()
    tags = read_tags(somewhere / "a.txt")._replace(author="Ann")
    monkeypatch.setattr("sori.app.books.read_tags", lambda path: tags)

    sori(*options)

    assert b"Ann" not in before
    assert b"Ann" in (somewhere / "a" / "a.m4b").read_bytes()
