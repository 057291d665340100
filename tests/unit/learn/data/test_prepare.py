import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from sori.core.engines import processes
from sori.core.errors import SoriError
from sori.learn.data import shards
from sori.learn.data.cache import GROUP, Cache, prepare, write_labels
from sori.learn.data.corpora import read_corpus
from sori.learn.mel import MelSpec
from tests.unit.learn.data import layouts

SPEC = MelSpec()
COUNT = 2 * GROUP + 3


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    rows = ["audio|speaker|text|seconds"]
    for number in range(COUNT):
        layouts.record(folder / f"audio/{number}.wav", 0.15 + number / 100, 120 + 10 * number)
        rows.append(f"{number}.wav|ann|Number {number}.|{0.15 + number / 100}")
    layouts.write(folder / "metadata.csv", *rows)
    return folder


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """The cache that is made in one go."""
    out = tmp_path_factory.mktemp("cache") / "whole"
    prepare(read_corpus(corpus), corpus, out, SPEC)
    return out


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


class Reports:
    """What a run says about its progress."""

    def __init__(self):
        self.done = []

    def __call__(self, done, total):
        self.done.append(done)


# Stops after the first group until it is killed.
UNTIL_KILLED = """
import sys
from pathlib import Path
from sori.learn.data.cache import prepare
from sori.learn.data.corpora import read_corpus
from sori.learn.mel import MelSpec

def wait(done, total):
    print(done, flush=True)
    sys.stdin.read()

corpus, out = map(Path, sys.argv[1:])
prepare(read_corpus(corpus), corpus, out, MelSpec(), progress=wait)
"""


@pytest.fixture(scope="module")
def killed_once(corpus, tmp_path_factory):
    """A cache whose making was killed after the first group."""
    out = tmp_path_factory.mktemp("cache") / "killed"
    command = [sys.executable, "-c", UNTIL_KILLED, corpus, out]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == f"{GROUP}\n".encode()
    process.kill()
    process.communicate()
    return out


@pytest.fixture
def killed(killed_once, tmp_path):
    return shutil.copytree(killed_once, tmp_path / "cache")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(killed, corpus, whole):
    reports = Reports()
    # What a kill in the middle of writing leaves behind: data and half a line of the journal.
    for file in (killed / ".preparing").iterdir():
        with file.open("ab") as growing:
            growing.write(b"[7, 7")

    prepare(read_corpus(corpus), corpus, killed, SPEC, progress=reports)

    assert reports.done == [2 * GROUP, COUNT]
    assert contents(killed) == contents(whole)
    assert not (killed / ".preparing").exists()


def test_data_that_a_power_failure_lost_is_made_again(killed, corpus, whole):
    os.truncate(killed / ".preparing/wave.raw", 1000)

    prepare(read_corpus(corpus), corpus, killed, SPEC)

    assert contents(killed) == contents(whole)


def test_work_begun_on_another_text_is_thrown_away(killed, corpus, whole):
    journal = killed / ".preparing/journal.jsonl"
    journal.write_text(journal.read_text().replace('"mark": "', '"mark": "0'))
    reports = Reports()

    prepare(read_corpus(corpus), corpus, killed, SPEC, progress=reports)

    assert reports.done[0] == GROUP
    assert contents(killed) == contents(whole)


def test_several_processes_make_the_same_cache(corpus, whole, tmp_path):
    prepare(read_corpus(corpus), corpus, tmp_path / "cache", SPEC, processes(2))

    assert contents(tmp_path / "cache") == contents(whole)


