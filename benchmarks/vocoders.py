"""Copy synthesis of held-out recordings by every vocoder, in one run: quality, speed, size.

    .venv-test/bin/python benchmarks/vocoders.py --corpus CORPORA/cmu-arctic

Each vocoder hears the mel of a recording that it was not trained on, and nothing else. The judges
need the environment of setup_judges.py. Training minutes come from the log of each run. Results:
benchmarks/results/vocoders.json, and a page with players and spectrograms at runs/vocoders.html.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judging import JUDGE
from processes import busy_share, commit, describe_machine

from sori.audio.files import read, write
from sori.learn.data.corpora import is_held_out, read_pipe_separated

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results" / "vocoders.json"
WORK = ROOT / "runs" / "vocoders"
JUDGED = ("wer", "distillmos", "mcd_db", "pesq", "stoi", "f0_cents")
SHOWN = 3  # clips on the page


@dataclass(frozen=True)
class Entry:
    """A vocoder of the table: what people call it, its checkpoint, and the run that trained it."""

    label: str
    vocoder: str
    run: Path | None = None


def entries(runs: Path) -> dict[str, Entry]:
    """The family in the order of the table; a run that is not there is left out later."""

    def trained(label: str, name: str) -> Entry:
        return Entry(label, str(runs / name / "model.safetensors"), runs / name)

    return {
        "griffin-lim": Entry("Griffin-Lim, 60 iterations", "griffin-lim"),
        "wavenet": trained("WaveNet", "wavenet-arctic"),
        "parallel-wavenet": trained("Parallel WaveNet", "parallel-wavenet-arctic"),
        "waveglow": trained("WaveGlow", "waveglow-arctic"),
        "flowavenet": trained("FloWaveNet", "flowavenet-arctic"),
        "melgan": trained("MelGAN", "melgan-arctic"),
        "univnet": trained("UnivNet", "univnet-arctic"),
        "hifigan": trained("HiFi-GAN universal, published weights", "hifigan-universal"),
        "source-filter": trained("source_filter, our default", "source-filter-english"),
    }


def held_out(corpus: Path, speaker: str, limit: int) -> list[tuple[str, Path, str]]:
    """Name, file and text of recordings that no recipe trains on."""
    return [
        (each.name, each.audio, each.text)
        for each in read_pipe_separated(corpus)
        if each.speaker == speaker and is_held_out(each.text)
    ][:limit]


def lay_out(clips: list[tuple[str, Path, str]]) -> tuple[Path, Path]:
    """Write the recordings as .wav into one folder; returns it and the file of their texts."""
    folder, texts = WORK / "recordings", WORK / "texts.txt"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, source, _ in clips:
        write(folder / f"{name}.wav", read(source))
    texts.write_text("".join(f"{name}|{text}\n" for name, _, text in clips), encoding="utf-8")
    return folder, texts


def speak(vocoder: str, clips: Path, threads: int, more: tuple[str, ...]) -> dict[str, Any]:
    """Run one vocoder on as many processors as it has threads."""
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    command = ["taskset", "-c", ",".join(map(str, cores)), sys.executable]
    command += [str(BENCHMARKS / "vocode.py"), vocoder, "--clips", str(clips)]
    one = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [*command, "--threads", str(threads), *more], env=one, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{vocoder} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def judge(folder: Path, texts: Path, references: Path | None) -> dict[str, Any]:
    """What the judges say of a folder; the clips and their scores stay beside it."""
    scores = folder.with_suffix(".json")
    command = [str(JUDGE.with_name("sori")), "eval", str(folder), "--texts", str(texts)]
    command += ["--json", str(scores)]
    if references:
        command += ["--references", str(references)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the judges failed on {folder}:\n{done.stderr[-2000:]}")
    summary = json.loads(scores.read_text())["summary"]
    return {name: summary[name] for name in JUDGED if name in summary}


def training_minutes(run: Path | None) -> float | None:
    """Minutes that a run has spent on steps, by its log."""
    log = run / "log.jsonl" if run else None
    if log is None or not log.is_file():
        return None
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    seconds, last = 0.0, 0
    for row in rows:
        if "steps_per_second" in row and row["step"] > last:
            seconds += (row["step"] - last) / row["steps_per_second"]
            last = row["step"]
    return seconds / 60


def page(clips: Path, made: Mapping[str, str]) -> None:
    """Write players above spectrograms, the vocoders side by side, for a few clips."""
    program = (
        "import sys, json; from pathlib import Path; from sori.audio.files import read; "
        "from sori.learn.evaluation.report import figure, page; "
        "parts = ['<h1>Vocoders side by side</h1>']\n"
        "for clip in json.loads(sys.argv[2]):\n"
        "    parts.append(f'<h2>{clip}</h2>')\n"
        "    parts += [figure(label, read(Path(folder) / clip), None)"
        " for folder, label in json.loads(sys.argv[3]).items()]\n"
        "Path(sys.argv[1]).write_text(page('Vocoders', parts), encoding='utf-8')"
    )
    shown = json.dumps([clip.name for clip in sorted(clips.glob("*.wav"))[:SHOWN]])
    folders = json.dumps({str(clips): "recording"} | {str(WORK / k): v for k, v in made.items()})
    out = str(WORK.with_suffix(".html"))
    subprocess.run([str(JUDGE), "-c", program, out, shown, folders], check=True)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="folder of CMU ARCTIC")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    parser.add_argument("--speaker", default="slt")
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--only", nargs="+", help="these vocoders; the others keep their results")
    parser.add_argument("--no-judges", action="store_true", help="measure speed alone")
    return parser.parse_args()


def measure(entry: Entry, clips: Path, texts: Path, out: Path, judges: bool) -> dict[str, Any]:
    """Everything that the table says of one vocoder."""
    busy = busy_share()
    both = speak(entry.vocoder, clips, 2, ("--out", str(out)))
    one = speak(entry.vocoder, clips, 1, ("--limit", "4"))
    return {
        "label": entry.label,
        "training_minutes": training_minutes(entry.run),
        **both,
        "one_core": one["samples_per_second"],
        "one_core_times_real_time": one["times_real_time"],
        "busy_share_before": busy,
        "judged": judge(out, texts, clips) if judges else None,
    }


def save(result: Mapping[str, Any]) -> None:
    """Write what is known, systems in the order of the table."""
    order = [name for name in entries(ROOT) if name in result["systems"]]
    ordered = {**result, "systems": {name: result["systems"][name] for name in order}}
    beside = RESULTS.with_suffix(".part")
    beside.write_text(json.dumps(ordered, indent=1) + "\n")
    beside.replace(RESULTS)


def main() -> None:
    options = read_arguments()
    clips, texts = lay_out(held_out(options.corpus, options.speaker, options.clips))
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() and options.only else {}
    result: dict[str, Any] = {
        "measured": datetime.date.today().isoformat(),
        "commit": commit(),
        "machine": describe_machine(),
        "clips": len(list(clips.glob("*.wav"))),
        "speaker": options.speaker,
        "recordings": known.get("recordings"),
        "systems": known.get("systems", {}),
    }
    judges = not options.no_judges
    if judges and (result["recordings"] is None or not options.only):
        result["recordings"] = judge(clips, texts, None)
    for name, entry in entries(options.runs).items():
        if options.only and name not in options.only:
            continue
        if entry.run and not Path(entry.vocoder).is_file():
            print(f"{name}: there is no {entry.vocoder}; left out")
            continue
        found = measure(entry, clips, texts, WORK / name, judges)
        result["systems"][name] = found
        save(result)
        print(f"{name}: {found['times_real_time']:.3g} x real time", flush=True)
    if judges:
        made = {name: system["label"] for name, system in result["systems"].items()}
        page(clips, {name: label for name, label in made.items() if (WORK / name).is_dir()})


if __name__ == "__main__":
    main()
