"""Reads networks that others have published, in the layout of their authors' programs.

Tensors are renamed, and a few are changed: a weight without weight norm is split into length and
direction, a convolution that makes two of our layers is cut into rows. No code in a file is run.
"""

import pickle
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.core.files import make_folder
from sori.learn import registry
from sori.learn.checkpoint import read_tensors, save_model
from sori.learn.published.layouts import LAYOUTS, Change, Layout, Origin, Tensors
from sori.learn.published.tortoise import FILES, TORTOISE


@dataclass
class Report:
    """What became of every tensor, by name: ours first where both are known."""

    model: str
    loaded: dict[str, str] = field(default_factory=dict)
    transformed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The report for people, every tensor on its line."""
        for kind in ("loaded", "transformed"):
            found = getattr(self, kind)
            yield f"{kind}: {len(found)}"
            yield from (f"  {ours} <- {theirs}" for ours, theirs in found.items())
        for kind in ("missing", "unexpected", "aside"):
            names = getattr(self, kind)
            yield f"{kind}: {len(names)}"
            yield from (f"  {name}" for name in names)


def read_published(path: Path) -> Mapping[str, Any]:
    """What a file of PyTorch or safetensors holds; nothing in it is run.

    Raises:
        SoriError: it is missing or damaged, or asks for code to be run.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of pickles that it reads only in part; they are refused
            held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SoriError(f"there is no file {path}") from error
    except pickle.UnpicklingError as error:
        raise SoriError(
            f"{path} holds more than tensors, and Sori runs no code from files; "
            "ask its authors for the state dict alone"
        ) from error
    except Exception as error:  # whatever bytes that are no pickle can lead to
        reason = str(error).strip().split("\n")[0]
        raise SoriError(f"{path} is not a file of PyTorch: {reason}") from error
    if not isinstance(held, Mapping):
        raise SoriError(f"{path} holds {type(held).__name__}, not named tensors")
    return held


def find_layout(held: Mapping[str, Any], path: Path) -> tuple[Layout, Tensors, list[str]]:
    """The layout that knows the tensors, these tensors, and what lies beside them.

    Programs keep the weights of a generator beside those of critics and optimizers.
    """
    places = {"": held} | {k: v for k, v in held.items() if isinstance(v, Mapping)}
    for place, inside in places.items():
        tensors = {
            name.removeprefix("module."): value
            for name, value in inside.items()
            if isinstance(value, Tensor)
        }
        for layout in (*LAYOUTS, *TORTOISE):
            if any(name.startswith(layout.mark) for name in tensors):
                return layout, tensors, [name for name in held if place and name != place]
    known = ", ".join(dict.fromkeys(layout.model for layout in (*LAYOUTS, *TORTOISE)))
    raise SoriError(f"{path} is in no layout that Sori knows; it reads {known}")


class Converter:
    """Fills the state of our model from their tensors, and keeps account of both sides."""

    def __init__(self, tensors: Tensors, model: nn.Module, report: Report):
        self.tensors, self.report = tensors, report
        self.wanted = model.state_dict()
        self.made: dict[str, Tensor] = {}
        self.used: set[str] = set()

    def take(self, name: str) -> Tensor | None:
        """A tensor of theirs, in full precision, marked as used."""
        found = self.tensors.get(name)
        if found is None:
            return None
        self.used.add(name)
        return found.float()

    def put(self, ours: str, value: Tensor | None, theirs: str, change: str = "") -> None:
        """Set a tensor of ours.

        Raises:
            SoriError: it has another shape than ours.
        """
        if value is None or ours not in self.wanted:
            return
        if value.shape != self.wanted[ours].shape:
            raise SoriError(
                f"{theirs} has shape {tuple(value.shape)}, {ours} needs "
                f"{tuple(self.wanted[ours].shape)}; say what differs with --config"
            )
        self.made[ours] = value.contiguous().clone()
        account = self.report.transformed if change else self.report.loaded
        account[ours] = f"{theirs} ({change})" if change else theirs

    def change(self, ours: str, change: Change) -> None:
        """Set a tensor of ours that is made of theirs."""
        parts = [self.take(name) for name in change.names]
        if all(part is not None for part in parts):
            self.put(ours, change.make(*parts), " + ".join(change.names), change.words)

    def layer(self, ours: str, origin: Origin) -> None:
        """Set weight and bias of a layer of ours."""
        self.bias(ours, origin)
        length, direction, names = self.normed(origin.layer)
        if direction is None:
            return
        cut = "" if origin.rows == slice(None) else rows_in_words(origin.rows)
        direction = direction[origin.rows]
        length = None if length is None else length[origin.rows]
        normed = f"{ours}.parametrizations.weight.original"
        if normed + "0" in self.wanted:
            if length is None:
                length = norm(direction)
                cut = f"{cut}, its length" if cut else "its length"
            self.put(normed + "0", length, names[0], cut)
            self.put(
                normed + "1", direction, names[-1], cut.removesuffix("its length").rstrip(", ")
            )
            return
        if length is not None:
            direction, cut = direction * (length / norm(direction)), cut or "weight norm folded"
        wanted = self.wanted[f"{ours}.weight"].shape
        if direction.ndim == len(wanted) + 1 and direction.shape[-1] == 1:
            direction, cut = direction[..., 0], cut or "as a matrix"
        self.put(f"{ours}.weight", direction, names[-1], cut)

    def bias(self, ours: str, origin: Origin) -> None:
        bias, cut = self.take(f"{origin.layer}.bias"), ""
        if bias is None:
            return
        if origin.rows != slice(None):
            bias, cut = bias[origin.rows], rows_in_words(origin.rows)
        if origin.bias_from and (more := self.take(f"{origin.bias_from}.bias")) is not None:
            bias, cut = bias + more[origin.bias_rows], f"plus {origin.bias_from}.bias"
        self.put(f"{ours}.bias", bias, f"{origin.layer}.bias", cut)

    def normed(self, layer: str) -> tuple[Tensor | None, Tensor | None, tuple[str, ...]]:
        """Length and direction of a weight, or None and the weight itself; and their names."""
        for endings in (
            ("weight_g", "weight_v"),
            tuple(f"parametrizations.weight.original{n}" for n in (0, 1)),
        ):
            names = tuple(f"{layer}.{ending}" for ending in endings)
            if names[1] in self.tensors:
                return self.take(names[0]), self.take(names[1]), names
        return None, self.take(f"{layer}.weight"), (f"{layer}.weight",)


