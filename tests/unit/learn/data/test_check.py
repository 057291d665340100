import numpy as np
import pytest
import soundfile

from sori.core.errors import SoriError
from sori.learn.data.check import KINDS, as_json, check
from sori.learn.data.corpora import Utterance
from tests.unit.learn.data import layouts

RATE = layouts.RATE
TEXT = "The birch canoe slid on the smooth planks."
SECONDS = 2.5


@pytest.fixture
def corpus(tmp_path):
    """A sound corpus of one speaker, to which a test adds what it wants found."""
    return Corpus(tmp_path)


class Corpus:
    def __init__(self, folder):
        self.folder = folder
        self.utterances = []
        for number in range(9):
            self.add(f"good{number}", frequency=150 + 10 * number)

    def file(self, name):
        return self.folder / name

    def list(self, file, text=TEXT, seconds=None):
        self.utterances.append(Utterance(file.stem, "ann", text, file, seconds=seconds))

    def add(self, name, text=TEXT, **sound):
        file = self.file(f"{name}.wav")
        layouts.record(file, **{"seconds": SECONDS, "frequency": 333.0, **sound})
        self.list(file, text)

    def write(self, name, samples, rate=RATE, **options):
        soundfile.write(self.file(name), samples, rate, **options)
        self.list(self.file(name))

    def found(self, **options):
        """Findings of the recordings that have any."""
        checked = check(self.utterances, **options)
        return {c.utterance.name: c.findings for c in checked if c.findings}


def tone(seconds=SECONDS, frequency=333.0, level=0.3):
    return level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)


def test_nothing_is_found_in_a_sound_corpus(corpus):
    assert corpus.found() == {}


def test_a_file_that_is_not_there_is_missing(corpus):
    corpus.list(corpus.file("lost.wav"))

    assert corpus.found() == {"lost": {"missing": "no such file"}}


def test_a_file_that_is_no_sound_is_unreadable(corpus):
    corpus.file("letter.wav").write_bytes(b"Dear reader, this is no sound." * 100)
    corpus.list(corpus.file("letter.wav"))

    assert list(corpus.found()["letter"]) == ["unreadable"]


@pytest.mark.parametrize("suffix", ["wav", "flac", "opus", "ogg"])
def test_a_file_that_was_cut_is_found(corpus, suffix):
    rate = 16_000
    name = f"cut.{suffix}"
    options = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
    corpus.write(name, tone(), rate, **options)
    assert corpus.found() == {}
    content = corpus.file(name).read_bytes()

    corpus.file(name).write_bytes(content[: len(content) * 9 // 10])

    assert {"truncated", "unreadable"} & set(corpus.found()["cut"])


def test_a_file_shorter_than_its_list_says_is_truncated(corpus):
    corpus.write("short.wav", tone())
    corpus.utterances[-1] = Utterance("short", "ann", TEXT, corpus.file("short.wav"), seconds=3.5)

    assert corpus.found() == {"short": {"truncated": "2.50 s, its list says 3.50 s"}}


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_what_nobody_can_hear_is_silent(corpus, level):
    corpus.add("hush", level=level)

    assert list(corpus.found()["hush"]) == ["silent"]


def test_an_empty_file_is_silent(corpus):
    corpus.write("empty.wav", np.zeros(0))

    assert list(corpus.found()["empty"]) == ["silent"]


@pytest.mark.parametrize("afterwards", [1.0, 0.4])
def test_a_wave_that_was_cut_off_is_clipped(corpus, afterwards):
    corpus.write("loud.wav", np.clip(tone(level=1.5), -1, 1) * afterwards)

    assert "clipped" in corpus.found(ignored=["loudness"])["loud"]


def test_a_loud_wave_that_stays_in_bounds_is_not_clipped(corpus):
    corpus.add("loud", frequency=100, level=0.98)

    assert "clipped" not in corpus.found().get("loud", {})


def test_another_rate_is_found(corpus):
    corpus.add("fast", rate=22_050, frequency=321)

    assert corpus.found() == {"fast": {"rate": "22050 Hz, most have 16000 Hz"}}


def test_a_second_channel_is_found(corpus):
    corpus.write("wide.wav", np.stack([tone(), tone(frequency=222.0)], axis=1))

    assert corpus.found() == {"wide": {"stereo": "2 channels"}}


def test_the_same_sound_in_another_file_is_a_duplicate(corpus):
    samples, _ = soundfile.read(corpus.file("good3.wav"))
    corpus.write("again.flac", samples)

    assert corpus.found() == {"again": {"duplicate": "sounds like good3"}}


@pytest.mark.parametrize("text", ["", "  "])
def test_a_recording_without_a_text_is_found(corpus, text):
    corpus.add("mute", text)

    assert corpus.found() == {"mute": {"no-text": "the text is empty"}}


def test_characters_that_cannot_be_spoken_are_named(corpus):
    corpus.add("korean", TEXT.replace("canoe", "카누"))

    assert "HANGUL" in corpus.found()["korean"]["unspeakable"].upper()


def test_a_text_with_nothing_to_speak_is_unspeakable(corpus):
    corpus.add("korean", "괜찮은 척하려고 애쓰는 것 같았다.")

    assert list(corpus.found()["korean"]) == ["unspeakable"]


@pytest.mark.parametrize("text", [f"{TEXT} {TEXT}", "The birch canoe."])
def test_a_text_of_another_length_does_not_fit(corpus, text):
    corpus.add("other", text)

    assert list(corpus.found()["other"]) == ["misfit"]


def test_loudness_and_silence_are_only_remarked_on(corpus):
    corpus.add("quiet", level=0.05)
    corpus.write("slow.wav", np.concatenate([np.zeros(RATE), tone()]))

    checked = check(corpus.utterances)

    assert corpus.found() == {
        "quiet": {"loudness": corpus.found()["quiet"]["loudness"]},
        "slow": {"edges": "1.00 s of silence"},
    }
    assert not any(found.is_faulty for found in checked)


def test_a_kind_can_be_ignored(corpus):
    corpus.add("mute", "")

    assert corpus.found(ignored=["no-text"]) == {}


def test_a_kind_that_is_not_known_is_refused(corpus):
    with pytest.raises(SoriError, match="no finding 'loud'; known are: missing, unreadable"):
        corpus.found(ignored=["loud"])


def test_the_report_counts_what_was_found(corpus):
    corpus.list(corpus.file("lost.wav"))
    corpus.add("quiet", level=0.05)

    report = as_json("corpus", check(corpus.utterances))

    assert report["recordings"] == 11
    assert report["sample_rate"] == RATE
    assert report["findings"] == {"missing": 1, "loudness": 1}
    assert report["must_be_mended"] == 1
    assert report["rows"][-2]["loudness_lufs"] is None


def test_every_kind_that_must_be_mended_can_be():
    remedies = {kind.remedy for kind in KINDS.values() if kind.is_fault}

    assert remedies == {"dropped", "resampled", "mixed to one"}
