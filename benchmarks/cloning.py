"""Voices cloned from eight recordings of people that the base model never heard, by each pipeline.

    .venv-test/bin/python benchmarks/cloning.py CORPUS --speakers 118 1088 2136 4680

CORPUS is a folder with metadata.csv and audio/. For every speaker eight recordings are cloned and
eight others kept to compare with; every voice says the same sentences, which `judge.py` judges in
the environment of the judges and `speaker_net.py` tells apart. The work can be done in parts
(`--pipelines`, `--speakers`): what the folder of `--out` holds is not done again. The result is in
benchmarks/results/cloning.json; `make docs` puts its table and its figure into docs/cloning.md.
"""

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import torch
from judging import BENCHMARKS, JUDGE, SENTENCES
from processes import busy_share, describe_machine
from speaker_net import SpeakerNet, fit, recognised

import sori
from sori.app.eval_command import record_voice
from sori.audio.files import read, write
from sori.audio.watermark import detect
from sori.core.audio import Audio
from sori.learn import registry
from sori.learn.cloning.clone import clone
from sori.learn.cloning.order import (
    DEFAULT_KEEP,
    DEFAULT_STEPS,
    PIPELINES,
    WEIGHTS,
    Cloned,
    Order,
)
from sori.learn.data import features
from sori.learn.evaluation.clips import read_texts, recordings
from sori.learn.evaluation.metrics import summarise
from sori.learn.evaluation.speed import time_speaking
from sori.learn.mel import MelSpec

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "cloning.json"
SHOTS, HELD_OUT = 8, 8
SECONDS = (6.0, 14.0)
PEOPLE = {"recordings": "held-out", "through-vocoder": "copies"}  # rows, and where they lie
CONSENT = "Read for a public corpus, under its licence."
# The paper's pipelines learn from the recordings alone, and leave the vocoder as it is; ours also
# learns from the whole network, and prunes both.
OURS = "ft-prune-ft"
JUDGES = ("whisper", "distillmos", "resemblyzer")
SHOWN = ("wer", "distillmos", "similarity")
SPEED_SENTENCES, SPEED_TURNS = 5, 7
BLOCK, BLOCK_CHANNELS = "decoder.blocks.0.hidden", 768  # whose masks are compared


Rows = dict[str, dict[str, Any]]


class Person(NamedTuple):
    """A speaker: the recordings that are cloned, and others."""

    name: str
    support: Path
    held_out: Path


