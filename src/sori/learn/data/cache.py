"""The feature cache: everything a training reads, in a few flat files that are memory-mapped.

One folder per corpus: `index.json` with a line for every utterance, and one array for every
feature, utterances one after another; a large corpus has several of each (see `shards`). A crop is
a slice, so reading costs next to nothing.
"""

import hashlib
import json
import os
import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from itertools import accumulate, islice
from pathlib import Path

import numpy as np

from sori.core.engines import Engine, here
from sori.core.errors import SoriError
from sori.core.files import beside
from sori.learn.data import features
from sori.learn.data.corpora import Utterance
from sori.learn.data.shards import TYPES, GrowingCache, file_name, frame_bytes, shard_starts
from sori.learn.mel import MelSpec

MAKER = "run `sori corpus prepare`"
MAKERS = {"predicted": "run `sori corpus predict` first"}
GROUP = 8  # utterances that a worker is given at once, and that are written at once


@dataclass(frozen=True)
class Entry:
    """Where one utterance lies in the arrays of its cache; frames and samples are aligned."""

    name: str
    speaker: str
    text: str
    start: int  # frame
    frames: int
    phonemes: str | None
    durations: tuple[int, ...] | None  # frames of each phoneme and of both silences


def describe(utterance: Utterance, teacher_f0: np.ndarray | None, spec: MelSpec) -> dict:
    """Compute all features of one utterance; every array has whole frames.

    An utterance without a recording, of which a teacher gave F0 and durations, has the mel and
    energy `UNKNOWN`: models learn its prosody and nothing else.
    """
    if teacher_f0 is not None and not utterance.audio.is_file():
        frames = len(teacher_f0)
        return {
            "wave": np.zeros(frames * spec.hop_samples, np.int16),
            "mel": np.full((frames, spec.bins), features.UNKNOWN, np.float16),
            "f0": features.taught_f0(teacher_f0),
            "energy": np.full(frames, features.UNKNOWN, np.float32),
            "cycles": np.zeros(frames, np.float32),
        }
    wave = features.load_wave(utterance.audio, spec.sample_rate)
    if utterance.durations is None:
        wave = features.trim(wave, spec.sample_rate)
    wave = features.normalise(wave, spec.sample_rate)
    frames = len(wave) // spec.hop_samples
    if teacher_f0 is not None:
        frames = min(frames, len(teacher_f0))
    wave = wave[: frames * spec.hop_samples]
    f0 = features.f0(wave, spec) if teacher_f0 is None else features.taught_f0(teacher_f0[:frames])
    return {
        "wave": np.round(wave * 32767).astype(np.int16),
        "mel": features.mel(wave, spec).astype(np.float16),
        "f0": f0,
        "energy": features.energy(wave, spec),
        "cycles": features.cycles(wave, f0, spec),
    }


def _work(group: Sequence[tuple[Utterance, np.ndarray | None]], spec: MelSpec) -> list[dict]:
    with features.one_thread():
        return [describe(utterance, teacher_f0, spec) for utterance, teacher_f0 in group]


def _groups(utterances: Iterable[Utterance], folder: Path) -> Iterator[list]:
    """The work by groups: utterances, each with its teacher's F0 if there is a teacher."""
    prosody = folder / "prosody.npz"
    teacher = np.load(prosody) if prosody.is_file() else None
    rest = iter(utterances)
    while group := list(islice(rest, GROUP)):
        yield [(u, None if teacher is None else _track(teacher, u.name, prosody)) for u in group]


def _track(teacher: Mapping, name: str, prosody: Path) -> np.ndarray:
    if name not in teacher:
        raise SoriError(f"{prosody} holds no prosody of {name}; make it again, or take it away")
    return teacher[name][0].astype(np.float32)


