"""One step of any task: every player makes its move."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from sori.learn.contracts import Task, Update


def guarded(updates: Iterator[Update], accelerator: Accelerator) -> Iterator[Update]:
    """Run the body of a training step in mixed precision, each part between two yields."""
    while True:
        with accelerator.autocast():
            update = next(updates, None)
        if update is None:
            return
        yield update


def train_step(
    task: Task,
    batch: Any,
    optimizers: Mapping[str, Optimizer],
    max_norm: float,
    accelerator: Accelerator | None = None,
) -> dict[str, Tensor]:
    """Let every player of the task make its move on one batch; return what to log.

    A player whose loss or gradient is not finite does not move; its log entry
    `<player>/skipped` is 1 then.
    """
    log: dict[str, Tensor] = {}
    updates = task.training_step(batch)
    for player, loss, terms in updates if accelerator is None else guarded(updates, accelerator):
        optimizer = optimizers[player]
        optimizer.zero_grad(set_to_none=True)
        if accelerator is None:
            loss.backward()
        else:
            accelerator.backward(loss)
        weights = list(task.players[player].parameters())
        if accelerator is not None and accelerator.num_processes > 1:
            for weight in weights:
                if weight.grad is not None:
                    weight.grad = accelerator.reduce(weight.grad, "mean")  # type: ignore[assignment]
        norm = clip_grad_norm_(weights, max_norm)
        log[f"{player}/norm"] = norm.detach()
        log[f"{player}/skipped"] = (~torch.isfinite(norm)).float()
        if torch.isfinite(norm):
            optimizer.step()
        log |= {f"{player}/{name}": term.detach() for name, term in terms.items()}
    return log
