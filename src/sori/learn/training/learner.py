"""What learns: a task with its optimizers and averages, and the files they are kept in."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import load_model, load_state, save_model, save_state
from sori.learn.contracts import Exhibit, Spec
from sori.learn.data.batches import Part
from sori.learn.data.sources import Source
from sori.learn.training.average import Average
from sori.learn.training.checkpoints import MODEL, STATE
from sori.learn.training.clock import Clock
from sori.learn.training.loop import Log, Piece, Tools, guarded, move_players
from sori.learn.training.optim import make_optimizer, rate_at
from sori.learn.training.processes import to_device
from sori.learn.training.progress import frames_of
from sori.learn.training.recipe import Recipe, make_config
from sori.learn.training.validation import culprits, exhibit, judged, validate


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


def load_start(network: nn.Module, recipe: Recipe) -> None:
    """Begin from the weights that the recipe names, if it names any.

    Raises:
        SoriError: a file is unreadable, or of another network, or there is no such part.
    """
    if not recipe.start:
        return
    if isinstance(recipe.start, dict):
        for part, path in recipe.start.items():
            load_part(network, part, path)
        return
    saved = load_model(Path(recipe.start))
    if saved.name != recipe.model:
        raise SoriError(f"start: {recipe.start} is of {saved.name}, not of {recipe.model}")
    fit(network, saved.weights, f"start: {recipe.start}")


def load_part(network: nn.Module, name: str, path: str) -> None:
    """Begin one part of a network from the part of that name in a checkpoint."""
    part = dict(network.named_children()).get(name)
    if part is None:
        raise SoriError(f"start: the network has no part {name!r}")
    prefix = f"{name}."
    weights = {
        key.removeprefix(prefix): weight
        for key, weight in load_model(Path(path)).weights.items()
        if key.startswith(prefix)
    }
    fit(part, weights, f"start.{name}: {path}")


def fit(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise SoriError(f"{source} does not fit the config: {reason}") from error


class Moved(NamedTuple):
    """What a step did: numbers to log, the learning rate, frames of all processes, their wishes."""

    log: Log
    rate: float
    frames: float
    wish: float


class Learner:
    """The moving parts of one training: networks, optimizers, averages, and the step."""

    def __init__(self, recipe: Recipe, source: Source, accelerator: Accelerator):
        self.recipe = recipe
        self.spec = registry.spec(recipe.model)
        self.config = make_config(recipe)
        self.source = source
        settings = recipe.training
        set_seed(settings.seed)
        self.task = self.spec.task(self.config, **load_frozen(self.spec, recipe))
        load_start(self.network, recipe)
        self.module.to(accelerator.device).train()
        self.average = Average(self.network, settings.average)
        optimizers = {
            name: make_optimizer(player, settings.rate, settings.betas, settings.optimizer)
            for name, player in self.task.players.items()
        }
        self.tools = Tools(optimizers, settings.max_norm, accelerator, Clock())
        mine = range(settings.accumulate)
        first = settings.accumulate * accelerator.process_index
        self.parts = [
            Part(first + i, settings.accumulate * accelerator.num_processes) for i in mine
        ]
        self.step = 0
        self.lowest = math.inf

    @property
    def accelerator(self) -> Accelerator:
        return self.tools.accelerator

    @property
    def module(self) -> nn.Module:
        assert isinstance(self.task, nn.Module)
        return self.task

    @property
    def player(self) -> str:
        """Who is kept, of all players."""
        return "generator" if "generator" in self.task.players else "model"

    @property
    def network(self) -> nn.Module:
        """The network that is kept."""
        return self.task.players[self.player]

    def batch(self, part: Part) -> Any:
        """A part of the batch of this step."""
        return to_device(self.source.training.at(self.step, part), self.accelerator.device)

    def pieces(self) -> list[Piece]:
        """What this process has to do of this step."""
        with self.tools.clock("data"):
            return [
                Piece(
                    self.batch(part),
                    self.source.training.share(self.step, part),
                    self.seed(part.number),
                )
                for part in self.parts
            ]

    def seed(self, part: int) -> int:
        """Where the random numbers of a part of this step begin, whichever process does it."""
        key = (self.recipe.training.seed, self.step, part)
        return int(np.random.SeedSequence(key).generate_state(1)[0])

    def move(self, wish: float = 0.0) -> Moved:
        """Do one step; tell the other processes a number, whose sum comes back."""
        settings = self.recipe.training
        rate = rate_at(self.step, settings.rate, settings.warmup, settings.steps)
        for optimizer in self.tools.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate
        self.tell_step()
        pieces = self.pieces()
        log = move_players(self.task, pieces, self.tools, wish)
        self.average.update(self.network, self.step)
        self.step += 1
        frames = sum(frames_of(piece.batch) for piece in pieces)
        wishes = float(log.pop("wish"))
        return Moved(log, rate, frames * self.accelerator.num_processes, wishes)

    def tell_step(self) -> None:
        """Tell the task which step it is; let all processes see the first batch as a whole.

        Some layers take their first weights from the first batch. They must be the same everywhere.
        """
        buffers = dict(self.module.named_buffers())
        if "step" in buffers:
            buffers["step"].fill_(self.step)
        if self.step == 0 and self.parts[0].count > 1:
            updates = self.task.training_step(self.batch(Part()))
            with torch.no_grad():
                for _ in guarded(updates, self.accelerator, self.seed(0)):
                    pass

    def save_network(self, path: Path) -> None:
        """Write the averaged network, for everyone else."""
        with judged(self.module, self.network, self.average.weights):
            notes = self.source.notes | {"step": self.step}
            save_model(path, self.recipe.model, self.config, self.network, notes)

    def save(self, folder: Path) -> None:
        """Write the network, and the state to resume from."""
        scaler = self.accelerator.scaler
        notes = {
            "step": self.step,
            "model": self.recipe.model,
            "optimizer": self.recipe.training.optimizer,
            "lowest": self.lowest,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        optimizers, weights = self.tools.optimizers, self.average.weights
        save_state(folder / STATE, self.module, optimizers, weights, notes)
        self.save_network(folder / MODEL)

    def resume(self, state: Path) -> None:
        """Go on from a state that `save` wrote.

        Raises:
            SoriError: the state is damaged, or of another network.
        """
        optimizers, weights = self.tools.optimizers, self.average.weights
        notes = load_state(state, self.module, optimizers, weights)
        if notes.get("model", self.recipe.model) != self.recipe.model:
            raise SoriError(
                f"{state} is of {notes['model']}, not of {self.recipe.model}; "
                "use another folder for the run"
            )
        before = notes.get("optimizer", "adamw")
        if before != self.recipe.training.optimizer:
            raise SoriError(
                f"{state} was trained with optimizer = {before!r}; keep it, or use another folder "
                "for the run"
            )
        self.step = notes["step"]
        self.lowest = notes.get("lowest", math.inf)
        if self.accelerator.scaler is not None and notes.get("scaler"):
            self.accelerator.scaler.load_state_dict(notes["scaler"])

    @property
    def frame_seconds(self) -> float:
        """How long a mel frame lasts; 0 for models that know no mel."""
        spec = getattr(self.config, "mel", None)
        return spec.hop_samples / spec.sample_rate if spec else 0.0

    @property
    def sample_rate(self) -> int:
        """Samples per second of the waves of an exhibit."""
        return self.config.mel.sample_rate

    def validate(self) -> dict[str, float]:
        """Losses of the averaged network on held-out data; none where no data is held out."""
        if self.source.held_out is None:
            return {}
        with judged(self.module, self.network, self.average.weights):
            return validate(self.task, self.player, self.source.held_out, self.accelerator)

    def exhibit(self) -> Exhibit | None:
        """What the averaged network makes of one utterance."""
        batches = self.source.held_out or self.source.training
        with judged(self.module, self.network, self.average.weights):
            return exhibit(self.task, self.spec, batches, self.accelerator)

    def culprits(self) -> list[str]:
        """The utterances that made the last step fail."""
        return culprits(self.module, self.source.training, self.step - 1, self.accelerator)
