"""Four families of densities on the same pictures: what they cost, and how well they predict."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.contracts import Task
from sori.learn.data.pictures import Grey, Pictures
from sori.learn.nn.pixels import Pixels, dequantise, quantise
from sori.learn.training.average import Average
from sori.learn.training.loop import train_step
from sori.learn.training.optim import make_optimizer, rate_at

BATCH, RATE, WARMUP, MAX_NORM, AVERAGE = 32, 2e-3, 50, 1.0, 0.995
DRAWS = 4  # of dequantising noise, over which the bound of a flow is averaged
SHOWN = 16  # samples that are drawn of every kind
TEMPERATURES = (1.0, 0.7, 0.5)
SHOWN_COLUMNS = 96  # of an utterance: 2.4 seconds
FOLD = 4  # sides of pictures are multiples of it, for two scales of a flow
BETWEEN = 7  # pictures from one utterance to another, both included


@dataclass(frozen=True)
class Entrant:
    """A model that takes part: its name in the registry, and sizes that learn in minutes.

    `is_exact` is false where bits per dimension are a bound from above.
    """

    model: str
    family: str
    sizes: Mapping[str, Any]
    is_exact: bool


ENTRANTS = (
    Entrant(
        "pixelcnn",
        "autoregressive",
        {"first_kernel": 3, "blocks": 6, "width": 32, "last_width": 64},
        is_exact=True,
    ),
    Entrant(
        "gated_pixelcnn",
        "autoregressive",
        {"layers": 7, "kernel": 3, "width": 28, "last_width": 64},
        is_exact=True,
    ),
    Entrant("realnvp", "flow", {"scales": 2, "width": 24, "blocks": 1}, is_exact=False),
    Entrant("glow", "flow", {"scales": 2, "steps": 8, "width": 64}, is_exact=False),
    Entrant("ddpm", "diffusion", {"steps": 200, "width": 32, "groups": 4}, is_exact=False),
)


class Draws(NamedTuple):
    """Pictures that a model drew in one way, and how long one of them took."""

    manner: str
    seconds_each: float
    pixels: Grey


class Result(NamedTuple):
    """What one model came to on one set of pictures."""

    entrant: Entrant
    parameters: int
    training_seconds: float
    bits: float
    draws: tuple[Draws, ...]
    between: UInt8[np.ndarray, "H W"] | None


class Collection(NamedTuple):
    """Pictures to learn from, pictures to be judged by, and two longer ones to go between."""

    name: str
    levels: int
    training: Grey
    held_out: Grey
    ends: tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "H W"]] | None


def learn(
    entrant: Entrant, pictures: Collection, steps: int, listen: Callable[[str], None]
) -> nn.Module:
    """Train a model; returned with its averaged weights, ready to be used."""
    card = registry.spec(entrant.model)
    torch.manual_seed(0)
    config = card.config(colours=1, levels=pictures.levels, **entrant.sizes)
    task: Task = card.task(config)
    model = task.players["model"]
    batches = Pictures(pictures.training, card.batch, BATCH, 0)
    optimizer = make_optimizer(model, RATE, (0.9, 0.99))
    average = Average(model, AVERAGE)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, RATE, WARMUP, steps)
        log = train_step(task, batches.at(step), {"model": optimizer}, MAX_NORM)
        average.update(model, step)
        if (step + 1) % max(steps // 5, 1) == 0:
            shown = ", ".join(f"{name} {float(log[name]):.3f}" for name in log if "/" in name)
            listen(f"{pictures.name}, {entrant.model}, step {step + 1} of {steps}: {shown}")
    model.load_state_dict(average.weights)
    return model.eval().requires_grad_(False)


def bits_of(model: Any, entrant: Entrant, held_out: Grey) -> float:
    """Mean bits per dimension of pictures that were not learned from."""
    torch.manual_seed(1)
    pixels = torch.from_numpy(held_out).long()
    rounds = DRAWS if entrant.family == "flow" else 1
    with torch.no_grad():
        each = [model.bits(part) for _ in range(rounds) for part in pixels.split(256)]
    return float(torch.cat(each).mean())


def ways_to_draw(model: Any, entrant: Entrant) -> Iterator[tuple[str, Callable[..., Pixels]]]:
    """Names of the ways in which a model draws, and what does it, given a size."""
    if entrant.family == "autoregressive":
        yield "pixel by pixel", model.sample
    elif entrant.family == "flow":
        for temperature in TEMPERATURES:
            yield f"temperature {temperature:g}", partial(model.sample, temperature=temperature)
    else:
        yield f"ancestral, {model.config.steps} steps", model.sample
        for sampler in ("ancestral", "ddim", "solver"):
            yield f"{sampler}, 12 steps", partial(model.sample, sampler=sampler, steps=12)


def draw(model: Any, entrant: Entrant, size: tuple[int, int]) -> Iterator[Draws]:
    """Draw pictures in all ways of a model, and time it."""
    for manner, sample in ways_to_draw(model, entrant):
        torch.manual_seed(2)
        started = time.perf_counter()
        with torch.no_grad():
            pixels = sample((SHOWN, 1, *size))
        seconds = time.perf_counter() - started
        yield Draws(manner, seconds / SHOWN, pixels.numpy().astype(np.uint8))


def go_between(model: Any, ends: Sequence[Pixels], levels: int) -> Int[Tensor, "steps C H W"]:
    """Pictures on the line from one picture's noise to another's.

    The line is bent so that its points are as long as noise is (Shoemake 1985, "Animating Rotation
    with Quaternion Curves": spherical interpolation).
    """
    torch.manual_seed(3)
    with torch.no_grad():
        first, last = (model(dequantise(end, levels))[0] for end in ends)
        cosine = torch.cosine_similarity(first.flatten(), last.flatten(), dim=0)
        angle = torch.arccos(cosine.clamp(-1, 1))
        places = torch.linspace(0, 1, BETWEEN)
        noise = torch.cat([
            (torch.sin((1 - place) * angle) * first + torch.sin(place * angle) * last)
            / torch.sin(angle)
            for place in places
        ])
        return quantise(model.inverse(noise), levels)


def take_part(
    entrant: Entrant, pictures: Collection, steps: int, listen: Callable[[str], None]
) -> Result:
    """Train, judge and draw."""
    started = time.perf_counter()
    model = learn(entrant, pictures, steps, listen)
    seconds = time.perf_counter() - started
    bits = bits_of(model, entrant, pictures.held_out)
    listen(f"{pictures.name}, {entrant.model}: {bits:.3f} bits per dimension")
    between = None
    if entrant.family == "flow" and pictures.ends is not None:
        ends = [torch.from_numpy(end).long()[None, None] for end in pictures.ends]
        row = go_between(model, ends, pictures.levels)
        between = np.concatenate(row[:, 0].numpy().astype(np.uint8), axis=0)
    height, width = pictures.training.shape[2:]
    return Result(
        entrant,
        sum(weight.numel() for weight in model.parameters()),
        seconds,
        bits,
        tuple(draw(model, entrant, (height, width))),
        between,
    )


def code_without_a_model(pictures: Collection) -> Float[np.ndarray, " 2"]:
    """Bits per dimension of codes that know nothing but the levels, and how often each occurs.

    The second one counts levels in the training part, each once more than it occurred.
    """
    counts = np.bincount(pictures.training.ravel(), minlength=pictures.levels) + 1.0
    shares = np.bincount(pictures.held_out.ravel(), minlength=pictures.levels) / (
        pictures.held_out.size
    )
    by_frequency = -(shares * np.log2(counts / counts.sum())).sum()
    return np.array([np.log2(pictures.levels), by_frequency])


def as_json(pictures: Collection, results: Sequence[Result]) -> dict[str, Any]:
    """The numbers of a collection, without the pictures."""
    uniform, by_frequency = code_without_a_model(pictures)
    return {
        "pictures": pictures.name,
        "levels": pictures.levels,
        "size": list(pictures.training.shape[2:]),
        "training": len(pictures.training),
        "held_out": len(pictures.held_out),
        "bits_of_levels": round(float(uniform), 3),
        "bits_of_frequencies": round(float(by_frequency), 3),
        "models": [
            {
                "model": result.entrant.model,
                "family": result.entrant.family,
                "sizes": dict(result.entrant.sizes),
                "parameters": result.parameters,
                "training_seconds": round(result.training_seconds, 1),
                "bits": round(result.bits, 4),
                "is_exact": result.entrant.is_exact,
                "milliseconds_each": {
                    drawn.manner: round(1000 * drawn.seconds_each, 2) for drawn in result.draws
                },
            }
            for result in results
        ],
    }


def two_utterances(
    mels: Sequence[UInt8[np.ndarray, "H _"]],
) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "H W"]]:
    """The beginnings of the two longest utterances, equally long and of a size that folds."""
    if len(mels) < 2:
        raise SoriError("fewer than two utterances are held out; give a larger corpus")
    first, second = sorted(mels, key=lambda mel: mel.shape[1])[-2:]
    columns = min(first.shape[1], SHOWN_COLUMNS) // FOLD * FOLD
    return first[:, :columns], second[:, :columns]


def seconds_text(seconds: float) -> str:
    """A time with two significant digits."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{float(f'{1000 * seconds:.2g}'):g} ms"