def test_a_large_corpus_is_read_from_shards_as_from_one(corpus, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_FRAMES", 100)
    out = tmp_path / "cache"

    prepare(read_corpus(corpus), corpus, out, SPEC)

    one, many = Cache(whole, SPEC), Cache(out, SPEC)
    assert len(many.starts) > 2
    assert (out / "mel-2.raw").is_file()
    for entry in one.entries:
        assert entry in many.entries
        assert np.array_equal(one.wave(entry, 1, 5), many.wave(entry, 1, 5))
        for name in ("mel", "f0", "energy", "cycles"):
            whole_track = one.frames(name, entry, 0, entry.frames)
            assert np.array_equal(whole_track, many.frames(name, entry, 0, entry.frames))


def test_a_cache_from_before_there_were_shards_is_read(whole, tmp_path):
    out = tmp_path / "cache"
    out.mkdir()
    for name, content in contents(whole).items():
        (out / name).write_bytes(content)
    index = json.loads((out / "index.json").read_text())
    del index["shards"], index["mark"]
    (out / "index.json").write_text(json.dumps(index))

    old, new = Cache(out, SPEC), Cache(whole, SPEC)

    last = new.entries[-1]
    assert old.entries == new.entries
    assert np.array_equal(old.wave(last, 0, last.frames), new.wave(last, 0, last.frames))


def test_a_corpus_that_has_not_changed_is_left_alone(corpus, whole):
    reports = Reports()
    before = (whole / "wave.raw").stat().st_mtime_ns

    prepare(read_corpus(corpus), corpus, whole, SPEC, progress=reports)

    assert reports.done == []
    assert (whole / "wave.raw").stat().st_mtime_ns == before


def test_labels_of_what_has_not_changed_are_kept(corpus, tmp_path):
    out = tmp_path / "cache"
    utterances = read_corpus(corpus)[:2]
    prepare(utterances, corpus, out, SPEC)
    write_labels(out, {u.name: {"phonemes": "hˈO"} for u in utterances})
    (out / "predicted.raw").write_bytes(b"made from the old features")
    layouts.write(tmp_path / "metadata.csv", "audio|speaker|text", "1.wav|ann|Something else.")
    changed = [utterances[0], *read_corpus(tmp_path)]

    prepare(changed[:1], corpus, out, SPEC)

    assert [e.phonemes for e in Cache(out, SPEC).entries] == ["hˈO"]
    assert json.loads((out / "labels.json").read_text()) == {"0": {"phonemes": "hˈO"}}
    assert not (out / "predicted.raw").exists()


def test_a_silent_recording_is_named_and_the_old_cache_stays(corpus, tmp_path):
    out = tmp_path / "cache"
    good = read_corpus(corpus)[:2]
    prepare(good, corpus, out, SPEC)
    before = contents(out)
    layouts.record(tmp_path / "audio/hush.wav", level=0.0)
    layouts.write(tmp_path / "metadata.csv", "audio|speaker|text", "hush.wav|ann|Nothing.")

    with pytest.raises(
        SoriError, match="hush.wav holds no sound to learn from; `sori corpus check"
    ):
        prepare([*good, *read_corpus(tmp_path)], corpus, out, SPEC)

    assert contents(out) == before


def test_a_missing_recording_is_named(corpus, tmp_path):
    layouts.write(tmp_path / "metadata.csv", "audio|speaker|text", "lost.wav|ann|Gone.")

    with pytest.raises(SoriError, match=r"lost.wav is not there; `sori corpus check`"):
        prepare(read_corpus(tmp_path), tmp_path, tmp_path / "cache", SPEC)


def test_a_name_that_is_there_twice_is_refused(corpus, tmp_path):
    twice = read_corpus(corpus)[:1] * 2

    with pytest.raises(SoriError, match="lists 0 twice"):
        prepare(twice, corpus, tmp_path / "cache", SPEC)


def test_a_disk_that_takes_no_more_costs_nothing_that_was_done(killed, corpus, whole):
    so_far = (killed / ".preparing/wave.raw").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (so_far + 1000, limits[1]))
    try:
        with pytest.raises(SoriError, match="File too large; what is done is kept"):
            prepare(read_corpus(corpus), corpus, killed, SPEC)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    prepare(read_corpus(corpus), corpus, killed, SPEC)

    assert contents(killed) == contents(whole)
