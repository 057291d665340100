"""What TorToise costs at its published sizes, with random weights, beside the original procedure.

    .venv-test/bin/python benchmarks/tortoise.py
    .venv-test/bin/python benchmarks/tortoise.py --full ultra_fast
    .venv-test/bin/python benchmarks/tortoise.py --graph

A sentence of 60 symbols and 108 codes, 5 s. Every stage is measured on a part of its work (a few
codes, a few steps, one batch of candidates) and scaled to the whole, which takes minutes instead of
an hour; `--full` measures a whole preset of ours. The original procedure is ported here on the same
networks, in single precision as it came: a prefix for every candidate, candidates filled up with
silence to 500 codes, a second pass for the states, two passes a guided step, ancestral steps.
Every precision runs in a process of its own. Results: benchmarks/results/tortoise.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from processes import busy_share, commit, describe_machine
from torch import Tensor

from sori.learn.checkpoint import save_model
from sori.learn.evaluation.speed import peak_memory_bytes
from sori.learn.export.decoder import export_decoder
from sori.learn.models.clvp import CLVP, CLVPConfig
from sori.learn.models.tortoise_ar import TortoiseAR, TortoiseARConfig, causal
from sori.learn.models.tortoise_diffusion import (
    Guidance,
    TortoiseDiffusion,
    TortoiseDiffusionConfig,
)
from sori.learn.models.univnet import UnivNet, UnivNetConfig
from sori.learn.nn import diffusion
from sori.learn.nn.conv import fold_weight_norm
from sori.learn.nn.drawing import Sampling, draw
from sori.learn.systems.denoising import GraphDenoiser
from sori.learn.systems.tortoise import PRESETS, Preset

RESULTS = Path(__file__).resolve().parent / "results" / "tortoise.json"
SYMBOLS, CODES, FILLED = 60, 108, 500
ORIGINAL_BATCHES, OUR_BATCHES = (1, 16), (16, 48)
ROUNDS, ENOUGH_SECONDS = 3, 10.0
FEW, MORE = 2, 6  # codes
SOME_STEPS = 2

Times = dict[str, float]


def network(kind: Any, config: Any, dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    return kind(config).eval().requires_grad_(False).to(dtype)


def seconds(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    """The median of a few rounds, or of those that begin within some seconds."""
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < ENOUGH_SECONDS:
        start = clock()
        work()
        times.append(clock() - start)
    return median(times)


class GrowingCache:
    """Keys and values that are copied whenever one is added, as the original keeps them."""

    def __init__(self, blocks: int):
        self.kept: list[tuple[Tensor, Tensor] | None] = [None] * blocks
        self.used = 0

    def extend(self, block: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        before = self.kept[block]
        if before is not None:
            key, value = (torch.cat(pair, dim=2) for pair in zip(before, (key, value), strict=True))
        self.kept[block] = (key, value)
        return key, value


def original_sample(model: TortoiseAR, ids: Tensor, voice: Tensor, rows: int, limit: int) -> None:
    """Draw candidates as the original does: each with a prefix of its own."""
    prefix = model.prefix(ids, voice).expand(rows, -1, -1)
    cache: Any = GrowingCache(len(model.blocks))
    model.run(prefix, causal(prefix.shape[1], prefix), cache)
    last = torch.full((rows,), model.config.start)
    heard = torch.zeros(rows, model.config.codes + 2, dtype=torch.bool)
    for place in range(limit):
        x = model.code_table(last) + model.code_places.weight[place]
        logits = model.code_head(model.run(x[:, None], prefix.new_zeros(1, 1), cache)[:, 0])
        last = draw(logits, heard, torch.rand(rows, dtype=torch.float64), Sampling())
        heard.scatter_(1, last[:, None], True)


def per_code(sample: Callable[[int], Any], clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds before the first code, and of each code."""
    sample(1)
    few, more = (seconds(lambda n=n: sample(n), clock) for n in (FEW, MORE))
    each = (more - few) / (MORE - FEW)
    return max(few - FEW * each, 0.0), each


