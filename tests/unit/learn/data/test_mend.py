import hashlib

import numpy as np
import pytest
import soundfile

from sori.audio.files import read
from sori.audio.level import loudness
from sori.core.errors import SoriError
from sori.learn.data.check import check
from sori.learn.data.corpora import read_corpus
from sori.learn.data.mend import TARGET_LUFS, mend
from tests.unit.learn.data import layouts

TEXT = "The birch canoe slid on the smooth planks."
RATE = layouts.RATE


@pytest.fixture
def corpus(tmp_path):
    """Recordings that are quiet, wide, fast, padded with silence, and one that is lost."""
    folder = tmp_path / "corpus"
    lines = []
    for number in range(8):
        layouts.record(folder / f"wav/{number}.wav", 2.5, 150 + 10 * number, level=0.03)
        lines.append(f"{number}|{TEXT}")
    samples, _ = soundfile.read(folder / "wav/0.wav")
    silence = np.zeros(RATE)
    soundfile.write(
        folder / "wav/padded.wav", np.concatenate([silence, 2 * samples, silence]), RATE
    )
    soundfile.write(folder / "wav/wide.wav", np.stack([samples, samples / 2], axis=1), RATE)
    layouts.record(folder / "wav/fast.wav", 2.5, 300, rate=24_000)
    lines += [f"{name}|{TEXT}" for name in ("padded", "wide", "fast", "lost")]
    layouts.write(folder / "metadata.csv", *lines)
    return folder


def digests(folder):
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_mended_corpus_has_nothing_to_mend(corpus, tmp_path):
    before = digests(corpus)
    checked = check(read_corpus(corpus))

    kept = mend(checked, corpus, tmp_path / "mended")

    again = check(read_corpus(tmp_path / "mended"))
    assert kept == len(again) == 11
    assert [found.findings for found in again] == [{}] * 11
    assert [found.utterance.text for found in again] == [TEXT] * 11
    assert {found.utterance.phonemes for found in again} == {None}
    assert {found.measured.sample_rate for found in again} == {RATE}
    assert digests(corpus) == before


def test_silence_is_trimmed_and_loudness_is_one(corpus, tmp_path):
    mend(check(read_corpus(corpus)), corpus, tmp_path / "mended")

    for utterance in read_corpus(tmp_path / "mended"):
        audio = read(utterance.audio)
        assert loudness(audio) == pytest.approx(TARGET_LUFS, abs=0.3)
        assert audio.seconds == pytest.approx(2.8 if utterance.name == "padded" else 2.5, abs=0.02)


def test_what_was_dropped_is_listed_with_the_reason(corpus, tmp_path):
    mend(check(read_corpus(corpus)), corpus, tmp_path / "mended")

    lines = (tmp_path / "mended/dropped.csv").read_text().splitlines()
    assert lines == ["audio|finding|seen", f"{corpus}/wav/lost.wav|missing|no such file"]


def test_a_peak_is_never_clipped(corpus, tmp_path):
    click = np.zeros(40_000)
    click[::4000] = 0.9
    soundfile.write(corpus / "wav/0.wav", click, RATE)

    mend(check(read_corpus(corpus)), corpus, tmp_path / "mended")

    samples, _ = soundfile.read(tmp_path / "mended/audio/corpus/0.flac")
    assert 0.9 < np.abs(samples).max() <= 0.99


def test_phonemes_and_durations_are_handed_on_untrimmed(corpus, tmp_path):
    listing = "audio|speaker|text|phonemes|durations"
    (corpus / "wav").rename(corpus / "audio")
    layouts.write(corpus / "metadata.csv", listing, f"padded.wav|ann|{TEXT}|hˈO|70 1 1 68")
    np.savez(corpus / "prosody.npz", padded=np.zeros((2, 10)))

    mend(check(read_corpus(corpus)), corpus, tmp_path / "mended")

    (utterance,) = read_corpus(tmp_path / "mended")
    assert (utterance.phonemes, utterance.durations) == ("hˈO", (70, 1, 1, 68))
    assert read(utterance.audio).seconds == 4.5
    assert (tmp_path / "mended/prosody.npz").is_file()


def test_a_copy_that_is_there_already_is_not_touched(corpus, tmp_path):
    (tmp_path / "mended").mkdir()

    with pytest.raises(SoriError, match="mended is there already; remove it"):
        mend(check(read_corpus(corpus)), corpus, tmp_path / "mended")


def test_nothing_is_left_behind_when_nothing_can_be_written(corpus, tmp_path):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(SoriError, match="Not a directory; choose a place with --into"):
        mend(check(read_corpus(corpus)), corpus, tmp_path / "file/mended")


def test_an_empty_copy_is_not_made(corpus, tmp_path):
    layouts.write(corpus / "metadata.csv", f"lost|{TEXT}", f"gone|{TEXT}")

    with pytest.raises(SoriError, match="nothing in .* can be kept"):
        mend(check(read_corpus(corpus)), corpus, tmp_path / "mended")

    assert not list(tmp_path.glob("*mended*"))
