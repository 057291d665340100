"""Checkpoints: safetensors with the model's name, its config and where it came from inside.

Two kinds of file. `save_model` writes what others read: weights of one network. `save_state`
writes what only the same run reads: everything needed to go on as if never stopped. Neither is
ever unpickled.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.core.files import beside

FORMAT = "1"


class Saved(NamedTuple):
    """A model's file as read: its name, its config as plain values, its weights, notes on it."""

    name: str
    config: dict[str, Any]
    weights: dict[str, Tensor]
    notes: dict[str, Any]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write a file whole: a full disk or a kill never harms what was there."""
    kept = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    try:
        with beside(path) as part:
            save_file(kept, part, dict(header))
            with part.open("rb") as file:
                os.fsync(file.fileno())  # a rename may reach the disk before what was written does
    except (OSError, SafetensorError) as error:
        raise SoriError(f"cannot write {path}: {error}; free some space and resume") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and header.

    Raises:
        SoriError: the file is missing, truncated or not safetensors.
    """
    if not path.is_file():
        raise SoriError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise SoriError(f"{path} is not a whole safetensors file: {error}") from error


def save_model(
    path: Path, name: str, config: Any, model: nn.Module, notes: Mapping[str, Any] | None = None
) -> None:
    """Write a network's weights with everything needed to build it again.

    Args:
        notes: plain values such as speakers and symbols that belong to the weights.
    """
    plain = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    header = {
        "format": FORMAT,
        "model": name,
        "config": json.dumps(plain),
        "notes": json.dumps(dict(notes or {}), ensure_ascii=False),
    }
    write_tensors(path, model.state_dict(), header)


def load_model(path: Path) -> Saved:
    """Read a network's file.

    Raises:
        SoriError: the file is unreadable or was not written by `save_model`.
    """
    weights, header = read_tensors(path)
    if header.get("format") != FORMAT or "model" not in header:
        raise SoriError(f"{path} is not a model that sori saved")
    return Saved(
        header["model"], json.loads(header["config"]), weights, json.loads(header["notes"])
    )


def save_state(
    path: Path,
    task: nn.Module,
    optimizers: Mapping[str, torch.optim.Optimizer],
    averages: Mapping[str, Tensor],
    notes: Mapping[str, Any],
) -> None:
    """Write what the next step depends on: weights, moments, averages.

    Args:
        notes: plain values, the number of the step among them.
    """
    tensors = {f"task/{name}": value for name, value in task.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in averages.items()}
    for player, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            for slot, value in slots.items():
                tensors[f"optimizer/{player}/{index}/{slot}"] = torch.as_tensor(value)
    header = {name: json.dumps(value) for name, value in notes.items()}
    # Two names of one tensor are not allowed in the format, so each gets its own copy.
    write_tensors(path, {k: v.clone() for k, v in tensors.items()}, header)


def load_state(
    path: Path,
    task: nn.Module,
    optimizers: Mapping[str, torch.optim.Optimizer],
    averages: dict[str, Tensor],
) -> dict[str, Any]:
    """Put back what `save_state` wrote; returns its notes.

    Raises:
        SoriError: the file is unreadable, or of another network.
    """
    tensors, header = read_tensors(path)

    def under(prefix: str) -> dict[str, Tensor]:
        size = len(prefix) + 1
        return {k[size:]: v for k, v in tensors.items() if k.startswith(prefix + "/")}

    if "step" not in header:
        raise SoriError(f"{path} is not the state of a training")
    try:
        task.load_state_dict(under("task"))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise SoriError(f"{path} does not fit the network of the recipe: {reason}") from error
    for name, value in under("average").items():
        averages[name] = value.to(averages[name].device) if name in averages else value
    for player, optimizer in optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in under(f"optimizer/{player}").items():
            index, slot = key.split("/")
            state.setdefault(int(index), {})[slot] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    return {name: json.loads(value) for name, value in header.items()}
