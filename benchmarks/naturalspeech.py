"""NaturalSpeech in small beside its ablations, VITS and FastSpeech 2: one voice, one budget.

    python benchmarks/naturalspeech.py train runs/naturalspeech --corpora CORPORA
    python benchmarks/naturalspeech.py speak runs/naturalspeech
    .venv-judge/bin/python benchmarks/naturalspeech.py judge runs/naturalspeech
    python benchmarks/naturalspeech.py report runs/naturalspeech

`train` makes a recipe for every system of those in recipes/ and trains those that are not done: two
warm starts with every contribution off, one of them with a pre-trained reader, and from these every
system for equally many steps. It stops after --minutes and goes on when called again. All of it
takes about two hours of one core; --scale makes all trainings longer or shorter. Mixed-phoneme
pre-training needs runs/corpora/prose-all (recipes/prose.py). Results:
benchmarks/results/naturalspeech.json.
"""

import argparse
import datetime
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "naturalspeech.json"
WEIGHTS = "model.safetensors"
CORPUS, SPEAKER = "kokoro-voices", "af_heart"
SHARED = ("reader", "duration", "prior", "flow", "decoder", "posterior")
STARTS = ("mixed-phoneme", "start", "start-read")
OFF: dict[str, dict[str, Any]] = {
    "full": {},
    "no-pretraining": {"sup_phonemes": 0},
    "no-durator": {"differentiable_durator": False},
    "no-bidirectional": {"bidirectional": False},
    "no-memory": {"memory": False},
    "vits": {
        "sup_phonemes": 0,
        "differentiable_durator": False,
        "bidirectional": False,
        "memory": False,
        "e2e_weight": 0.0,
    },
}
CASCADE, RECORDINGS = "fastspeech2", "recordings"
SPOKEN = 5  # sentences for the speed of a voice
METRICS = ("distillmos", "wer", "mcd_db", "f0_cents")
COMPARED = ("no-pretraining", "no-durator", "no-bidirectional", "no-memory", "vits", CASCADE)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "speak", "judge", "report"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--sentences", type=int, default=50, help="held-out ones, at most")
    runs = Path("runs")
    parser.add_argument("--fastspeech", type=Path, default=runs / "fastspeech2-heart" / WEIGHTS)
    parser.add_argument(
        "--vocoder", type=Path, default=runs / "source-filter-english-tuned" / WEIGHTS
    )
    parser.add_argument("--json", type=Path, default=RESULTS)
    return parser.parse_args()


def recipes(out: Path, scale: float) -> dict[str, dict[str, Any]]:
    """What is trained, in its order; every recipe differs from its base where its name says."""
    names = ("mixed-phoneme", "naturalspeech-heart-start", "naturalspeech-heart")
    pretraining, start, full = (
        tomllib.loads((ROOT / "recipes" / f"{name}.toml").read_text()) for name in names
    )
    found = {"mixed-phoneme": pretraining, "start": start, "start-read": deepcopy(start)}
    found["start-read"]["config"]["sup_phonemes"] = pretraining["config"].get("sup_phonemes", 4096)
    found["start-read"]["start"] = {"reader": str(out / "mixed-phoneme" / WEIGHTS)}
    for name, off in OFF.items():
        found[name] = deepcopy(full)
        found[name]["config"] |= off
        first = "start" if off.get("sup_phonemes") == 0 else "start-read"
        found[name]["start"] = {part: str(out / first / WEIGHTS) for part in SHARED}
    for recipe in found.values():
        training = recipe["training"]
        training["steps"] = max(1, round(scale * training["steps"]))
    return found


def as_toml(recipe: Mapping[str, Any], path: str = "") -> str:
    """A recipe as TOML; what it holds is written alike in JSON."""
    plain = [f"{k} = {json.dumps(v)}" for k, v in recipe.items() if not isinstance(v, dict)]
    tables = [
        f"\n[{path}{name}]\n{as_toml(table, f'{path}{name}.')}"
        for name, table in recipe.items()
        if isinstance(table, dict)
    ]
    return "\n".join([*plain, *tables])


def log_rows(run: Path) -> list[dict[str, Any]]:
    log = run / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def reached(run: Path) -> int:
    """The last step that a log names."""
    return max((row.get("step", 0) for row in log_rows(run)), default=0)