def reader_times(dtype: torch.dtype, original: bool, clock: Callable[[], float]) -> Times:
    model: TortoiseAR = network(TortoiseAR, TortoiseARConfig(dropout=0.0), dtype)
    ids, voice = torch.randint(1, 40, (1, SYMBOLS)), torch.randn(1, model.config.width).to(dtype)
    times: Times = {}
    for rows in ORIGINAL_BATCHES if original else OUR_BATCHES:

        def sample(limit: int, rows: int = rows) -> None:
            if original:
                original_sample(model, ids, voice, rows, limit)
            else:
                model.sample(ids, voice, rows, 0, Sampling(limit=limit, batch=rows))

        times[f"prefix_{rows}"], times[f"code_{rows}"] = per_code(sample, clock)
    if original:
        filled = torch.randint(8192, (1, FILLED))
        times["states"] = seconds(lambda: model.latents(ids, voice, filled), clock)
    return times


def judge_times(dtype: torch.dtype, original: bool, clock: Callable[[], float]) -> Times:
    model: CLVP = network(CLVP, CLVPConfig(), dtype)
    ids, rows = torch.randint(1, 40, (1, SYMBOLS)), 16
    size = FILLED if original else CODES
    codes, lengths = torch.randint(8192, (rows, size)), torch.full((rows,), size)
    return {"rank_16": seconds(lambda: model.score(ids, codes, lengths), clock)}


def decoder_times(dtype: torch.dtype, original: bool, clock: Callable[[], float]) -> Times:
    config = TortoiseDiffusionConfig()
    model: TortoiseDiffusion = network(TortoiseDiffusion, config, dtype)
    latents = torch.randn(1, CODES, config.latent_width).to(dtype)
    voice = torch.randn(1, 2 * config.width).to(dtype)
    condition = model.condition(model.from_latents(latents), voice)
    times: Times = {}
    for name, strength in (("step", 0.0), ("guided_step", 2.0)):

        def steps(strength: float = strength) -> None:
            if original:
                original_steps(model, condition, strength)
            else:
                model.sample(condition, SOME_STEPS, "solver", Guidance(strength))

        times[name] = seconds(steps, clock) / SOME_STEPS
    return times


def original_steps(model: TortoiseDiffusion, condition: Tensor, strength: float) -> None:
    """Ancestral steps, each of which asks the network twice where it is guided."""
    plan = diffusion.respaced(model.plan, SOME_STEPS)
    told = lambda x, times: model(x, times, condition)  # noqa: E731
    free = lambda x, times: model(x, times, model.free.expand_as(condition))  # noqa: E731
    predict = diffusion.guided(told, free, strength) if strength else told
    noise = torch.randn(1, model.config.mel.bins, condition.shape[2])
    diffusion.sample_ancestral(predict, plan, noise, 1.0)


