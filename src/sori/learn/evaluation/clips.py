"""The recordings to be judged: which files, what they should say, what they are compared with."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sori.audio.files import FORMATS, read
from sori.core.audio import Audio
from sori.core.errors import SoriError


@dataclass(frozen=True)
class Clip:
    """One file to judge. `reference` is a recording of the same sentence, where there is one."""

    path: Path
    text: str | None = None
    reference: Path | None = None


@dataclass(frozen=True)
class Take:
    """A clip that has been read: what every judge is handed."""

    audio: Audio
    text: str | None = None
    reference: Audio | None = None


def take(clip: Clip) -> Take:
    """Read a clip and its reference."""
    reference = read(clip.reference) if clip.reference else None
    return Take(read(clip.path), clip.text, reference)


def find_clips(
    folder: Path, texts: Path | None = None, references: Path | None = None
) -> list[Clip]:
    """List the recordings of a folder, by name, with their texts and references.

    Args:
        texts: see `read_texts`; without it, `NAME.txt` beside each recording is read.
        references: a folder with recordings of the same sentences under the same names.
    """
    paths = recordings(folder)
    if not paths:
        raise SoriError(f"{folder} holds no recordings ({', '.join(FORMATS)})")
    spoken = read_texts(texts, paths) if texts else {path.stem: beside(path) for path in paths}
    known = {path.stem: path for path in recordings(references)} if references else {}
    return [Clip(path, spoken.get(path.stem), known.get(path.stem)) for path in paths]


def recordings(folder: Path) -> list[Path]:
    """List the sound files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in FORMATS)


def beside(path: Path) -> str | None:
    """Return what the text file of the same name says, if there is one."""
    text = path.with_suffix(".txt")
    return text.read_text(encoding="utf-8").strip() if text.is_file() else None


def read_texts(file: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Read what recordings say: name without suffix to text.

    Three forms are understood: a table with a header that names the columns `audio` and `text`;
    lines of `name|text`; plain sentences, one for each recording in the order of their names.

    Raises:
        SoriError: plain sentences, but not as many as recordings.
    """
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    header = lines[0].split("|") if lines else []
    if {"audio", "text"} <= set(header):
        rows = csv.DictReader(lines, delimiter="|", quoting=csv.QUOTE_NONE)
        return {Path(row["audio"]).stem: row["text"] for row in rows}
    if all("|" in line for line in lines):
        pairs = (line.split("|", maxsplit=1) for line in lines)
        return {Path(name).stem: text.strip() for name, text in pairs}
    if len(lines) != len(paths):
        raise SoriError(
            f"{file} holds {len(lines)} sentences for {len(paths)} recordings; "
            "write one sentence for each, or lines of name|text"
        )
    return {path.stem: line.strip() for path, line in zip(paths, lines, strict=True)}