def norm(weight: Tensor) -> Tensor:
    """Lengths that weight norm learns: one for every index of the first axis."""
    return weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))


def rows_in_words(rows: slice) -> str:
    return f"rows {rows.start or 0} to {'the last' if rows.stop is None else rows.stop - 1}"


def merge(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `changes` in place of those of `base`, tables inside tables one by one."""
    return base | {
        key: merge(base.get(key, {}), value) if isinstance(value, Mapping) else value
        for key, value in changes.items()
    }


def convert(path: Path, changes: Mapping[str, Any]) -> tuple[nn.Module, Any, Report]:
    """Our model with published weights, its config, and what became of every tensor.

    Raises:
        SoriError: the file cannot be read, is in no known layout, or fits no model of ours.
    """
    layout, tensors, aside = find_layout(read_published(path), path)
    card = registry.spec(layout.model)
    try:
        sizes = merge(layout.config(tensors), changes)
        config = TypeAdapter(card.config).validate_python(sizes)
    except (SoriError, ValidationError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SoriError(f"{path} does not fit {layout.model}: {reason}") from error
    model = card.model(config)
    report = Report(layout.model, aside=aside)
    converter = Converter(tensors, model, report)
    for ours, origin in layout.pairs(tensors):
        converter.layer(ours, origin)
    for ours, change in layout.changes(tensors):
        converter.change(ours, change)
    weights = dict(model.named_parameters())
    report.missing = [name for name in weights if name not in converter.made]
    report.unexpected = [name for name in tensors if name not in converter.used]
    model.load_state_dict(converter.made, strict=False)
    return model.eval().requires_grad_(False), config, report


def import_published(path: Path, out: Path, changes: Path | None = None) -> Report:
    """Write a published network as a checkpoint of ours.

    Args:
        changes: a TOML file with what the shapes cannot tell, such as `mel.sample_rate`, where it
            differs from the authors' own model.

    Raises:
        SoriError: see `convert`; or tensors are missing, and then nothing is written.
    """
    model, config, report = convert(path, read_changes(changes) if changes else {})
    if report.missing:
        raise SoriError(
            f"{path} lacks {len(report.missing)} tensors of {report.model}, such as "
            f"{report.missing[0]}; nothing was written"
        )
    save_model(out, report.model, config, model, {"imported": path.name})
    return report


def import_tortoise(folder: Path, out: Path) -> Iterator[tuple[Path, Report]]:
    """Write the published networks of TorToise as a folder that `sori say` knows, one by one.

    Raises:
        SoriError: a file is missing, or see `import_published`.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise SoriError(f"{folder} has no {missing[0]}; TorToise needs {', '.join(FILES)}")
    for name, place in FILES.items():
        make_folder(out / place)
        path = out / place / "model.safetensors"
        yield path, import_published(folder / name, path)


def read_changes(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SoriError(f"cannot read {path}: {error}") from error
