"""What NaturalSpeech costs: time and memory of the parts of a step, and how fast its voice speaks.

benchmarks/naturalspeech.py calls this. Times are those of the processor, the least of three.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import sori
from sori.learn import registry
from sori.learn.data.sources import make_source
from sori.learn.export.voice import export
from sori.learn.models.naturalspeech import NaturalSpeechTask
from sori.learn.nn.latents import Gaussian, matched_divergence
from sori.learn.nn.masks import length_mask
from sori.learn.training.recipe import make_config, read_recipe

CARD = Path(__file__).resolve().parents[1] / "recipes" / "voices" / "naturalspeech-heart.toml"
ALL_STAGES = 10**9  # a step by which every loss has joined

Work = Callable[[], torch.Tensor]


def processor_seconds(work: Callable[[], Any], rounds: int = 3) -> float:
    """The least processor time of some calls, after one that warms up; others cannot add to it."""
    work()
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


def kept_bytes(work: Work) -> int:
    """What a computation keeps for its gradient."""
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made = work()
    assert made.requires_grad
    return sum(seen.values())


def cut(g: Gaussian, frames: int) -> Gaussian:
    """The first frames, so that divergences can be taken frame by frame."""
    return Gaussian(g.mean[..., :frames], g.log_scale[..., :frames], g.mask[:, :frames])


def framewise(z: torch.Tensor, q: Gaussian, p: Gaussian) -> torch.Tensor:
    frames = min(q.mask.shape[1], p.mask.shape[1])
    return matched_divergence(z[..., :frames], cut(q, frames), cut(p, frames))


def parts(task: NaturalSpeechTask, batch: Any) -> dict[str, Work]:
    """What a step is made of; each part begins at values that are given."""
    model = task.model
    found = task.paths(batch)
    mask = length_mask(batch.ids_len, batch.ids.shape[1])
    read = model.encode(batch.ids, mask).detach()
    q, p = (
        Gaussian(g.mean.detach().requires_grad_(), g.log_scale.detach(), g.mask)
        for g in (found.posterior, found.prior)
    )
    z = found.latent.detach()
    crop = task.crop(z, batch.mel_len)[0]
    wave = model.decode(crop).detach()
    return {
        "posterior": lambda: model.listen(task.spectrum.magnitude(batch.wave), q.mask).mean,
        "reader": lambda: model.encode(batch.ids, mask),
        "durator": lambda: model.lay(read, model.duration(read, mask), mask).mean,
        "flow": lambda: model.flow(z, q.keep)[0],
        "divergence by soft-DTW": lambda: task.divergence(q.mean, q, p),
        "divergence frame by frame": lambda: framewise(q.mean, q, p),
        "memory and decoder": lambda: model.decode(crop),
        "critics": lambda: torch.stack([s.mean() for s in task.critics(wave).scores]),
    }


def parts_of_a_step(recipe_path: Path, places: Any) -> dict[str, Any]:
    """Processor time and memory of the parts of a step of the full system, forth and back."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = read_recipe(recipe_path)
    batch = make_source(registry.spec(recipe.model), recipe, places).training.at(1)
    task = NaturalSpeechTask(make_config(recipe))
    task.step.fill_(ALL_STAGES)

    def step() -> None:
        for update in task.training_step(batch):
            update.loss.backward()

    step()  # starts the memory
    report: dict[str, Any] = {
        "items": len(batch.ids),
        "frames": batch.wave.shape[1] // task.config.mel.hop_samples,
        "step_seconds": round(processor_seconds(step), 4),
        "parts": {
            name: {
                "seconds": round(processor_seconds(lambda work=work: work().sum().backward()), 4),
                "kept_mb": round(kept_bytes(work) / 1e6, 2),
            }
            for name, work in parts(task, batch).items()
        },
    }
    task.divergence = framewise  # type: ignore[method-assign]
    report["step_seconds_framewise"] = round(processor_seconds(step), 4)
    return report


def speeds(checkpoint: Path, texts: Sequence[str]) -> dict[str, Any]:
    """The exported voice beside the one in the package, on one core: times real time."""
    path = checkpoint.with_name("ns.onnx")
    parity = export(checkpoint, None, CARD, path, "fp16")
    network = registry.load(checkpoint)
    weights = sum(w.numel() for n, w in network.named_parameters() if not n.startswith("posterior"))
    found: dict[str, Any] = {
        "parity": {name: float(f"{value:.2g}") for name, value in parity.items()},
        "weights_at_inference": weights,
        "bytes": path.stat().st_size,
    }
    for name, voice in (("naturalspeech", sori.load(path)), ("default", sori.load())):
        seconds = sum(voice.say(text).seconds for text in texts)
        spent = processor_seconds(lambda voice=voice: [voice.say(text) for text in texts])
        found[f"{name}_times_real_time"] = round(seconds / spent, 1)
    return found
