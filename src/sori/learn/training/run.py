"""A training from its recipe to its last checkpoint: starts, resumes, logs, saves."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import load_model, load_state, save_model, save_state
from sori.learn.contracts import Spec
from sori.learn.data.sources import Source, make_source
from sori.learn.training.average import Average
from sori.learn.training.loop import train_step
from sori.learn.training.optim import make_optimizer, rate_at
from sori.learn.training.recipe import Recipe, make_config, read_recipe

LOG_EVERY = 100  # reading a logged value waits for the device
FAILURES_ALLOWED = 20  # steps in a row that may be skipped for a loss that is not finite


@dataclass(frozen=True)
class Places:
    """Folders of a run: the corpora, their feature caches, and where the run itself is kept."""

    corpora: Path
    cache: Path
    out: Path


@dataclass(frozen=True)
class Limits:
    """When to stop and to save: minutes of wall clock, 0 for no limit, and between checkpoints."""

    max_minutes: float = 0.0
    save_minutes: float = 3.0


class Progress:
    """What a run reports: one line of JSON every `LOG_EVERY` steps, and to a listener."""

    def __init__(self, path: Path, listen: Callable[[dict], None]):
        self.path = path
        self.listen = listen
        self.since = time.monotonic()

    def report(self, step: int, log: Mapping[str, Tensor], rate: float) -> None:
        seconds = time.monotonic() - self.since
        self.since = time.monotonic()
        row: dict[str, float] = {k: round(float(v), 5) for k, v in log.items()}
        row |= {"step": step, "rate": rate, "steps_per_second": round(LOG_EVERY / seconds, 3)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.listen(row)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGTERM or Ctrl-C into a question that the loop asks between two steps."""
    asked = False

    def ask(*_: Any) -> None:
        nonlocal asked
        asked = True

    previous = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def load_frozen(spec: Spec, recipe: Recipe) -> dict[str, nn.Module]:
    """The trained models that a task takes, by argument name.

    Raises:
        SoriError: the recipe names others than the card asks for, or a file is unusable.
    """
    if recipe.frozen.keys() != spec.frozen.keys():
        wanted = ", ".join(f"{name} (a trained {model})" for name, model in spec.frozen.items())
        raise SoriError(
            f"{recipe.model} takes {wanted or 'no trained models'} in [frozen]; "
            f"the recipe has {', '.join(recipe.frozen) or 'none'}"
        )
    return {name: registry.load(Path(path)) for name, path in recipe.frozen.items()}


class Run:
    """The moving parts of one training."""

    def __init__(self, recipe: Recipe, source: Source, accelerator: Accelerator):
        self.recipe = recipe
        self.spec = registry.spec(recipe.model)
        self.config = source.complete(make_config(recipe))
        self.source = source
        self.accelerator = accelerator
        set_seed(recipe.training.seed)
        self.task = self.spec.task(self.config, **load_frozen(self.spec, recipe))
        if recipe.start:
            self.student.load_state_dict(load_model(Path(recipe.start)).weights)
        module = self.module.to(accelerator.device)
        self.average = Average(self.student, recipe.training.average)
        settings = recipe.training
        self.optimizers = {
            name: make_optimizer(player, settings.rate, settings.betas)
            for name, player in self.task.players.items()
        }
        self.step = 0
        module.train()

    @property
    def module(self) -> nn.Module:
        assert isinstance(self.task, nn.Module)
        return self.task

    @property
    def student(self) -> nn.Module:
        """The network that is kept: the first player."""
        return self.task.players["generator" if "generator" in self.task.players else "model"]

    def move(self) -> tuple[dict[str, Tensor], float]:
        """Do one step of training."""
        settings = self.recipe.training
        rate = rate_at(self.step, settings.rate, settings.warmup, settings.steps)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate
        batch = to_device(self.source.at(self.step), self.accelerator.device)
        log = train_step(self.task, batch, self.optimizers, settings.max_norm, self.accelerator)
        self.average.update(self.student, self.step)
        self.step += 1
        return log, rate

    def save(self, out: Path) -> None:
        """Write the state to resume from, and the averaged network for everyone else."""
        if not self.accelerator.is_main_process:
            return
        save_state(
            out / "state.safetensors", self.module, self.optimizers, self.average.state(), self.step
        )
        kept = {k: v.clone() for k, v in self.student.state_dict().items()}
        self.student.load_state_dict(self.average.weights)
        notes = self.source.notes() | {"step": self.step}
        save_model(out / "model.safetensors", self.recipe.model, self.config, self.student, notes)
        self.student.load_state_dict(kept)

    def resume(self, out: Path) -> None:
        state = out / "state.safetensors"
        if state.is_file():
            self.step = load_state(state, self.module, self.optimizers, self.average.weights)


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on the device."""
    if device.type == "cpu":
        return batch
    moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(batch).items()}
    return type(batch)(**moved)


def train(
    recipe_path: Path,
    places: Places,
    limits: Limits = Limits(),  # noqa: B008 (frozen, so sharing it is safe)
    listen: Callable[[dict], None] = lambda row: None,
) -> Path:
    """Run a recipe until its last step, a limit or a polite signal; resume if the run exists.

    Returns:
        The path of the averaged network.

    Raises:
        SoriError: the recipe or data is unusable, or the loss stays infinite or undefined.
    """
    recipe = read_recipe(recipe_path)
    places.out.mkdir(parents=True, exist_ok=True)
    precision = "no" if recipe.training.precision == "fp32" else recipe.training.precision
    accelerator = Accelerator(mixed_precision=precision)
    source = make_source(registry.spec(recipe.model), recipe, places)
    run = Run(recipe, source, accelerator)
    run.resume(places.out)
    progress = Progress(places.out / "log.jsonl", listen)
    started = saved = time.monotonic()
    failures = 0
    with interruptible() as asked:
        while run.step < recipe.training.steps and not asked():
            log, rate = run.move()
            failures = failures + 1 if any(log[k] > 0 for k in log if k.endswith("skipped")) else 0
            if failures > FAILURES_ALLOWED:
                raise SoriError(
                    f"{failures} steps in a row had an infinite or undefined loss, last at step "
                    f"{run.step}; the checkpoint in {places.out} is from before"
                )
            if run.step % LOG_EVERY == 0:
                progress.report(run.step, log, rate)
            now = time.monotonic()
            if now - saved > 60 * limits.save_minutes:
                run.save(places.out)
                saved = now
            if limits.max_minutes and now - started > 60 * limits.max_minutes:
                break
    run.save(places.out)
    return places.out / "model.safetensors"