def prepare(
    utterances: list[Utterance],
    folder: Path,
    out: Path,
    spec: MelSpec,
    engine: Engine = here,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Compute the features of a corpus into the cache folder `out`.

    What is there already for the same recordings and texts stays as it is. Work that was stopped
    goes on where it stopped; until all is done, an older cache in `out` can be used.

    Args:
        folder: of the corpus, where a teacher's `prosody.npz` may lie.
        engine: who does the work; the cache is the same to the last bit.
        progress: is told how many utterances are done, and of how many.

    Raises:
        SoriError: a recording cannot be used, a name is there twice, or the disk is full.
    """
    repeated = [name for name, count in Counter(u.name for u in utterances).items() if count > 1]
    if repeated:
        raise SoriError(f"{folder} lists {repeated[0]} twice; `sori corpus check` says what else")
    mark = fingerprint(utterances, folder, spec)
    if _old_index(out).get("mark") == mark:
        return
    try:
        with GrowingCache(out / ".preparing", spec, mark) as growing:
            todo = utterances[len(growing.lengths) :]
            for described in engine(partial(_work, spec=spec), _groups(todo, folder)):
                growing.append(described)
                if progress:
                    progress(len(growing.lengths), len(utterances))
        _publish(growing, utterances, out, mark)
    except OSError as error:
        raise SoriError(
            f"cannot write {out}: {error.strerror}; what is done is kept for the next run"
        ) from error


def fingerprint(utterances: Iterable[Utterance], folder: Path, spec: MelSpec) -> str:
    """A mark that changes when anything changes that the features depend on."""

    def state(file: Path) -> list:
        if not file.is_file():
            return [os.path.relpath(file, folder)]
        found = file.stat()
        return [os.path.relpath(file, folder), found.st_size, found.st_mtime_ns]

    digest = hashlib.sha256()
    for part in (version("sori"), asdict(spec), state(folder / "prosody.npz")):
        digest.update(json.dumps(part).encode())
    for u in utterances:
        row = [u.name, u.speaker, u.text, u.phonemes, u.durations, *state(u.audio)]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _old_index(out: Path) -> dict:
    path = out / "index.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _publish(growing: GrowingCache, utterances: list[Utterance], out: Path, mark: str) -> None:
    """Move a finished cache to its place and take away what was made from an older one."""
    starts = [0, *accumulate(growing.lengths)]
    rows = [
        asdict(_entry(*found, growing.spec))
        for found in zip(utterances, starts, growing.lengths, strict=False)
    ]
    document = {
        "mel": asdict(growing.spec),
        "frames": starts[-1],
        "shards": growing.sizes,
        "mark": mark,
        "utterances": rows,
    }
    (growing.folder / "index.json").write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    _keep_true_labels(_old_index(out), rows, out)
    # Without an index nobody takes a mixture of old and new arrays for a cache.
    (out / "index.json").unlink(missing_ok=True)
    for file in out.glob("*.raw"):
        file.unlink()
    for file in (*growing.folder.glob("*.raw"), growing.folder / "index.json"):
        os.replace(file, out / file.name)
    shutil.rmtree(growing.folder)


def _keep_true_labels(old: dict, rows: list[dict], out: Path) -> None:
    """Labels cost an aligner's time: keep those of utterances that have not changed."""

    def heard(row: dict) -> tuple:
        return row["name"], row["text"], row["frames"]

    unchanged = {heard(row) for row in old.get("utterances", ())} & set(map(heard, rows))
    if labels := read_labels(out):
        kept = {name for name, *_ in unchanged}
        write_labels(out, {name: label for name, label in labels.items() if name in kept})


def _entry(utterance: Utterance, start: int, frames: int, spec: MelSpec) -> Entry:
    durations = utterance.durations
    if durations is not None:
        # Teachers count in units of two frames; a rounding difference goes to the last silence.
        unit = max(1, round(frames / sum(durations)))
        counted = [unit * d for d in durations]
        counted[-1] += frames - sum(counted)
        durations = tuple(counted)
    return Entry(
        utterance.name,
        utterance.speaker,
        utterance.text,
        start,
        frames,
        utterance.phonemes,
        durations,
    )


def _read_entry(row: dict) -> Entry:
    return Entry(**{**row, "durations": row["durations"] and tuple(row["durations"])})


def write_labels(folder: Path, labels: dict[str, dict]) -> None:
    """Keep phonemes and durations found for a corpus beside its features.

    Args:
        labels: for names of utterances, their `phonemes` and their `durations` in frames.
    """
    with beside(folder / "labels.json") as part:
        part.write_text(json.dumps(labels, ensure_ascii=False), "utf-8")


def read_labels(folder: Path) -> dict[str, dict]:
    """What `write_labels` kept; nothing where it did not."""
    path = folder / "labels.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


class Cache:
    """A prepared corpus: entries, and their features as slices of memory-mapped arrays.

    Args (of the constructor):
        mels: "mel" for those of the recordings, "predicted" for an acoustic model's.
    """

    def __init__(self, folder: Path, spec: MelSpec, mels: str = "mel"):
        path = folder / "index.json"
        if not path.is_file():
            raise SoriError(f"{folder} holds no feature cache; run `sori corpus prepare` first")
        document = json.loads(path.read_text("utf-8"))
        if document["mel"] != asdict(spec):
            raise SoriError(f"{folder} was prepared with another MelSpec; prepare it again")
        known = read_labels(folder)
        self.entries = [
            _read_entry(row | known.get(row["name"], {})) for row in document["utterances"]
        ]
        self.hop_samples = spec.hop_samples
        self.sample_rate = spec.sample_rate
        # Caches of before there were shards have one.
        sizes = document.get("shards", [document["frames"]])
        self.starts = shard_starts(sizes)
        self.arrays: dict[str, list[np.ndarray]] = {}
        for feature, kind in TYPES.items():
            stem = mels if feature == "mel" else feature
            files = [folder / file_name(stem, shard) for shard in range(len(sizes))]
            if not all(file.is_file() for file in files):
                raise SoriError(f"{folder} holds no whole {stem}; {MAKERS.get(stem, MAKER)}")
            values = frame_bytes(feature, spec) // np.dtype(kind).itemsize
            self.arrays[feature] = [
                np.memmap(file, kind, "r", shape=(frames, values))
                for file, frames in zip(files, sizes, strict=True)
            ]

    def frames_in(self, seconds: float) -> int:
        """Whole frames that fit into a time."""
        return int(seconds * self.sample_rate) // self.hop_samples

    def place(self, entry: Entry) -> tuple[int, int]:
        """The shard of an utterance, and the frame of the shard that it begins at."""
        shard = bisect_right(self.starts, entry.start) - 1
        return shard, entry.start - self.starts[shard]

    def _part(self, name: str, entry: Entry, first: int, frames: int) -> np.ndarray:
        shard, start = self.place(entry)
        return self.arrays[name][shard][start + first : start + first + frames]

    def wave(self, entry: Entry, first: int, frames: int) -> np.ndarray:
        """Samples of `frames` frames from frame `first` of the utterance, float32."""
        return self._part("wave", entry, first, frames).reshape(-1).astype(np.float32) / 32767

    def frames(self, name: str, entry: Entry, first: int, frames: int) -> np.ndarray:
        """A frame-rate feature of `frames` frames from frame `first`, float32."""
        part = np.asarray(self._part(name, entry, first, frames), np.float32)
        return part if name == "mel" else part.reshape(-1)
