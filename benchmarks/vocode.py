"""One vocoder in a process of its own: copies clips, and tells how fast and with how much memory.

    python benchmarks/vocode.py WEIGHTS --clips FOLDER --out FOLDER --threads 2

Prints one JSON object. `benchmarks/vocoders.py` runs it.
"""

import argparse
import json
import os
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from sori.audio.files import read, write
from sori.audio.resample import resample
from sori.learn import registry
from sori.learn.checkpoint import load_model
from sori.learn.contracts import Spec
from sori.learn.evaluation.speed import peak_memory_bytes
from sori.learn.losses import spectral_distance
from sori.learn.mel import MelSpec
from sori.learn.models.wavenet import WaveNet
from sori.learn.nn.wavenet import receptive_field
from sori.learn.systems.vocoding import Vocoder, load_vocoder

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
NAIVE_SAMPLES = 48


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vocoder")
    parser.add_argument("--clips", type=Path, required=True, help="folder of recordings, .wav")
    parser.add_argument("--out", type=Path, help="write the copies here; without it, only time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="this many clips")
    parser.add_argument("--sample-rate", type=int, default=16000, help="of Griffin-Lim")
    return parser.parse_args()


def copy_all(vocoder: Vocoder, clips: list[Path], out: Path | None) -> dict:
    """Copy every clip after one that warms up; the features are made before the clock starts."""
    recordings = {clip: read(clip) for clip in clips}
    sounds = {clip: vocoder.hear(recording) for clip, recording in recordings.items()}
    rest = peak_memory_bytes()
    vocoder.speak(sounds[clips[0]])
    rates, distances = [], []
    for clip, sound in sounds.items():
        start = time.perf_counter()
        copy = vocoder.speak(sound)
        rates.append(len(copy.samples) / (time.perf_counter() - start))
        if out:
            write(out / clip.name, copy)
        heard = resample(copy, recordings[clip].sample_rate)
        distances.append(distance(recordings[clip].samples, heard.samples))
    return {
        "samples_per_second": median(rates),
        "times_real_time": median(rates) / vocoder.spec.sample_rate,
        "peak_memory_bytes": peak_memory_bytes(),
        "memory_before_speaking_bytes": rest,
        "stft_distance": sum(distances) / len(distances),
    }


def distance(recording: np.ndarray, copy: np.ndarray) -> float:
    """Log-magnitude distance plus spectral convergence, the mean over three resolutions."""
    shared = min(len(recording), len(copy))
    waves = [torch.from_numpy(wave[:shared].copy())[None] for wave in (recording, copy)]
    found = spectral_distance(*waves, RESOLUTIONS)
    return float(found.magnitude + found.convergence)


def likelihood(path: Path, vocoder: Vocoder, clips: list[Path]) -> float | None:
    """Mean negative log likelihood of the clips in nats per sample, where the model has one."""
    saved = load_model(path)
    card: Spec = registry.spec(saved.name)
    if saved.name not in ("wavenet", "waveglow", "flowavenet"):
        return None
    task = card.task(vocoder.network.config).eval()
    task.model = vocoder.network
    total, samples = 0.0, 0
    for clip in clips:
        sound = vocoder.hear(read(clip))
        wave = levelled(vocoder, clip, len(sound.mel))
        heard = {"mel": torch.from_numpy(sound.mel.T.copy())[None], "wave": wave}
        heard["speaker"] = torch.zeros(1, dtype=torch.long)
        batch = card.batch(**{name: heard[name] for name in card.batch.__dataclass_fields__})
        with torch.no_grad():
            update = next(iter(task.training_step(batch)))
        total += float(update.terms["nll"]) * wave.shape[1]
        samples += wave.shape[1]
    return total / samples


def levelled(vocoder: Vocoder, clip: Path, frames: int) -> torch.Tensor:
    """A recording at the level that the mel was made at, as long as its frames."""
    recording = read(clip)
    gain = vocoder.hear(recording).gain
    samples = recording.samples[: frames * vocoder.spec.hop_samples] * gain
    return torch.from_numpy(samples.astype("float32"))[None]


def naive_rate(network: WaveNet) -> float:
    """Samples per second where each takes a whole pass over what the network can see."""
    stack = network.stack.size
    seen = receptive_field(stack.kernel, stack.dilations)
    frames = -(-seen // network.mel_spec.hop_samples)
    mel = torch.randn(1, network.mel_spec.bins, frames) - 5
    wave = torch.zeros(1, frames * network.mel_spec.hop_samples)
    with torch.inference_mode():
        condition = network.condition(mel)[:, :, -seen:]
        inputs = network.head.enter(wave[:, -seen:])
        network.read(inputs, condition)
        start = time.perf_counter()
        for _ in range(NAIVE_SAMPLES):
            network.read(inputs, condition)
    return NAIVE_SAMPLES / (time.perf_counter() - start)


def ringed_rate(network: WaveNet) -> float:
    """Samples per second of the loop that is not compiled."""
    mel = torch.randn(1, network.mel_spec.bins, 1) - 5
    uniform = torch.rand(1, network.head.draws, network.mel_spec.hop_samples)
    start = time.perf_counter()
    wave = network.generate(mel, uniform)
    return wave.shape[1] / (time.perf_counter() - start)


def origin(path: Path) -> dict:
    """How many weights a checkpoint has, norms folded, and where it comes from."""
    saved = load_model(path)
    learned = [w for k, w in saved.weights.items() if not k.endswith("original0") and w.numel() > 1]
    return {
        "parameters": sum(weight.numel() for weight in learned),
        "steps": saved.notes.get("step"),
        "imported": saved.notes.get("imported"),
    }


def main() -> None:
    options = read_arguments()
    torch.set_num_threads(options.threads)
    clips = sorted(options.clips.glob("*.wav"))[: options.limit]
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    like = MelSpec(sample_rate=options.sample_rate, hop_samples=256)
    vocoder = load_vocoder(options.vocoder, like)
    report = copy_all(vocoder, clips, options.out)
    network = vocoder.network
    if isinstance(network, WaveNet):
        report["naive_samples_per_second"] = naive_rate(network)
        report["in_pytorch_samples_per_second"] = ringed_rate(network)
    path = Path(options.vocoder)
    if path.is_file() and options.out:
        report["nll"] = likelihood(path, vocoder, clips)
        report |= origin(path)
    print(json.dumps(report | {"threads": options.threads, "cores": len(os.sched_getaffinity(0))}))


if __name__ == "__main__":
    main()
