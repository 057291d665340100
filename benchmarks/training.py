"""How fast models train, in how much memory, and where the time goes.

    .venv-test/bin/python benchmarks/training.py --corpora CORPORA

Every recipe takes a few steps in the precision that it names, in a process of its own, with the
trainer's own steps: real batches, clipping, AdamW, the average of the weights. FastSpeech 2 at the
size that others publish gets a batch of 16 x 100 phonemes x 600 frames, in fp32 and in bf16, and
both the same 8 steps, so that their losses can be compared. `--recipes` measures some and keeps the
rest. Results: benchmarks/results/training.json; `make docs` puts the table into docs/train.md.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from processes import busy_share, commit, describe_machine

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.contracts import AcousticBatch
from sori.learn.data.batches import WHOLE, Part
from sori.learn.data.sources import Source, make_source
from sori.learn.training.learner import Learner
from sori.learn.training.processes import start
from sori.learn.training.progress import peak_memory_mb
from sori.learn.training.recipe import DataRecipe, Recipe, TrainingRecipe, read_recipe
from sori.learn.training.run import Places

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
RESULTS = ROOT / "benchmarks" / "results" / "training.json"
PUBLISHED = "fastspeech2-published"
WARM_UP = 1  # steps that are not counted: first touches of memory, chosen kernels
FEWEST_STEPS, STEPS_OF_PUBLISHED = 3, 8


class OneBatch:
    """The same batch at every step: 16 sentences of 100 phonemes and 600 frames."""

    per_pass = 1

    def __init__(self, items: int = 16, tokens: int = 100, frames: int = 600):
        random = torch.Generator().manual_seed(0)
        self.batch = AcousticBatch(
            ids=torch.randint(1, 40, (items, tokens), generator=random),
            ids_len=torch.full((items,), tokens),
            mel=torch.randn(items, 80, frames, generator=random) - 4,
            mel_len=torch.full((items,), frames),
            durations=torch.full((items, tokens), frames // tokens),
            f0=150 + 50 * torch.rand(items, frames, generator=random),
            energy=torch.randn(items, frames, generator=random),
            speaker=torch.zeros(items, dtype=torch.long),
        )

    def at(self, step: int, part: Part = WHOLE) -> AcousticBatch:
        return self.batch

    def share(self, step: int, part: Part) -> float:
        return 1.0

    def names(self, step: int) -> list[str]:
        return ["noise"] * len(self.batch.ids)

    def example(self) -> AcousticBatch:
        return self.batch


def published() -> tuple[Recipe, Source]:
    """FastSpeech 2 as the literature on pruning trains it: 35 million weights, batches of 16."""
    config = {"decoder_blocks": 6, "postnet_blocks": 5, "dropout": 0.2}
    recipe = Recipe(
        "fastspeech2", DataRecipe(("noise",)), TrainingRecipe(steps=1000, warmup=0), config
    )
    return recipe, Source(OneBatch(), None, {})


def prepare(name: str, precision: str, places: Places) -> Learner:
    """What learns, at its first step. Weights to start from change no time and are left out."""
    if name == PUBLISHED:
        recipe, source = published()
    else:
        recipe = replace(read_recipe(RECIPES / f"{name}.toml"), start=None)
        source = make_source(registry.spec(recipe.model), recipe, places)
    accelerator = start("auto", precision)  # type: ignore[arg-type]
    return Learner(recipe, source, accelerator)


def measure(name: str, precision: str, places: Places, seconds: float) -> dict[str, Any]:
    """Train for some seconds; everything is for one step, the median or the mean of those done."""
    learner = prepare(name, precision, places)
    if learner.accelerator.device.type == "cuda":
        learner.tools.clock.finish = torch.cuda.synchronize
    times, frames, losses = [], 0.0, []
    finish = time.perf_counter() + seconds
    least = STEPS_OF_PUBLISHED if name == PUBLISHED else FEWEST_STEPS
    while len(times) < least or (time.perf_counter() < finish and name != PUBLISHED):
        if len(times) == WARM_UP:
            learner.tools.clock.take()
            frames = 0.0
        started = time.perf_counter()
        moved = learner.move()
        times.append(time.perf_counter() - started)
        frames += moved.frames
        terms = {k: v for k, v in moved.log.items() if not k.endswith(("/norm", "/skipped"))}
        losses.append(sum(float(value) for value in terms.values()))
    counted = times[WARM_UP:]
    stages = learner.tools.clock.take()
    return {
        "steps": len(counted),
        "seconds_a_step": round(median(counted), 4),
        "audio_seconds_a_second": round(frames * learner.frame_seconds / sum(counted), 1),
        "shares": {stage: round(taken / sum(counted), 4) for stage, taken in stages.items()},
        "memory_mb": round(peak_memory_mb()),
        "parameters": sum(w.numel() for w in learner.network.parameters()),
        "model": learner.recipe.model,
        "losses": [round(loss, 4) for loss in losses],
    }


def measured_apart(name: str, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own, whose peak of memory is then its alone."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        command = [sys.executable, __file__, "--one", name, precision, "--result", file.name]
        for option in ("corpora", "cache", "seconds", "threads"):
            command += [f"--{option}", str(getattr(options, option))]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return {"missing": done.stderr.strip().splitlines()[-1]}
        return json.load(file)


def cases(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Names of recipes with the precisions to measure them in."""
    known = sorted(
        path.relative_to(RECIPES).with_suffix("").as_posix()
        for path in RECIPES.rglob("*.toml")
        if path.parent.name != "voices"  # cards
    )
    for name in options.recipes or [PUBLISHED, *known]:
        if name == PUBLISHED:
            yield from ((name, precision) for precision in ("fp32", "bf16"))
        else:
            yield name, read_recipe(RECIPES / f"{name}.toml").training.precision


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=ROOT / "corpora")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache")
    parser.add_argument("--recipes", nargs="*", help=f"names of recipes, or {PUBLISHED}")
    parser.add_argument("--seconds", type=float, default=3.0, help="of training for each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    options = read_arguments()
    torch.set_num_threads(options.threads)
    if options.one:
        places = Places(options.corpora, options.cache, ROOT / "runs")
        try:
            found = measure(*options.one, places, options.seconds)
        except SoriError as error:
            sys.exit(str(error))
        options.result.write_text(json.dumps(found))
        return
    before = json.loads(options.result.read_text()) if options.result.exists() else {}
    result = {
        "machine": describe_machine(),
        "measured": datetime.date.today().isoformat(),
        "commit": commit(),
        "threads": options.threads,
        "busy_share_before": busy_share(),
        "recipes": before.get("recipes", {}),
    }
    for name, precision in cases(options):
        found = measured_apart(name, precision, options)
        result["recipes"].setdefault(name, {})[precision] = found
        seconds = found.get("seconds_a_step", found.get("missing"))
        print(f"{name}, {precision}: {seconds}", flush=True)
        options.result.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
