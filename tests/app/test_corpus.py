"""`sori corpus` as a person runs it."""

import json
import sys

import pytest

from tests.unit.learn.data import layouts

TEXT = "The birch canoe slid on the smooth planks."


@pytest.fixture
def corpus(somewhere):
    """A corpus without a fault, in corpora/tiny."""
    folder = somewhere / "corpora/tiny"
    for number in range(3):
        layouts.record(folder / f"wav/{number}.wav", 2.5, 150 + 10 * number)
    list_texts(folder, [TEXT] * 3)
    return folder


def list_texts(folder, texts):
    layouts.write(folder / "metadata.csv", *(f"{n}|{text}" for n, text in enumerate(texts)))


def test_a_sound_corpus_passes_the_check(sori, corpus):
    result = sori("corpus", "check", corpus, "--jobs", 1)

    assert result.status == 0
    assert result.out.decode() == "3 recordings, 0.00 h; 0 must be mended\n"
    assert result.err == "wrote runs/check/tiny.json and runs/check/tiny.html\n"


def test_faults_are_counted_written_and_end_in_status_1(sori, corpus, somewhere):
    list_texts(corpus, [TEXT, "", TEXT, TEXT])

    result = sori("corpus", "check", corpus, "--jobs", 1, "--out", "found")

    assert result.status == 1
    assert "2 must be mended" in result.out.decode()
    assert "no-text           1  must be mended" in result.out.decode()
    found = json.loads((somewhere / "found/tiny.json").read_text())
    assert found["findings"] == {"missing": 1, "no-text": 1}
    page = (somewhere / "found/tiny.html").read_text()
    assert page.count("<audio") == 1
    assert page.count("<rect") == 4 * 40
    assert "http" not in page.replace("http://www.w3.org", "")


def test_what_is_ignored_is_no_fault(sori, corpus):
    list_texts(corpus, [TEXT, "", TEXT])

    assert sori("corpus", "check", corpus, "--jobs", 1, "--ignore", "no-text").status == 0


def test_mend_writes_a_copy_that_passes(sori, corpus):
    list_texts(corpus, [TEXT, "", TEXT])

    mended = sori("corpus", "check", corpus, "--jobs", 1, "--mend")
    again = sori("corpus", "check", f"{corpus}-mended", "--jobs", 1)

    assert (mended.status, again.status) == (0, 0)
    assert "tiny-mended: 2 recordings, 1 dropped" in mended.out.decode()
    assert (corpus / "wav/1.wav").is_file()


def test_a_folder_that_is_no_corpus_is_one_line_and_status_2(sori, somewhere):
    result = sori("corpus", "check", somewhere)

    assert result.status == 2
    assert "is in no layout that Sori knows; looked for pipe: metadata.csv" in result.err
    assert result.err.count("\n") == 1


def test_fetch_without_a_name_lists_what_there_is(sori):
    result = sori("corpus", "fetch")

    assert result.status == 0
    assert "mini-librispeech   24 readers of books" in result.out.decode()


def test_an_unknown_engine_is_refused(sori, corpus):
    result = sori("corpus", "prepare", "tiny", "--engine", "spark")

    assert result.status == 2
    assert "choose one of: local, ray" in result.err


def test_ray_makes_the_cache_that_one_process_makes(start, sori, corpus, somewhere, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    spread = start("corpus", "prepare", "tiny", "--cache", "ray", "--engine", "ray", "--jobs", "2")
    alone = sori("corpus", "prepare", "tiny", "--cache", "local", "--jobs", 1)

    out, err = spread.communicate()

    assert (alone.status, alone.out) == (0, out), err.decode()
    files = {file.name for file in (somewhere / "local/tiny").iterdir()}
    assert files == {file.name for file in (somewhere / "ray/tiny").iterdir()}
    for name in files:
        ours, theirs = (somewhere / place / "tiny" / name for place in ("local", "ray"))
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_cluster_that_does_not_answer_is_named(sori, corpus, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")

    result = sori("corpus", "prepare", "tiny", "--engine", "ray")

    assert result.status == 2
    assert "nobody answers at RAY_ADDRESS=127.0.0.1:1: " in result.err


def test_without_ray_the_extra_is_named(sori, corpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)

    result = sori("corpus", "prepare", "tiny", "--engine", "ray")

    assert result.status == 2
    assert 'pip install "sori[scale]"' in result.err
