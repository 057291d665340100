"""Shards: the files of a feature cache, and how they grow so that a kill costs little.

Utterances lie one after another in one array for every feature. When the arrays have grown to
`SHARD_FRAMES`, the next utterance opens the next shard, so no file of a cache passes a gigabyte.
"""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import numpy as np

from sori.learn.mel import MelSpec

SHARD_FRAMES = 1 << 20  # 3.6 hours at 12.5 ms; the wave, the largest array, then takes 630 MB
TYPES = {
    "wave": np.int16,
    "mel": np.float16,
    "f0": np.float32,
    "energy": np.float32,
    "cycles": np.float32,
}


def file_name(feature: str, shard: int) -> str:
    """The file of one feature in one shard; the first shard has no number."""
    return f"{feature}-{shard}.raw" if shard else f"{feature}.raw"


def shard_of(sizes: list[int], frames: int) -> int:
    """Lay an utterance of so many frames into the last shard or a new one; return which."""
    if not sizes or sizes[-1] >= SHARD_FRAMES:
        sizes.append(0)
    sizes[-1] += frames
    return len(sizes) - 1


def shard_starts(sizes: Sequence[int]) -> list[int]:
    """The first frame of every shard, counted through the whole cache."""
    return [0, *accumulate(sizes[:-1])]


def frame_bytes(feature: str, spec: MelSpec) -> int:
    """Bytes that one frame takes in the array of a feature."""
    values = {"wave": spec.hop_samples, "mel": spec.bins}.get(feature, 1)
    return values * np.dtype(TYPES[feature]).itemsize


class GrowingCache:
    """Arrays that are appended to, with a journal of what is safely there.

    A line of the journal follows the data that it speaks of. Opening a folder that was left in the
    middle cuts the arrays to the journal's last whole line, and work goes on from there.

    Args (of the constructor):
        mark: of the corpus and settings; what was begun under another mark is thrown away.

    Attributes:
        lengths: frames of the utterances that are there.
        sizes: frames of every shard.
    """

    def __init__(self, folder: Path, spec: MelSpec, mark: str):
        self.folder = folder
        self.spec = spec
        self.lengths: list[int] = []
        self.sizes: list[int] = []
        journal = folder / "journal.jsonl"
        groups = read_journal(journal, mark)
        if not groups:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for kept, group in enumerate(groups):
            if not self._holds(group):
                del groups[kept:]  # a power failure can lose data that the journal names
                break
        self._cut()
        journal.write_text("".join(f"{json.dumps(line)}\n" for line in ({"mark": mark}, *groups)))
        self.journal = journal.open("a")

    def __enter__(self) -> "GrowingCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()

    def _holds(self, lengths: Sequence[int]) -> bool:
        """Count utterances in if the arrays are long enough to hold them."""
        sizes = self.sizes.copy()
        for frames in lengths:
            shard_of(sizes, frames)
        for file, size in self._bytes(sizes).items():
            if not file.is_file() or file.stat().st_size < size:
                return False
        self.sizes = sizes
        self.lengths += lengths
        return True

    def _bytes(self, sizes: Sequence[int]) -> dict[Path, int]:
        """Bytes of every file when the shards have so many frames."""
        return {
            self.folder / file_name(feature, shard): frames * frame_bytes(feature, self.spec)
            for shard, frames in enumerate(sizes)
            for feature in TYPES
        }

    def _cut(self) -> None:
        """Cut the arrays to what is counted in."""
        wanted = self._bytes(self.sizes)
        for file in self.folder.glob("*.raw"):
            os.truncate(file, wanted.get(file, 0))

    def append(self, group: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Add utterances with all their features; when this returns, nothing can lose them."""
        pieces = defaultdict(list)
        for arrays in group:
            frames = len(arrays["f0"])
            shard = shard_of(self.sizes, frames)
            self.lengths.append(frames)
            for feature in TYPES:
                piece = np.ascontiguousarray(arrays[feature]).tobytes()
                pieces[file_name(feature, shard)].append(piece)
        for name, parts in pieces.items():
            with (self.folder / name).open("ab") as file:
                file.writelines(parts)
                keep(file)
        self.journal.write(f"{json.dumps(self.lengths[-len(group) :])}\n")
        keep(self.journal)


def keep(file: IO) -> None:
    """Wait until what was written lies on the disk."""
    file.flush()
    os.fsync(file.fileno())


def read_journal(journal: Path, mark: str) -> list[list[int]]:
    """Lengths of utterances by groups, as far as the lines are whole and the mark is the same."""
    if not journal.is_file():
        return []
    lines: list[Any] = []
    with suppress(ValueError):  # a kill leaves half a line, a power failure anything
        for line in journal.read_text(errors="replace").split("\n")[:-1]:
            lines.append(json.loads(line))
    return lines[1:] if lines[:1] == [{"mark": mark}] else []
