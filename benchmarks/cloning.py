"""Voices cloned from eight recordings of people that the base model never heard, by each pipeline.

    .venv-test/bin/python benchmarks/cloning.py CORPUS --speakers 118 1088 2136 4680

CORPUS is a folder with metadata.csv and audio/. For every speaker eight recordings are cloned and
eight others kept to compare with; every voice says the same sentences and is judged by `judge.py`
in the environment of the judges. Rows that are there already are kept, so the work can be done in
parts: `--pipelines`, `--speakers`. The result is in benchmarks/results/cloning.json, and
`make docs` puts its table into docs/cloning.md.
"""

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import time
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import torch
from processes import busy_share, describe_machine

from sori.app.eval_command import record_voice
from sori.audio.files import read, write
from sori.audio.watermark import detect
from sori.core.audio import Audio
from sori.learn import registry
from sori.learn.cloning.clone import clone
from sori.learn.cloning.order import PIPELINES, WEIGHTS, Cloned, Order
from sori.learn.data import features
from sori.learn.mel import MelSpec

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "cloning.json"
JUDGE = (str(ROOT / ".venv-judge/bin/python"), str(ROOT / "benchmarks/judge.py"))
SENTENCES = ROOT / "benchmarks" / "sentences.txt"
SHOTS, HELD_OUT = 8, 8
SECONDS = (6.0, 14.0)
CONSENT = "Read for a public corpus, under its licence."
# The paper's pipelines learn from the recordings alone; ours also from the whole network.
IMAGINED = {"ft-prune-ft": 120}


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


def judged(folder: Path, texts: Path, person: Path) -> dict[str, float]:
    """WER, DistillMOS and similarity of the recordings in a folder."""
    scores = folder / "scores.json"
    asked = ["--only", "whisper", "distillmos", "resemblyzer"]
    command = [*JUDGE, str(folder), "--texts", str(texts), "--speaker", str(person)]
    subprocess.run([*command, "--json", str(scores), *asked], check=True, capture_output=True)
    summary = json.loads(scores.read_text())["summary"]
    return {name: round(summary[name]["value"], 3) for name in ("wer", "distillmos", "similarity")}


def of_recordings(person: Person, out: Path) -> dict[str, dict[str, float]]:
    """What the judges say of the held-out recordings, and of their copies through the vocoder."""
    vocoder = registry.load(ROOT / "weights" / WEIGHTS["vocoder"])
    spec = MelSpec()
    copies = out / person.name / "copies"
    copies.mkdir(parents=True, exist_ok=True)
    for path in sorted(person.held_out.glob("*.opus")):
        wave = features.normalise(features.load_wave(path, spec.sample_rate), spec.sample_rate)
        wave = wave[: len(wave) // spec.hop_samples * spec.hop_samples]
        mel = torch.from_numpy(features.mel(wave, spec)).T[None]
        f0 = torch.from_numpy(features.f0(wave, spec))[None]
        with torch.inference_mode():
            made = vocoder.vocode(mel, f0)[0].numpy()
        write(copies / f"{path.stem}.wav", Audio(made, spec.sample_rate))
    texts = person.held_out / "metadata.csv"
    return {
        "recordings": judged(person.held_out, texts, person.support),
        "through-vocoder": judged(copies, texts, person.support),
    }


def row_of(person: Person, pipeline: str, options: argparse.Namespace) -> dict[str, Any]:
    """Clone, speak, judge."""
    folder = options.out / person.name
    order = Order(
        folder=person.support,
        name=person.name,
        out=folder / "voice.onnx",  # of one name, so that pipelines share their first stages
        base=ROOT / "weights",
        consent=CONSENT,
        pipeline=pipeline,
        keep=options.keep,
        vocoder_keep=0.4 if pipeline == "ft-prune-ft" else 1.0,
        steps=options.steps,
        imagined=IMAGINED.get(pipeline, 0),
    )
    busy, started = busy_share(), time.monotonic()
    cloned = clone(order)
    minutes = (time.monotonic() - started) / 60
    said = folder / pipeline
    said.mkdir(exist_ok=True)
    sentences = SENTENCES.read_text(encoding="utf-8").splitlines()[: options.sentences]
    (folder / "texts.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    _, clips, cost = record_voice(str(cloned.voice), None, sentences, said)
    row = {
        "density": round(cloned.density, 4),
        "megabytes": round(cloned.voice.stat().st_size / 1e6, 2),
        **judged(said, folder / "texts.txt", person.held_out),
        "times_real_time": round(cost.times_real_time or 0, 1),
        "peak_memory_mb": round((cost.peak_memory_bytes or 0) / 1e6),
        "marked": mean(detect(read(clip.path)).is_there for clip in clips),
        "minutes": round(minutes, 2),
        "busy_share_before": round(busy, 2),
        "kept": kept_text(cloned),
    }
    cloned.voice.replace(folder / f"{pipeline}.onnx")
    return row


def kept_text(cloned: Cloned) -> dict[str, list[int]]:
    """Channels of the residual stream and of the decoder's blocks that stay."""
    shown = ("width", "decoder.blocks.0.hidden", "decoder.blocks.3.hidden")
    return {name: cloned.kept[name] for name in shown if name in cloned.kept}


def overlap(rows: dict[str, dict[str, Any]]) -> float | None:
    """How alike the masks of two speakers are: mean Jaccard index of the first decoder block."""
    name = "decoder.blocks.0.hidden"
    kept = [set(row["kept"][name]) for row in rows.values() if name in row.get("kept", {})]
    pairs = [len(a & b) / len(a | b) for a, b in combinations(kept, 2) if a | b]
    return round(mean(pairs), 3) if pairs else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--speakers", nargs="+", required=True)
    parser.add_argument("--pipelines", nargs="+", choices=PIPELINES, default=list(PIPELINES))
    parser.add_argument("--keep", type=float, default=0.14)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--sentences", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "cloning")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {"rows": {}}
    result |= {"machine": describe_machine(), "keep": options.keep, "steps": options.steps}
    for speaker in options.speakers:
        person = gather(options.corpus, speaker, options.out)
        rows = result["rows"]
        if speaker not in rows.get("recordings", {}):
            for name, scores in of_recordings(person, options.out).items():
                rows.setdefault(name, {})[speaker] = scores
        for pipeline in options.pipelines:
            if speaker in rows.get(pipeline, {}):
                continue
            rows.setdefault(pipeline, {})[speaker] = row_of(person, pipeline, options)
            shown = {k: v for k, v in rows[pipeline][speaker].items() if k != "kept"}
            print(speaker, pipeline, shown, flush=True)
            result["overlap"] = {name: overlap(each) for name, each in rows.items()}
            RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