def train(options: argparse.Namespace) -> None:
    """Train what is not done, until the time is over."""
    end = time.monotonic() + 60 * options.minutes
    options.out.mkdir(parents=True, exist_ok=True)
    for name, recipe in recipes(options.out, options.scale).items():
        path = options.out / f"{name}.toml"
        path.write_text(as_toml(recipe) + "\n", encoding="utf-8")
        left = (end - time.monotonic()) / 60
        if reached(options.out / name) >= recipe["training"]["steps"]:
            continue
        if left <= 0:
            return
        corpora = Path("runs/corpora") if name == "mixed-phoneme" else options.corpora
        command = [sys.executable, "-m", "sori", "train", path, "--corpora", corpora]
        command += ["--cache", options.cache, "--out", options.out / name]
        subprocess.run([*map(str, command), "--max-minutes", str(left)], check=True)
        if reached(options.out / name) < recipe["training"]["steps"]:
            return  # what comes next may start from it


def held_out(options: argparse.Namespace) -> list[tuple[str, torch.Tensor]]:
    """Texts that no training saw, with their recordings."""
    from sori.learn.data.batches import select
    from sori.learn.data.cache import Cache
    from sori.learn.mel import MelSpec

    items = select([Cache(options.cache / CORPUS, MelSpec())], True, [SPEAKER])
    return [
        (entry.text, torch.from_numpy(cache.wave(entry, 0, entry.frames)))
        for cache, entry in items[: options.sentences]
    ]


def keep(folder: Path, number: int, text: str, samples: Any, rate: int) -> Any:
    """Write a recording with its text beside it; return it."""
    from sori import Audio, write

    folder.mkdir(parents=True, exist_ok=True)
    audio = Audio(samples, rate)
    path = folder / f"{number:03}.wav"
    write(path, audio)
    path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return audio


def speak(options: argparse.Namespace) -> None:
    """Let every system speak the held-out sentences, and copy the recordings where it can."""
    from sori.app.cascade import cascade_voice
    from sori.learn import registry
    from sori.learn.evaluation.distortion import align_audio
    from sori.learn.mel import MelSpectrogram

    torch.set_num_threads(1)
    pairs = held_out(options)
    for stale in (options.out / "judged").glob("*.json"):
        stale.unlink()
    speech, spec = options.out / "speech", None
    copies: dict[str, float] = {}
    for name in OFF:
        model = registry.load(options.out / name / WEIGHTS).eval()
        spec, distances = model.mel_spec, []
        heard = MelSpectrogram(spec)
        for number, (text, wave) in enumerate(pairs):
            torch.manual_seed(number)
            with torch.inference_mode():
                spoken = model(ids_of(text, model.config.symbols)).wave[0]
                spectrum = heard.magnitude(wave[None])
                mask = torch.ones(1, spectrum.shape[2], dtype=torch.bool)
                copy = model.decode(model.listen(spectrum, mask).mean)[0]
            keep(speech / name, number, text, spoken.numpy(), spec.sample_rate)
            recording = keep(speech / RECORDINGS, number, text, wave.numpy(), spec.sample_rate)
            copied = keep(speech / f"{name}-copy", number, text, copy.numpy(), spec.sample_rate)
            distances.append(align_audio(copied, recording)[1])
        copies[name] = fmean(distances)
    voice = cascade_voice(options.fastspeech, options.vocoder, None)
    known = SPEAKER if SPEAKER in voice.speakers else None
    for number, (text, _) in enumerate(pairs):
        said = voice.say(text, speaker=known)
        keep(speech / CASCADE, number, text, said.samples, said.sample_rate)
    (options.out / "copies.json").write_text(json.dumps(copies, indent=1))


def ids_of(text: str, symbols: str) -> torch.Tensor:
    from sori.text.frontend import FrontEnd

    phonemes = " ".join(sentence.phonemes for sentence in FrontEnd("us").sentences(text))
    return torch.tensor([[0, *(symbols.index(c) for c in phonemes if c in symbols), 0]])


def judge(options: argparse.Namespace) -> None:
    """Ask the judges about everything that was spoken; runs where they are installed.

    When called again it goes on with those that nobody judged yet.
    """
    from sori.learn.evaluation.clips import find_clips
    from sori.learn.evaluation.distortion import Distortion
    from sori.learn.evaluation.evaluation import as_json, evaluate
    from sori.learn.evaluation.panel import quick_panel
    from sori.learn.evaluation.pitch import SwiftF0

    torch.set_num_threads(1)
    quick = quick_panel()
    panel = {name: quick[name] for name in ("whisper", "distillmos")}
    panel |= {"distortion": Distortion, "pitch": SwiftF0}
    speech, judged = options.out / "speech", options.out / "judged"
    judged.mkdir(exist_ok=True)
    for name in (RECORDINGS, CASCADE, *OFF):
        if (judged / f"{name}.json").exists():
            continue
        references = None if name == RECORDINGS else speech / RECORDINGS
        found = evaluate(name, find_clips(speech / name, references=references), panel)
        (judged / f"{name}.json").write_text(json.dumps(as_json(found), indent=1))
        print(name, {metric: round(float(e.value), 2) for metric, e in found.summary.items()})


