"""A long book read aloud: memory, speed, how even it is, and whether its seams can be heard.

    .venv-test/bin/python benchmarks/book.py                    the packaged voice, some minutes
    .venv-test/bin/python benchmarks/book.py --words 1000000 --voice runs/hum.onnx --part length

The second needs hours with a real voice, and memory is what it is for: `--hum FILE` writes the
voice that hums, which the tests use. Results: benchmarks/results/book.json.

A seam is a border between sound and the exact silence that Sori puts between sentences. Its step is
the greatest difference between neighbouring samples within 2 ms of it; a click would be as large as
the steps inside speech.
"""

import argparse
import datetime
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from processes import busy_share, commit, describe_machine
from setup_peers import ROOT

from sori.audio.files import read
from sori.audio.level import loudness
from sori.core.audio import Audio

RESULTS = ROOT / "benchmarks" / "results" / "book.json"
SENTENCES = ROOT / "benchmarks" / "sentences.txt"
WORDS = 5000
CHAPTERS, LONGEST_CHAPTER = 10, 10_000  # at least so many; words
WATCH_SECONDS = 0.1
SEAM_SECONDS = 0.002
SHORTEST_SILENCE = 240  # samples: shorter ones may be the voice's own


def write_book(path: Path, words: int) -> None:
    """A book of so many words that says no sentence twice."""
    drawn = random.Random(0)
    sentences = SENTENCES.read_text().splitlines()
    chapters = max(CHAPTERS, words // LONGEST_CHAPTER)
    number = 1
    with path.open("w") as book:
        for chapter in range(1, chapters + 1):
            book.write(f"# Chapter {chapter}\n\n")
            left = words // chapters
            while left > 0:
                said = [f"{number + at}, {s}" for at, s in enumerate(drawn.sample(sentences, 4))]
                book.write(f"{' '.join(said)}\n\n")
                number += len(said)
                left -= len(" ".join(said).split())


def family_bytes(pid: int) -> int:
    """Memory of a process and its children, shared pages counted once for each."""
    pids = [pid]
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            pids.append(int(place.name))
    total = 0
    for each in pids:
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total


def read_aloud(book: Path, folder: Path, options: Sequence[str]) -> dict[str, Any]:
    """Run `sori read`, watching its memory."""
    started = time.monotonic()
    command = [sys.executable, "-m", "sori", "read", str(book), "--out", str(folder), *options]
    watched: list[int] = []
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            watched.append(family_bytes(process.pid))
            time.sleep(WATCH_SECONDS)
    if process.returncode:
        raise SystemExit("sori read failed")
    size = max(1, len(watched) // 10)
    tenths = [max(watched[at : at + size]) for at in range(0, len(watched), size)]
    return {
        "seconds": round(time.monotonic() - started, 1),
        "peak_bytes": max(watched),
        "peak_bytes_of_each_tenth": tenths,
    }


def silences(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of exact silence begin, and where they end."""
    is_silent = np.concatenate([[False], samples == 0.0, [False]])
    borders = np.flatnonzero(np.diff(is_silent.astype(np.int8)))
    starts, ends = borders[::2], borders[1::2]
    is_long = ends - starts >= SHORTEST_SILENCE
    return starts[is_long], ends[is_long]


def steps_at(samples: np.ndarray, places: np.ndarray, rate: int) -> list[float]:
    """The greatest difference between neighbouring samples near each place."""
    near = round(SEAM_SECONDS * rate)
    steps = np.abs(np.diff(samples))
    return [float(steps[max(0, place - near) : place + near].max()) for place in places]


def quality(folder: Path) -> dict[str, Any]:
    """Loudness of every chapter and of every sentence, and the steps at the seams."""
    chapters: list[float] = []
    sentences: list[float] = []
    at_seams: list[float] = []
    inside: list[np.ndarray] = []
    for path in sorted(folder.glob("*.flac")):
        audio = read(path)
        samples, rate = audio.samples, audio.sample_rate
        chapters.append(loudness(audio))
        starts, ends = silences(samples)
        at_seams += steps_at(samples, np.concatenate([starts, ends]), rate)
        steps = np.abs(np.diff(samples))
        inside.append(steps[steps > 0.0])
        for begin, end in zip([0, *ends], [*starts, len(samples)], strict=True):
            if end - begin > rate:
                sentences.append(loudness(Audio(samples[begin:end], rate)))
    decibels = 20.0 * np.log10(np.quantile(np.concatenate(inside), [0.5, 0.99]))
    return {
        "chapters_lufs": [round(value, 2) for value in chapters],
        "spread_of_chapters_lu": round(max(chapters) - min(chapters), 2),
        "sentences_lufs_10_50_90": [round(v, 2) for v in np.quantile(sentences, [0.1, 0.5, 0.9])],
        "seams": len(at_seams),
        "greatest_step_at_a_seam_dbfs": round(20.0 * float(np.log10(max(at_seams))), 1),
        "steps_inside_speech_50_99_dbfs": [round(float(value), 1) for value in decibels],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=WORDS)
    parser.add_argument("--voice", default=None)
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--part", default="quality", help="where the result goes in book.json")
    parser.add_argument("--hum", type=Path, help="write the voice that hums to this file, and end")
    options = parser.parse_args()
    if options.hum:
        sys.path.insert(0, str(ROOT / "tests"))
        from tiny_voice import write_voice

        write_voice(options.hum)
        return
    busy = busy_share()
    with tempfile.TemporaryDirectory(dir=ROOT / "runs") as name:
        book, folder = Path(name) / "book.md", Path(name) / "book"
        write_book(book, options.words)
        voice = ["--voice", options.voice, "--speed", "4"] if options.voice else []
        part = {"words": options.words, "jobs": int(options.jobs), "busy_share_before": busy}
        part |= read_aloud(book, folder, ["--jobs", options.jobs, *voice])
        manifest = json.loads((folder / "manifest.json").read_text())
        part["hours_of_speech"] = round(sum(c["seconds"] for c in manifest["chapters"]) / 3600, 2)
        part["chapters"] = len(manifest["chapters"])
        if not options.voice:
            part |= quality(folder)
    part["measured"] = datetime.date.today().isoformat()
    part["commit"] = commit()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    result |= {options.part: part, "machine": describe_machine()}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(part, indent=1))


if __name__ == "__main__":
    main()
