import numpy as np
import pytest

from sori.audio.files import write
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.evaluation.clips import find_clips, take


def record(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        write(folder / f"{name}.wav", Audio(np.full(160, 0.1, np.float32), 16_000))
    return folder


def test_plain_sentences_go_to_the_recordings_in_order_of_their_names(tmp_path):
    folder = record(tmp_path / "takes", "b", "a")
    texts = tmp_path / "texts"
    texts.write_text("First.\n\nSecond.\n")

    clips = find_clips(folder, texts)

    assert [(clip.path.stem, clip.text) for clip in clips] == [("a", "First."), ("b", "Second.")]


def test_named_sentences_go_to_their_recordings(tmp_path):
    folder = record(tmp_path / "takes", "a", "b", "c")
    texts = tmp_path / "texts"
    texts.write_text("b|Second.\na|First.\n")

    assert [clip.text for clip in find_clips(folder, texts)] == ["First.", "Second.", None]


def test_the_table_of_a_corpus_is_read_by_its_header(tmp_path):
    folder = record(tmp_path / "takes", "a")
    texts = tmp_path / "metadata.csv"
    texts.write_text('audio|speaker|text|seconds\ndeep/a.opus|LJ|A "quote|1.0\n')

    assert find_clips(folder, texts)[0].text == 'A "quote'


def test_a_text_file_beside_a_recording_says_what_it_says(tmp_path):
    folder = record(tmp_path / "takes", "a", "b")
    (folder / "a.txt").write_text("Hello.\n")

    assert [clip.text for clip in find_clips(folder)] == ["Hello.", None]


def test_a_reference_has_the_name_of_its_recording_and_any_format(tmp_path):
    folder = record(tmp_path / "takes", "a", "b")
    references = record(tmp_path / "studio")
    write(references / "a.flac", Audio(np.zeros(160, np.float32), 16_000))
    (references / "b.txt").write_text("no recording")

    clips = find_clips(folder, references=references)

    assert take(clips[0]).reference is not None
    assert take(clips[1]).reference is None


def test_sentences_that_do_not_fit_the_recordings_are_refused(tmp_path):
    folder = record(tmp_path / "takes", "a", "b")
    texts = tmp_path / "texts"
    texts.write_text("Only one.\n")

    with pytest.raises(SoriError, match="1 sentences for 2 recordings"):
        find_clips(folder, texts)


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(SoriError, match="holds no recordings"):
        find_clips(tmp_path)