def gather(corpus: Path, speaker: str, out: Path) -> Person:
    """Copy recordings and texts of a speaker, drawn with seed 0, into two folders."""
    with (corpus / "metadata.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE)
        rows = [row for row in table if row["speaker"] == speaker]
    rows = [row for row in rows if SECONDS[0] < float(row["seconds"]) < SECONDS[1]]
    if len(rows) < SHOTS + HELD_OUT:
        raise SystemExit(f"{speaker} has only {len(rows)} recordings of {SECONDS} s in {corpus}")
    random.Random(0).shuffle(rows)
    person = Person(speaker, out / speaker / "support", out / speaker / "held-out")
    for folder, chosen in (
        (person.support, rows[:SHOTS]),
        (person.held_out, rows[SHOTS : SHOTS + HELD_OUT]),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["audio|text"]
        for row in chosen:
            path = corpus / "audio" / row["audio"]
            shutil.copyfile(path, folder / path.name)
            lines.append(f"{path.name}|{row['text']}")
        (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return person


def through_vocoder(person: Person, out: Path) -> None:
    """Write copies of the held-out recordings that the vocoder made of their mels."""
    vocoder = registry.load(ROOT / "weights" / WEIGHTS["vocoder"])
    spec = MelSpec()
    out.mkdir(parents=True, exist_ok=True)
    for path in recordings(person.held_out):
        wave = features.normalise(features.load_wave(path, spec.sample_rate), spec.sample_rate)
        wave = wave[: len(wave) // spec.hop_samples * spec.hop_samples]
        mel = torch.from_numpy(features.mel(wave, spec)).T[None]
        f0 = torch.from_numpy(features.f0(wave, spec))[None]
        with torch.inference_mode():
            made = vocoder.vocode(mel, f0)[0].numpy()
        write(out / f"{path.stem}.wav", Audio(made, spec.sample_rate))


def row_of(person: Person, pipeline: str, options: argparse.Namespace) -> dict[str, Any]:
    """Clone and speak; what the voice costs, and where its recordings lie."""
    folder = options.out / person.name
    is_ours = pipeline == OURS
    order = Order(
        folder=person.support,
        name=person.name,
        out=folder / "voice.onnx",  # of one name, so that pipelines share stages
        base=ROOT / "weights",
        consent=CONSENT,
        pipeline=pipeline,
        keep=options.keep,
        steps=options.steps,
        **({} if is_ours else {"vocoder_keep": 1.0, "imagined": 0}),
    )
    busy, started, worked = busy_share(), time.monotonic(), time.process_time()
    cloned = clone(order)
    minutes = (time.monotonic() - started) / 60
    processor_minutes = (time.process_time() - worked) / 60
    said = folder / pipeline
    said.mkdir(exist_ok=True)
    sentences = SENTENCES.read_text(encoding="utf-8").splitlines()[: options.sentences]
    _, clips, cost = record_voice(str(cloned.voice), None, sentences, said)
    row = {
        "density": round(cloned.density, 4),
        "vocoder_density": round(cloned.vocoder_density, 4),
        "megabytes": round(cloned.voice.stat().st_size / 1e6, 2),
        "peak_memory_mb": round((cost.peak_memory_bytes or 0) / 1e6),
        "marked": mean(detect(read(clip.path)).is_there for clip in clips),
        "minutes": round(minutes, 2),
        "processor_minutes": round(processor_minutes, 2),
        "busy_share_before": round(busy, 2),
        "kept": kept_text(cloned),
    }
    cloned.voice.replace(folder / f"{pipeline}.onnx")
    return row


def time_rows(person: Person, rows: Rows, options: argparse.Namespace) -> None:
    """Add to the rows of a speaker how fast the voices are, by turns, so that all meet alike.

    Seconds of sound in a second of one processor's time; the best of the turns.
    """
    sentences = SENTENCES.read_text(encoding="utf-8").splitlines()[:SPEED_SENTENCES]
    names = [name for name in rows if name not in PEOPLE]
    voices = {
        name: sori.load(options.out / person.name / f"{name}.onnx", threads=1) for name in names
    }
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(SPEED_TURNS):
        for name, voice in voices.items():
            speed = time_speaking(voice.say, sentences, 1, time.process_time)
            found[name].append(speed.times_real_time)
    for name, turns in found.items():
        rows[name]["times_real_time"] = round(max(turns), 1)


def judge_rows(person: Person, rows: Rows, options: argparse.Namespace) -> None:
    """Add to the rows of a speaker what the judges say, who load once for all of a kind."""
    folder = options.out / person.name
    waiting = [name for name, row in rows.items() if "similarity" not in row]
    of_people = [name for name in waiting if name in PEOPLE]
    of_voices = [name for name in waiting if name not in PEOPLE]
    for group, names, compared in (
        ("people", of_people, person.support),
        ("voices", of_voices, person.held_out),
    ):
        if names:
            for name, scores in judged(folder, group, names, compared).items():
                rows[name] |= scores


def judged(
    folder: Path, group: str, names: list[str], compared: Path
) -> dict[str, dict[str, float]]:
    """WER, DistillMOS and similarity of the recordings in several folders, by folder."""
    place = folder / group
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    texts = ["audio|text"]
    for name in names:
        for path, text in spoken(folder, name):
            link = place / f"{name}--{path.name}"
            os.link(path, link)
            texts.append(f"{link.name}|{text}")
    table, scores = folder / f"{group}.csv", folder / f"{group}.json"
    table.write_text("\n".join(texts) + "\n", encoding="utf-8")
    command = [
        str(JUDGE),
        str(BENCHMARKS / "judge.py"),
        str(place),
        "--texts",
        str(table),
        "--speaker",
        str(compared),
    ]
    subprocess.run([*command, "--json", str(scores), "--only", *JUDGES], check=True)
    clips = json.loads(scores.read_text())["clips"]
    return {name: summary(c for c in clips if c["clip"].startswith(f"{name}--")) for name in names}


def summary(clips: Iterable[dict[str, Any]]) -> dict[str, float]:
    rows = [{k: v for k, v in clip.items() if k not in ("clip", "text")} for clip in clips]
    found = summarise(rows)
    return {name: round(found[name].value, 3) for name in SHOWN}


def spoken(folder: Path, name: str) -> list[tuple[Path, str]]:
    """The recordings of a row and what they say."""
    if name in PEOPLE:
        paths = recordings(folder / PEOPLE[name])
        texts = read_texts(folder / PEOPLE["recordings"] / "metadata.csv", paths)
        return [(path, texts[path.stem]) for path in paths]
    sentences = SENTENCES.read_text(encoding="utf-8").splitlines()
    paths = recordings(folder / name)
    return list(zip(paths, sentences[: len(paths)], strict=True))


def accuracy(net: SpeakerNet, person: Person, row: str, options: argparse.Namespace) -> float:
    """The share of a row's recordings that the classifier takes for the speaker."""
    paths = [path for path, _ in spoken(options.out / person.name, row)]
    return round(mean(recognised(net, path) == person.name for path in paths), 3)


def kept_text(cloned: Cloned) -> dict[str, str]:
    """Channels of the residual stream and of the decoder's blocks that stay, one line for each."""
    shown = ("width", BLOCK, "decoder.blocks.3.hidden")
    return {name: " ".join(map(str, cloned.kept[name])) for name in shown if name in cloned.kept}


def overlaps(rows: Rows) -> tuple[float, float] | None:
    """How alike the masks of two speakers are, and would be by chance: mean Jaccard indices."""
    kept = [
        set(row["kept"][BLOCK].split()) for row in rows.values() if BLOCK in row.get("kept", {})
    ]
    pairs = [(a, b) for a, b in combinations(kept, 2) if a | b]
    if not pairs:
        return None
    found = mean(len(a & b) / len(a | b) for a, b in pairs)
    both = [(len(a) * len(b) / BLOCK_CHANNELS, len(a) + len(b)) for a, b in pairs]
    return round(found, 3), round(mean(common / (of - common) for common, of in both), 3)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--speakers", nargs="+", default=["118", "1088", "2136", "4680"])
    parser.add_argument("--pipelines", nargs="*", choices=PIPELINES, default=list(PIPELINES))
    parser.add_argument("--keep", type=float, default=DEFAULT_KEEP)
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS)
    parser.add_argument("--sentences", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-judges", action="store_true", help="leave judging to a later run")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "cloning")
    return parser.parse_args()


def clone_all(person: Person, rows: Rows, options: argparse.Namespace) -> None:
    """Add the rows of a speaker that are not there yet, unjudged."""
    if "recordings" not in rows:
        through_vocoder(person, options.out / person.name / PEOPLE["through-vocoder"])
        rows |= {name: {} for name in PEOPLE}
    for pipeline in options.pipelines:
        if pipeline not in rows:
            rows[pipeline] = row_of(person, pipeline, options) | {"steps": options.steps}
            keep(options.out, person.name, rows)


def in_use(out: Path) -> set[str]:
    """Names of the recordings that are cloned or compared with."""
    return {path.name for path in recordings(out) if path.suffix == ".opus"}


def keep(out: Path, speaker: str, rows: Rows) -> None:
    (out / speaker / "rows.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def report(options: argparse.Namespace, by_speaker: dict[str, Rows]) -> None:
    """Write the result: every row with its speakers."""
    names = dict.fromkeys(name for rows in by_speaker.values() for name in rows)
    by_row = {
        name: {speaker: rows[name] for speaker, rows in by_speaker.items() if name in rows}
        for name in names
    }
    result = {
        "command": "make experiment-pruning",
        "machine": describe_machine(),
        "keep": options.keep,
        "sentences": options.sentences,
        "rows": by_row,
        "overlap": {name: overlaps(rows) for name, rows in by_row.items()},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    people = {name: gather(options.corpus, name, options.out) for name in options.speakers}
    by_speaker = {}
    for speaker, person in people.items():
        kept = options.out / speaker / "rows.json"
        rows = json.loads(kept.read_text()) if kept.is_file() else {}
        by_speaker[speaker] = rows
        clone_all(person, rows, options)
        time_rows(person, rows, options)
        if not options.no_judges:
            judge_rows(person, rows, options)
            net = fit(options.corpus, in_use(options.out), options.out / "speaker-net.pt")
            for name, row in rows.items():
                row["accuracy"] = accuracy(net, person, name, options)
        keep(options.out, speaker, rows)
        report(options, by_speaker)


if __name__ == "__main__":
    main()