def differences(judged: Path) -> dict[str, Any]:
    """Of every system from the full one: in every metric, with what chance alone would give."""
    from dataclasses import asdict

    from sori.learn.evaluation.compare import compare
    from sori.learn.evaluation.evaluation import read_scores

    _, full = read_scores(judged / "full.json")
    found: dict[str, Any] = {}
    for name in COMPARED:
        compared = compare(read_scores(judged / f"{name}.json")[1], full)
        found[name] = {
            metric: {key: rounded(value) for key, value in asdict(compared[metric]).items()}
            for metric in METRICS
            if metric in compared
        }
    return found


def rounded(value: float) -> float:
    return round(value, 4) if isinstance(value, float) else value


def held_out_losses(run: Path) -> dict[str, float]:
    """What the last look at held-out data found."""
    rows = [row for row in log_rows(run) if "validation/loss" in row]
    kept = ("kl", "forward_kl", "mel", "duration", "phonemes_right", "sup_phonemes_right")
    last = rows[-1] if rows else {}
    return {
        name.split("/")[-1]: round(value, 4)
        for name, value in last.items()
        if name.startswith("validation/") and name.split("/")[-1] in kept
    }


def pretraining(out: Path, cache: Path) -> dict[str, float]:
    """How often hidden phonemes are told, and how often by who always says the most frequent."""
    from collections import Counter

    from sori.learn.data.corpora import is_held_out
    from sori.learn.data.texts import FILE
    from sori.text.supphonemes import SupPhonemes

    sentences = (cache / "prose-all" / FILE).read_text(encoding="utf-8").splitlines()
    unseen = [sentence for sentence in sentences if is_held_out(sentence)][:1000]
    cutter = SupPhonemes(4096)
    counts = {
        "phonemes_chance": Counter(c for s in unseen for c in s),
        "sup_phonemes_chance": Counter(i for s in unseen for i in cutter.ids(s)),
    }
    chances = {name: max(c.values()) / c.total() for name, c in counts.items()}
    return held_out_losses(out / "mixed-phoneme") | chances


def system(out: Path, name: str, copies: Mapping[str, float]) -> dict[str, Any]:
    """What is known of one system."""
    summary = json.loads((out / "judged" / f"{name}.json").read_text())["summary"]
    found: dict[str, Any] = {
        metric: {key: round(summary[metric][key], 3) for key in ("value", "low", "high")}
        for metric in METRICS
        if metric in summary
    }
    if name in copies:
        found["copy_mcd_db"] = round(copies[name], 3)
        found["prior_gap_db"] = round(found["mcd_db"]["value"] - copies[name], 3)
        found["steps"] = reached(out / name)
        found["held_out"] = held_out_losses(out / name)
    return found


def report(options: argparse.Namespace) -> None:
    """Write all that was measured."""
    from naturalspeech_cost import parts_of_a_step, speeds
    from processes import commit, describe_machine

    copies = json.loads((options.out / "copies.json").read_text())
    names: Sequence[str] = (RECORDINGS, CASCADE, *OFF)
    texts = [text for text, _ in held_out(options)][:SPOKEN]
    result = {
        "machine": describe_machine(),
        "measured": str(datetime.date.today()),
        "commit": commit(),
        "command": "see benchmarks/naturalspeech.py",
        "sentences": len(list((options.out / "speech" / RECORDINGS).glob("*.wav"))),
        "steps_of_starts": {name: reached(options.out / name) for name in STARTS},
        "pretraining": pretraining(options.out, options.cache),
        "steps_of_fastspeech2": reached(options.fastspeech.parent),
        "systems": {name: system(options.out, name, copies) for name in names},
        "differences_from_full": differences(options.out / "judged"),
        "step": parts_of_a_step(options.out / "full.toml", options),
        "speed": speeds(options.out / "full" / WEIGHTS, texts),
    }
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def main() -> None:
    options = read_arguments()
    {"train": train, "speak": speak, "judge": judge, "report": report}[options.what](options)


if __name__ == "__main__":
    main()
