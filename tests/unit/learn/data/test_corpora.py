from pathlib import Path

import pytest

from sori.core.errors import SoriError
from sori.learn.data import corpora
from sori.learn.data.corpora import read_corpus, recognise
from tests.unit.learn.data import layouts

CASES = [(name, lay) for name, ways in layouts.LAYOUTS.items() for lay in ways]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "corpus").mkdir()
    return tmp_path / "corpus"


def parts(utterances):
    return [(u.name, u.speaker, u.text) for u in utterances]


@pytest.mark.parametrize(("name", "lay"), CASES)
def test_a_corpus_is_recognised_and_read(folder, name, lay):
    expected = lay(folder)

    utterances = read_corpus(folder)

    assert recognise(folder) == name
    assert parts(utterances) == expected
    assert all(u.audio.is_file() for u in utterances)


@pytest.mark.parametrize(("name", "lay"), CASES)
def test_a_format_that_is_named_reads_the_same(folder, name, lay):
    expected = lay(folder)

    assert parts(read_corpus(folder, name)) == expected


def test_every_format_has_a_test():
    by_name_only = {"vctk-mic1", "vctk-mic2"}

    assert set(layouts.LAYOUTS) | by_name_only == set(corpora.LAYOUTS)


@pytest.mark.parametrize("microphone", ["mic1", "mic2"])
def test_one_microphone_of_vctk_can_be_asked_for(folder, microphone):
    expected = layouts.vctk(folder)

    utterances = read_corpus(folder, f"vctk-{microphone}")

    assert parts(utterances) == [row for row in expected if row[0].endswith(microphone)]


def test_what_no_microphone_recorded_is_listed_as_missing(folder):
    layouts.vctk(folder)
    layouts.write(folder / "txt/p362/p362_009.txt", "Nobody says this.")

    assert [u.name for u in read_corpus(folder) if not u.audio.is_file()] == [
        "p362_009_mic1",
        "p362_009_mic2",
    ]


@pytest.mark.parametrize("lay", [layouts.pipe, layouts.kss, layouts.nemo])
def test_listed_seconds_are_known(folder, lay):
    lay(folder)

    assert [u.seconds for u in read_corpus(folder)] == [0.2]


def test_other_sound_formats_stand_in_for_wav(folder):
    layouts.ljspeech(folder)
    (folder / "wavs/LJ001-0001.wav").unlink()
    layouts.record(folder / "wavs/LJ001-0001.flac")

    assert read_corpus(folder)[0].audio == folder / "wavs/LJ001-0001.flac"


def test_a_byte_order_mark_and_blank_lines_change_nothing(folder):
    expected = layouts.piper(folder)
    metadata = folder / "metadata.csv"
    metadata.write_text("\ufeff" + metadata.read_text().replace("\n", "\r\n\r\n"))

    assert parts(read_corpus(folder)) == expected


def test_a_folder_in_no_layout_says_what_was_looked_for(folder):
    layouts.record(folder / "loose.wav")

    with pytest.raises(SoriError) as caught:
        read_corpus(folder)

    assert all(
        f"{name}: {layout.sign}" in str(caught.value) for name, layout in corpora.LAYOUTS.items()
    )


def test_an_unknown_format_names_those_that_there_are(folder):
    with pytest.raises(
        SoriError, match="no format 'vckt'; name one of: pipe, ljspeech, piper, vctk"
    ):
        read_corpus(folder, "vckt")


def test_a_folder_that_is_not_there_is_refused(folder):
    with pytest.raises(SoriError, match="there is no folder"):
        read_corpus(folder / "lost")


def test_paths_hold_in_another_working_directory(folder, monkeypatch):
    layouts.one_speaker(folder)
    monkeypatch.chdir(folder)

    utterances = read_corpus(Path())

    assert {u.speaker for u in utterances} == {"corpus"}
    assert all(u.audio.is_absolute() for u in utterances)


def test_an_empty_listing_is_refused(folder):
    layouts.write(folder / "metadata.csv", "audio|speaker|text")

    with pytest.raises(SoriError, match="lists no recordings"):
        read_corpus(folder)


def test_a_listing_in_another_encoding_is_refused(folder):
    (folder / "metadata.csv").write_bytes("1|Schön.\n".encode("latin-1"))

    with pytest.raises(SoriError, match="not UTF-8"):
        read_corpus(folder)


def test_a_manifest_that_is_no_manifest_is_refused(folder):
    layouts.write(folder / "train_manifest.json", '{"text": "no sound"}')

    with pytest.raises(SoriError, match="expected an object with audio_filepath"):
        read_corpus(folder)
