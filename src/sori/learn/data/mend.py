"""Writes a mended copy of a corpus beside it; what was given is never changed."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sori.audio.files import read, reason, write
from sori.audio.level import loudness
from sori.audio.resample import resample
from sori.audio.silence import trim_silence
from sori.core.audio import Audio
from sori.core.engines import Engine, here
from sori.core.errors import SoriError
from sori.learn.data.check import KINDS, Checked, groups, usual_rate
from sori.learn.data.corpora import Utterance

TARGET_LUFS = -23.0  # EBU R 128
PEAK = 0.99
KEEP_SECONDS = 0.15  # silence that stays at both ends
NOT_IN_NAMES = str.maketrans(dict.fromkeys("/\\|:\0", "_"))


def mend(
    checked: Sequence[Checked],
    folder: Path,
    target: Path,
    engine: Engine = here,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write what can be learned from as a pipe-separated corpus of flac files at one rate.

    Silence at the ends is trimmed, except where durations of phonemes count on it; everything gets
    one loudness and one channel. What is left out is listed in `dropped.csv` with the reason.

    Args:
        folder: of the corpus that was checked.
        target: appears when it is whole.

    Returns:
        How many recordings were kept.

    Raises:
        SoriError: the target is there already or cannot be written, or nothing would be left.
    """
    kept = [found.utterance for found in checked if not found.is_lost]
    if target.exists():
        raise SoriError(f"{target} is there already; remove it, or name another place with --into")
    if not kept:
        raise SoriError(f"nothing in {folder} can be kept; leave out a kind with --ignore")
    beside = target.with_name(f".{target.name}.part")
    rate = usual_rate([found.measured for found in checked])
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        rows: list[str] = []
        for group in engine(partial(mend_all, folder=beside, rate=rate), groups(kept)):
            rows += group
            if progress:
                progress(len(rows), len(kept))
        header = "audio|speaker|text|seconds|phonemes|durations"
        write_lines(beside / "metadata.csv", [header, *rows])
        write_lines(beside / "dropped.csv", ["audio|finding|seen", *dropped_rows(checked)])
        if (folder / "prosody.npz").is_file():
            shutil.copyfile(folder / "prosody.npz", beside / "prosody.npz")
        os.replace(beside, target)
    except OSError as error:
        raise SoriError(
            f"cannot write {target}: {reason(error)}; choose a place with --into"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return len(kept)


def mend_all(group: Sequence[Utterance], folder: Path, rate: int) -> list[str]:
    return [mend_one(utterance, folder, rate) for utterance in group]


def mend_one(utterance: Utterance, folder: Path, rate: int) -> str:
    """Write one recording; return its line of the listing."""
    audio = resample(read(utterance.audio), rate)
    if utterance.durations is None:
        audio = trim_silence(audio, KEEP_SECONDS)
    audio = with_loudness(audio)
    speaker = utterance.speaker.translate(NOT_IN_NAMES)
    place = Path(speaker) / f"{utterance.name.translate(NOT_IN_NAMES)}.flac"
    (folder / "audio" / speaker).mkdir(parents=True, exist_ok=True)
    write(folder / "audio" / place, audio)
    durations = " ".join(map(str, utterance.durations or ()))
    cells = (str(place), speaker, utterance.text, f"{audio.seconds:.3f}")
    return row(*cells, utterance.phonemes or "", durations)


def with_loudness(audio: Audio) -> Audio:
    """The sound at `TARGET_LUFS`, or as loud as its peak allows."""
    gain = 10 ** ((TARGET_LUFS - loudness(audio)) / 20)
    highest = float(np.abs(audio.samples).max())
    gain = min(gain, PEAK / highest)
    return Audio((audio.samples * gain).astype(np.float32), audio.sample_rate)


def dropped_rows(checked: Sequence[Checked]) -> Iterator[str]:
    for found in checked:
        for kind, seen in found.findings.items():
            if KINDS[kind].remedy == "dropped":
                yield row(str(found.utterance.audio), kind, seen)


def row(*cells: str) -> str:
    """Cells as a line, without what would end a cell or the line."""
    return "|".join(" ".join(cell.replace("|", " ").split()) for cell in cells)


def write_lines(file: Path, lines: Sequence[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
