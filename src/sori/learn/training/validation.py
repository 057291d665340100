"""How good a network is on what no step sees, and what it makes of it."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from sori.learn.contracts import Exhibit, Showing, Spec, Task
from sori.learn.data.batches import Batches, Part
from sori.learn.mel import MelSpectrogram
from sori.learn.training.loop import guarded
from sori.learn.training.processes import to_device

VALIDATION_BATCHES = 8


@contextmanager
def judged(task: nn.Module, network: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Give the task other weights for its network and no gradients, and put everything back."""
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    buffers = {name: value.clone() for name, value in task.named_buffers()}
    network.load_state_dict(dict(weights))
    task.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.load_state_dict(kept)
        for name, value in task.named_buffers():
            value.copy_(buffers[name])
        task.train()


def validate(
    task: Task, player: str, batches: Batches, accelerator: Accelerator
) -> dict[str, float]:
    """Means of the loss of a player and of the terms of all, over the first batches.

    Validation drives the same generator as training does, so no model writes a step for it. What
    is drawn at random is the same every time.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    count = min(batches.per_pass, VALIDATION_BATCHES)
    for number in range(count):
        batch = to_device(batches.at(number), accelerator.device)
        for mover, loss, terms in guarded(task.training_step(batch), accelerator, seed=number):
            sums["loss"] += float(loss) if mover == player else 0.0
            for name, term in terms.items():
                sums[f"{mover}/{name}"] += float(term)
    return {f"validation/{name}": value / count for name, value in sums.items()}


def culprits(task: nn.Module, batches: Batches, step: int, accelerator: Accelerator) -> list[str]:
    """The utterances of a step whose loss is infinite or undefined on its own.

    All of the step where each is well alone: they fail together.
    """
    names = batches.names(step)
    alone = []
    with judged(task, task, task.state_dict()):
        for number, name in enumerate(names):
            batch = to_device(batches.at(step, Part(number, len(names))), accelerator.device)
            assert isinstance(task, Task)
            updates = guarded(task.training_step(batch), accelerator, seed=step)
            if not all(math.isfinite(float(update.loss)) for update in updates):
                alone.append(name)
    return alone or names


def exhibit(task: Task, spec: Spec, batches: Batches, accelerator: Accelerator) -> Exhibit | None:
    """What the network makes of one utterance; None where its task has nothing to show."""
    batch = to_device(batches.example(), accelerator.device)
    torch.manual_seed(0)
    if isinstance(task, Showing):
        with accelerator.autocast():
            return task.show(batch)
    if not spec.crop:
        return None
    vocoder = task.players["generator" if "generator" in task.players else "model"]
    heard = [getattr(batch, name) for name in ("mel", "f0") if hasattr(batch, name)]
    made = vocoder.vocode(*heard)[0].float()  # type: ignore[operator]
    measure = MelSpectrogram(vocoder.mel_spec).to(made.device)  # type: ignore[arg-type]
    return Exhibit(
        mels={"recording": batch.mel[0], "made": measure(made[None])[0]},
        waves={"recording": batch.wave[0], "made": made},
    )
