"""Every way in which a folder of recordings is broken has a message that says which and why."""

import wave
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import sori
from sori.audio.files import read, write
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.cloning import recordings
from sori.learn.cloning.clone import Cloning
from tests.unit.learn.cloning.conftest import TEXTS

RATE = 24_000


def every(folder, change):
    for path in sorted(folder.glob("*.wav")):
        change(path)


def rewrite(change):
    """Breaks all files: `change` takes samples and returns others."""

    def broken(folder):
        every(folder, lambda path: write(path, Audio(change(read(path).samples), RATE)))

    return broken


def text_files(change):
    def broken(folder):
        for number, path in enumerate(sorted(folder.glob("*.txt"))):
            change(path, number)

    return broken


def three_hours(folder):
    for path in folder.glob("*.wav"):
        path.unlink()
    with wave.open(str(folder / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 1000, 0, "NONE", "none"))
        file.writeframes(bytes(2 * 1000 * 3 * 3600))


def music(samples):
    time = np.arange(len(samples)) / RATE
    notes = [220, 277, 330, 440]
    return sum(
        0.15 * np.sin(2 * np.pi * note * time) * (np.sin(3 * time + note) > 0) for note in notes
    ).astype(np.float32)


def only_one(folder):
    for path in sorted(folder.glob("*.wav"))[1:]:
        path.unlink()


def as_m4a(folder):
    every(folder, lambda path: path.rename(path.with_suffix(".m4a")))


def same_file_again(folder):
    first = (folder / "0.wav").read_bytes()
    every(folder, lambda path: path.write_bytes(first))
    text_files(lambda path, number: path.write_text(TEXTS[0]))(folder)


def cut_off(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def few_sentences(folder):
    (folder / "metadata.csv").write_text("One sentence.\nAnother one.\n")


BROKEN = {
    "no folder": (lambda f: f.rename(f.with_name("gone")), "is not a folder"),
    "a file": (lambda f: (f.rename(f.with_name("g")), f.write_text("x")), "is not a folder"),
    "empty": (lambda f: [p.unlink() for p in f.iterdir()], "holds no recordings"),
    "one file": (only_one, "1 usable recordings"),
    "m4a": (as_m4a, "cannot be read; convert it"),
    "silence": (rewrite(np.zeros_like), "silent"),
    "one sample": (rewrite(lambda x: x[:1]), "give whole sentences"),
    "half a second": (rewrite(lambda x: x[: RATE // 2]), "give whole sentences"),
    "clipped": (rewrite(lambda x: np.clip(20 * x, -0.5, 0.5)), "clipped"),
    "three hours": (three_hours, "lasts 10800 s"),
    "not sound": (lambda f: every(f, lambda p: p.write_text("hello")), "unreadable"),
    "an empty file": (lambda f: every(f, lambda p: p.write_bytes(b"")), "unreadable"),
    "cut off": (lambda f: every(f, cut_off), "truncated"),
    "all the same": (same_file_again, "duplicate"),
    "no text": (text_files(lambda path, number: path.unlink()), "bring no text"),
    "an empty text": (text_files(lambda path, number: path.write_text(" ")), "bring no text"),
    "signs": (text_files(lambda path, number: path.write_text("★★★")), "unspeakable"),
    "text too long": (text_files(lambda p, n: p.write_text(TEXTS[n] * (1 + 9 * (n % 2)))), "mis"),
    "other texts": (text_files(lambda p, n: p.write_text(TEXTS[n - 1])), "does not fit"),
    "music": (rewrite(music), "does not fit what is heard"),
    "another language": (
        text_files(lambda p, n: p.write_text("Der Bäcker öffnet jeden Morgen sehr früh den Laden")),
        "does not fit what is heard",
    ),
    "latin-1": (text_files(lambda p, n: p.write_bytes(b"caf\xe9")), "not UTF-8"),
    "a table too short": (few_sentences, "2 sentences for 5 recordings"),
}  # fmt: skip


def listen(order):
    """What a run does before anything learns."""
    run = Cloning(order, lambda progress: None)
    utterances, findings = run.listen()
    scores = recordings.fits(run.features(utterances), run.paths["aligner"])
    findings += recordings.unfit(scores, utterances)
    return recordings.usable(utterances, findings), findings


@pytest.mark.parametrize(("damage", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_refused_in_one_line(damage, message, folder, order):
    damage(folder)

    with pytest.raises(SoriError, match=message) as caught:
        listen(order)

    assert "\n" not in str(caught.value)


def test_a_good_folder_has_nothing_against_it(order):
    usable, findings = listen(order)

    assert [u.text for u in usable] == list(TEXTS)
    assert findings == []


def test_noise_is_told_and_the_recording_used(folder, order):
    noise = 0.012 * np.random.default_rng(0).standard_normal(30 * RATE).astype(np.float32)
    every(
        folder,
        lambda path: write(
            path, Audio(read(path).samples + noise[: len(read(path).samples)], RATE)
        ),
    )

    usable, findings = listen(order)

    assert len(usable) == len(TEXTS)
    assert [f.file for f in findings if "noisy" in f.what] == [f"{n}.wav" for n in range(5)]


def test_another_speaker_among_the_files_is_left_out(folder, order):
    write(folder / "4.wav", sori.load(threads=1).say(TEXTS[4], speaker="am_onyx"))

    usable, findings = listen(order)

    assert [u.name for u in usable] == ["0", "1", "2", "3"]
    assert [f.file for f in findings if "another speaker" in f.what] == ["4.wav"]


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg", ".opus"])
def test_other_formats_are_read(suffix, folder):
    for path in sorted(folder.glob("*.wav")):
        write(path.with_suffix(suffix), read(path))
        path.unlink()

    found, findings = recordings.find(folder)

    assert [u.text for u in found] == list(TEXTS)
    assert findings == []


def test_texts_all_in_capitals_are_read_as_words(folder):
    lines = [f"{number}.wav|{text.upper()}" for number, text in enumerate(TEXTS)]
    (folder / "metadata.csv").write_text("audio|text\n" + "\n".join(lines))

    found, _ = recordings.find(folder)

    assert found[0].text == TEXTS[0].lower()


def test_written_transcripts_are_read_again(folder):
    found, _ = recordings.find(folder)
    corrected = [replace(u, text=u.text + " Indeed.") for u in found]

    recordings.write_table(folder, corrected)

    again, _ = recordings.find(folder)
    assert [u.text for u in again] == [u.text for u in corrected]


def test_a_stereo_recording_at_another_rate_is_welcome(folder, order):
    for path in sorted(folder.glob("*.wav")):
        samples = np.stack([read(path).samples[::2]] * 2, axis=1)
        soundfile.write(path, samples, RATE // 2)

    usable, _ = listen(order)

    assert len(usable) == len(TEXTS)
