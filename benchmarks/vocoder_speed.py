"""Speed of vocoders at their published sizes, with random weights, beside their authors' programs.

    .venv-test/bin/python benchmarks/vocoder_speed.py

Also the three ways to sample a WaveNet of 30 layers and 64 channels. Every model speaks in a
process of its own. Results: benchmarks/results/vocoder_speed.json.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from processes import busy_share, commit, describe_machine
from vocode import naive_rate

from sori.learn import registry
from sori.learn.mel import MelSpec
from sori.learn.models.wavenet import WaveNet
from sori.learn.nn.conv import fold_weight_norm

RESULTS = Path(__file__).resolve().parent / "results" / "vocoder_speed.json"
THREADS = (2, 1)
ROUNDS = 3
SHORT = {
    "width": 256,
    "strides": [8, 8, 4],
    "kernels": [3, 5, 7],
    "dilations": [[1, 2], [2, 6], [3, 12]],
    "blocks": "short",
}
CLARINET = {"form": "gaussian", "flows": [10] * 6, "front_kernel": 32}
SPEECH = {"mel": {"sample_rate": 16000, "hop_samples": 256}, "head": "gaussian"}
DEEP = SPEECH | {"layers": 30, "stacks": 3, "residual": 64, "gate": 64, "skip": 64}


class Case(NamedTuple):
    """A model at a size; `theirs` is samples a second of its authors' program on two cores.

    Those figures were measured in single precision on two cores of the kind that we measure on;
    they are of another run, so a quarter more or less means nothing.
    """

    label: str
    model: str
    config: dict[str, Any]
    seconds: float
    theirs: int | None = None


CASES = {
    "hifigan-v1": Case("HiFi-GAN V1", "hifigan", {}, 2, 157_000),
    "hifigan-v2": Case("HiFi-GAN V2", "hifigan", {"width": 128}, 4, 874_000),
    "hifigan-v3": Case("HiFi-GAN V3", "hifigan", SHORT, 4, 1_389_000),
    "melgan": Case("MelGAN", "melgan", {}, 4, 696_000),
    "univnet-c16": Case("UnivNet-c16", "univnet", {"width": 16}, 4, 1_059_000),
    "univnet-c32": Case("UnivNet-c32", "univnet", {}, 4, 300_000),
    "waveglow": Case("WaveGlow", "waveglow", {}, 1, 12_700),
    "flowavenet": Case("FloWaveNet", "flowavenet", {}, 1, 17_900),
    "parallel-wavenet": Case("ClariNet's student", "parallel_wavenet", CLARINET, 1, 12_400),
    "wavenet-mixture": Case("WaveNet, mixture", "wavenet", {}, 0.5, 698),
    "wavenet-gaussian": Case("WaveNet, Gaussian", "wavenet", {"head": "gaussian"}, 0.5, 618),
    "wavenet-mu-law": Case(
        "WaveNet, mu-law", "wavenet", {"head": "mu_law", "layers": 30, "stacks": 3}, 0.5, 420
    ),
    "wavenet-30x64": Case("WaveNet, 30 layers of 64, kernel 3", "wavenet", DEEP, 1),
    "wavenet-30x64-k2": Case(
        "WaveNet, 30 layers of 64, kernel 2", "wavenet", DEEP | {"kernel": 2}, 1
    ),
}


def make(case: Case) -> Any:
    """The model with random weights, its norms folded."""
    from pydantic import TypeAdapter

    card = registry.spec(case.model)
    torch.manual_seed(0)
    model = card.model(TypeAdapter(card.config).validate_python(case.config)).eval()
    fold_weight_norm(model)
    return model.requires_grad_(False)


def timed(speak: Any, mel: torch.Tensor) -> float:
    """Samples a second, the median of a few rounds after one that warms up."""
    speak(mel)
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        wave = speak(mel)
        rates.append(wave.shape[1] / (time.perf_counter() - start))
    return median(rates)


def measure(case: Case) -> dict[str, Any]:
    """What one process finds out about one model."""
    model = make(case)
    spec: MelSpec = model.mel_spec
    frames = max(1, round(case.seconds * spec.sample_rate / spec.hop_samples))
    mel = torch.randn(1, spec.bins, frames) - 5
    with torch.inference_mode():
        rate = timed(model.vocode, mel)
        found = {"samples_per_second": rate, "times_real_time": rate / spec.sample_rate}
        if hasattr(model, "noises"):
            with torch.autocast("cpu", torch.bfloat16):
                found["in_bf16"] = timed(model.vocode, mel)
        if isinstance(model, WaveNet):
            uniform = torch.rand(1, model.head.draws, spec.hop_samples)
            found["in_pytorch"] = timed(lambda m: model.generate(m, uniform), mel[:, :, :1])
            found["naive"] = naive_rate(model)
    found["parameters"] = sum(weight.numel() for weight in model.parameters())
    return found


def run(name: str, threads: int) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    command = ["taskset", "-c", ",".join(map(str, cores)), sys.executable, __file__]
    command += ["--measure", name, "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, help="these; others keep their results")
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        torch.set_num_threads(options.threads)
        print(json.dumps(measure(CASES[options.measure])))
        return
    known = json.loads(RESULTS.read_text())["models"] if RESULTS.is_file() and options.only else {}
    for name in options.only or CASES:
        busy = busy_share()
        rates = {str(threads): run(name, threads) for threads in THREADS}
        case = CASES[name]
        known[name] = {
            "label": case.label,
            "theirs_two_cores": case.theirs,
            "busy_share_before": busy,
            "threads": rates,
        }
        print(f"{case.label}: {rates['2']['samples_per_second']:,.0f} samples a second", flush=True)
        result = {
            "measured": datetime.date.today().isoformat(),
            "commit": commit(),
            "machine": describe_machine(),
            "models": {key: known[key] for key in CASES if key in known},
        }
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
