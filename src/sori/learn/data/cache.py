"""The feature cache: everything a training reads, in a few flat files that are memory-mapped.

One folder per corpus: `index.json` with a line for every utterance, and one array for every
feature, utterances one after another. A crop is a slice, so reading costs next to nothing.
"""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sori.core.errors import SoriError
from sori.learn.data import features
from sori.learn.data.corpora import Utterance
from sori.learn.mel import MelSpec

TYPES = {
    "wave": np.int16,
    "mel": np.float16,
    "f0": np.float32,
    "energy": np.float32,
    "cycles": np.float32,
}


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


def _work(job: tuple[Utterance, np.ndarray | None], spec: MelSpec) -> dict:
    import torch

    torch.set_num_threads(1)
    return describe(job[0], job[1], spec)


def _jobs(utterances: Iterable[Utterance], folder: Path) -> Iterator[tuple]:
    prosody = folder / "prosody.npz"
    teacher = np.load(prosody) if prosody.is_file() else None
    for utterance in utterances:
        track = None
        if teacher is not None:
            track = teacher[utterance.name][0].astype(np.float32)
        yield utterance, track


def prepare(
    utterances: list[Utterance], folder: Path, out: Path, spec: MelSpec, jobs: int = 1
) -> None:
    """Compute the features of a corpus into the cache folder `out`.

    Args:
        folder: of the corpus, where a teacher's `prosody.npz` may lie.
        jobs: processes that share the work.
    """
    out.mkdir(parents=True, exist_ok=True)
    index, start = [], 0
    files = {name: (out / f"{name}.raw.tmp").open("wb") for name in TYPES}
    with ProcessPoolExecutor(jobs) as pool:
        results = pool.map(partial(_work, spec=spec), _jobs(utterances, folder), chunksize=8)
        for utterance, arrays in zip(utterances, results, strict=True):
            for name, file in files.items():
                file.write(np.ascontiguousarray(arrays[name]).tobytes())
            frames = len(arrays["f0"])
            index.append(asdict(_entry(utterance, start, frames, spec)))
            start += frames
    for name, file in files.items():
        file.close()
        os.replace(out / f"{name}.raw.tmp", out / f"{name}.raw")
    document = {"mel": asdict(spec), "frames": start, "utterances": index}
    beside = out / "index.json.tmp"
    beside.write_text(json.dumps(document, ensure_ascii=False))
    os.replace(beside, out / "index.json")


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
    beside = folder / "labels.json.tmp"
    beside.write_text(json.dumps(labels, ensure_ascii=False))
    os.replace(beside, folder / "labels.json")


class Cache:
    """A prepared corpus: entries, and their features as slices of memory-mapped arrays.

    Args (of the constructor):
        mels: "mel" for those of the recordings, "predicted" for an acoustic model's.
    """

    def __init__(self, folder: Path, spec: MelSpec, mels: str = "mel"):
        path = folder / "index.json"
        if not path.is_file():
            raise SoriError(f"{folder} holds no feature cache; run `sori corpus prepare` first")
        document = json.loads(path.read_text())
        if document["mel"] != asdict(spec):
            raise SoriError(f"{folder} was prepared with another MelSpec; prepare it again")
        labels = folder / "labels.json"
        known = json.loads(labels.read_text()) if labels.is_file() else {}
        self.entries = [
            _read_entry(row | known.get(row["name"], {})) for row in document["utterances"]
        ]
        self.hop_samples = spec.hop_samples
        shapes = {
            "wave": (document["frames"] * spec.hop_samples,),
            "mel": (document["frames"], spec.bins),
            "f0": (document["frames"],),
            "energy": (document["frames"],),
            "cycles": (document["frames"],),
        }
        files = {name: folder / f"{mels if name == 'mel' else name}.raw" for name in shapes}
        if not files["mel"].is_file():
            raise SoriError(f"{folder} holds no {mels} mels; run `sori corpus predict` first")
        self.arrays = {
            name: np.memmap(files[name], TYPES[name], "r", shape=shape)
            for name, shape in shapes.items()
        }

    def wave(self, entry: Entry, first: int, frames: int) -> np.ndarray:
        """Samples of `frames` frames from frame `first` of the utterance, float32."""
        start = (entry.start + first) * self.hop_samples
        samples = self.arrays["wave"][start : start + frames * self.hop_samples]
        return samples.astype(np.float32) / 32767

    def frames(self, name: str, entry: Entry, first: int, frames: int) -> np.ndarray:
        """A frame-rate feature of `frames` frames from frame `first`, float32."""
        start = entry.start + first
        return np.asarray(self.arrays[name][start : start + frames], np.float32)
