"""Readers of corpora: each turns a folder into utterances."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sori.core.errors import SoriError

HELD_OUT_PART = 25  # one prompt in so many is never trained on


@dataclass(frozen=True)
class Utterance:
    """One recording: where it lies, who speaks, what is said.

    `phonemes` and `durations` are there only where the corpus brings them: durations are in units
    of `duration_samples`, one for each phoneme and one for the silence at either end.
    """

    name: str
    speaker: str
    text: str
    audio: Path
    phonemes: str | None = None
    durations: tuple[int, ...] | None = None


def is_held_out(text: str) -> bool:
    """Whether the prompt belongs to the test part, whoever reads it and however it is spelled."""
    letters = "".join(c for c in text.lower() if c.isalnum())
    return hashlib.sha256(letters.encode()).digest()[0] % HELD_OUT_PART == 0


def read_pipe_separated(folder: Path) -> Iterator[Utterance]:
    """Read `metadata.csv` with a header line; `audio` names a file below `audio/`.

    Raises:
        SoriError: the folder has no metadata.csv, or a line lacks a column.
    """
    metadata = folder / "metadata.csv"
    if not metadata.is_file():
        raise SoriError(f"{folder} has no metadata.csv; expected audio|speaker|text|seconds lines")
    with metadata.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="|", quoting=csv.QUOTE_NONE)
        missing = {"audio", "speaker", "text"} - set(rows.fieldnames or ())
        if missing:
            raise SoriError(f"{metadata} lacks the columns {', '.join(sorted(missing))}")
        for row in rows:
            durations = row.get("durations")
            yield Utterance(
                name=Path(row["audio"]).stem,
                speaker=row["speaker"],
                text=row["text"],
                audio=folder / "audio" / row["audio"],
                phonemes=row.get("phonemes"),
                durations=tuple(map(int, durations.split())) if durations else None,
            )