def vocoder_times(clock: Callable[[], float]) -> Times:
    model: UnivNet = network(UnivNet, UnivNetConfig(), torch.float32)
    fold_weight_norm(model)
    mel = torch.randn(1, 100, CODES * 4 * 24000 // 22050) - 5
    return {"wave": seconds(lambda: model.vocode(mel), clock)}


def measure(dtype: torch.dtype, original: bool, clock: Callable[[], float]) -> dict[str, Any]:
    """Seconds of the parts of every stage, and the most memory that each stage needed."""
    times: Times = {}
    memory: dict[str, int] = {}
    with torch.inference_mode():
        for name, stage in (
            ("vocoder", lambda: vocoder_times(clock)),
            ("clvp", lambda: judge_times(dtype, original, clock)),
            ("diffusion", lambda: decoder_times(dtype, original, clock)),
            ("autoregression", lambda: reader_times(dtype, original, clock)),
        ):
            times |= stage()
            memory[name] = peak_memory_bytes()
    return {"times": times, "peak_bytes": max(memory.values())}


def stages(times: Times, preset: Preset, rows: int, original: bool) -> Times:
    """Seconds of every stage of a preset, drawn `rows` at a time."""
    batches = -(-preset.candidates // rows)
    prefixes = batches if original else 1
    steps = preset.published_steps if original else preset.steps
    found = {
        "codes": prefixes * times[f"prefix_{rows}"] + batches * CODES * times[f"code_{rows}"],
        "ranking": times["rank_16"] * preset.candidates / 16,
        "states": times.get("states", 0.0),
        "mel": steps * times["guided_step" if preset.guidance else "step"],
        "wave": times["wave"],
    }
    return found | {"all": sum(found.values())}


WAYS = {
    "original": (torch.float32, True),
    "fp32": (torch.float32, False),
    "bf16": (torch.bfloat16, False),
}


def run(way: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", way, "--threads", str(options.threads)]
    command += ["--clock", options.clock]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def full(name: str, threads: int) -> dict[str, Any]:
    """Seconds of a whole preset of ours, all codes and all steps, in bfloat16."""
    torch.set_num_threads(threads)
    preset, dtype, clock = PRESETS[name], torch.bfloat16, time.perf_counter
    with torch.inference_mode():
        reader: TortoiseAR = network(TortoiseAR, TortoiseARConfig(dropout=0.0), dtype)
        judge: CLVP = network(CLVP, CLVPConfig(), dtype)
        decoder: TortoiseDiffusion = network(TortoiseDiffusion, TortoiseDiffusionConfig(), dtype)
        ids, voice = torch.randint(1, 40, (1, SYMBOLS)), torch.randn(1, 1024).to(dtype)
        heard = torch.randn(1, 2048).to(dtype)
        start = clock()
        manner = Sampling(limit=CODES, batch=OUR_BATCHES[-1])
        drawn = reader.sample(ids, voice, preset.candidates, 0, manner)
        judge.score(ids, drawn.codes, drawn.lengths)
        condition = decoder.condition(decoder.from_latents(drawn.latents[:1]), heard)
        decoder.sample(condition, preset.steps, "solver", Guidance(preset.guidance))
        spent = clock() - start + vocoder_times(clock)["wave"]
    return {"preset": name, "precision": "bf16", "seconds": spent, "bytes": peak_memory_bytes()}


def graph(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of one guided step in fp32, of the network and of its exported graph, by turns."""
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    config = TortoiseDiffusionConfig()
    model: TortoiseDiffusion = network(TortoiseDiffusion, config, torch.float32)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        weights, exported = Path(folder) / "model.safetensors", Path(folder) / "model.onnx"
        save_model(weights, "tortoise_diffusion", config, model)
        difference = export_decoder(weights, exported)
        twin = GraphDenoiser(exported, weights)
        frames = model.frames_of(CODES)
        given = (
            torch.randn(2, config.mel.bins, frames),
            torch.tensor([5, 5]),
            torch.randn(2, config.width, frames),
        )
        found: dict[str, list[float]] = {"network": [], "graph": []}
        for _ in range(SOME_STEPS):
            for name, ask in (("network", model), ("graph", twin)):
                found[name].append(seconds(lambda ask=ask: ask(*given), clock))
    best = {name: round(min(turns), 3) for name, turns in found.items()}
    return best | {"difference": difference, "threads": options.threads, "clock": options.clock}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: seconds of the processor, for one thread on a machine that others use",
    )
    parser.add_argument("--only", nargs="+", choices=WAYS, help="these; others keep their times")
    parser.add_argument("--full", choices=PRESETS, help="measure a whole preset of ours")
    parser.add_argument(
        "--graph", action="store_true", help="measure a step of the decoder and of its ONNX graph"
    )
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        torch.set_num_threads(options.threads)
        clock = time.process_time if options.clock == "cpu" else time.perf_counter
        print(json.dumps(measure(*WAYS[options.measure], clock)))
        return
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if options.graph:
        known["graph"] = graph(options) | {"commit": commit()}
    elif options.full:
        known["full"] = known.get("full", {}) | {options.full: full(options.full, options.threads)}
    else:
        known = measured(options, known)
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    print(table(known))


def measured(options: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    """All parts, and what they come to for every preset."""
    busy, parts = busy_share(), dict(known.get("parts", {}))
    for way in options.only or WAYS:
        parts[way] = run(way, options)
    presets: dict[str, Any] = {}
    for name, preset in PRESETS.items():
        presets[name] = {
            f"{way}_{rows}": stages(parts[way]["times"], preset, rows, original)
            for way, (_, original) in WAYS.items()
            for rows in (ORIGINAL_BATCHES if original else OUR_BATCHES)
            if way in parts and rows <= preset.candidates
        }
    return known | {
        "command": f"benchmarks/tortoise.py --threads {options.threads} --clock {options.clock}",
        "commit": commit(),
        "machine": describe_machine(),
        "busy_share_before": busy,
        "symbols": SYMBOLS,
        "codes": CODES,
        "parts": parts,
        "presets": presets,
    }


def table(known: dict[str, Any]) -> str:
    """Seconds of every preset, and how many times faster ours are."""
    lines = ["| preset | way | codes | ranking | states | mel | wave | all |", "|" + " --- |" * 8]
    for preset, ways in known["presets"].items():
        for way, times in ways.items():
            numbers = " | ".join(
                f"{times[stage]:.1f}"
                for stage in ("codes", "ranking", "states", "mel", "wave", "all")
            )
            lines.append(f"| {preset} | {way} | {numbers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
