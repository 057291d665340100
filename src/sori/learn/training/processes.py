"""Where a training runs: its device, its precision, and the processes that share the work.

`accelerate launch` starts the processes, on one machine or on many; what is here is all that they
say to each other. Every process does the same step on its own part of the batch.
"""

import os
from collections.abc import Sequence
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from sori.core.errors import SoriError

Precision = Literal["fp32", "bf16", "fp16"]
ANYWHERE = "precision bf16 and fp32 work on every processor"


def start(device: str, precision: Precision) -> Accelerator:
    """Take a device; join the other processes where a launcher started several.

    Args:
        device: "cpu", "cuda", "mps" or another kind that PyTorch knows; "auto" for the fastest.

    Raises:
        SoriError: there is no such device, or it does not have the precision.
    """
    if "RANK" not in os.environ:
        # accelerate keeps the precision of the first run for every later one of the process.
        AcceleratorState._reset_state(reset_partial_state=True)
    try:
        accelerator = Accelerator(
            mixed_precision="no" if precision == "fp32" else precision, cpu=device == "cpu"
        )
    except ValueError as error:
        raise SoriError(f"{' '.join(str(error).split())}; {ANYWHERE}") from error
    if precision == "fp16" and accelerator.scaler is None:
        raise SoriError(f"fp16 needs a GPU, and this is a {accelerator.device.type}; {ANYWHERE}")
    if device not in ("auto", accelerator.device.type):
        raise SoriError(
            f"no device {device!r} here, only {accelerator.device.type}; "
            "leave --device out to take the fastest there is"
        )
    return accelerator


def add_up(
    accelerator: Accelerator, weights: Sequence[nn.Parameter], numbers: Sequence[Tensor]
) -> list[Tensor]:
    """Sum gradients over all processes, in place, and numbers beside them; one message for all.

    Returns:
        The sums of the numbers.
    """
    if accelerator.num_processes == 1:
        return list(numbers)
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    parts = [*gradients, *(n.detach().float().reshape(1) for n in numbers)]
    total = accelerator.reduce(torch.cat([part.flatten() for part in parts]), "sum")
    sums = torch.split(total, [part.numel() for part in parts])  # type: ignore[arg-type]
    for gradient, summed in zip(gradients, sums, strict=False):
        gradient.copy_(summed.view_as(gradient))
    return [summed[0] for summed in sums[len(gradients) :]]


def require_same(accelerator: Accelerator, step: int, place: str) -> None:
    """Refuse to go on when processes resumed from different steps.

    Raises:
        SoriError: some process does not see the checkpoints that others see.
    """
    mine = torch.tensor([step], device=accelerator.device)
    steps = sorted(set(accelerator.gather(mine).tolist()))  # type: ignore[union-attr]
    if len(steps) > 1:
        raise SoriError(
            f"the processes found checkpoints of steps {' and '.join(map(str, steps))}; "
            f"every machine must see the same folder {place}"
        )


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on the device."""
    if device.type == "cpu":
        return batch
    moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(batch).items()}
    return type(batch)(**moved)
