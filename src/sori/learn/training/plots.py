"""Pictures of a training: its curves, and what its network makes of an utterance."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sori.core.errors import SoriError
from sori.learn.training import exhibits
from sori.learn.training.progress import Row

PANEL_INCHES = (4.2, 2.6)
BENDS = 10  # that a smoothed curve has room for, about
LAST = ("rate", "frames_per_second")  # shown behind the losses
HIDDEN = ("step", "steps_per_second", "audio_seconds_per_second", "memory_mb")
FORMATS = ("png", "svg", "pdf")

Curve = tuple[list[float], list[float]]


def read_log(run: Path) -> list[Row]:
    """The lines of a run's log. A last line that was cut off by a kill is left out.

    Raises:
        SoriError: the folder holds no log, or nothing was logged yet.
    """
    path = run / "log.jsonl"
    if not path.is_file():
        raise SoriError(f"{run} holds no log.jsonl; give the folder of a run of `sori train`")
    rows = []
    for number, line in enumerate(lines := path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise SoriError(f"{path}, line {number}, is not JSON: {error}") from error
    if not rows:
        raise SoriError(f"{path} is empty; the first line comes after a hundred steps")
    return rows


def curve(rows: Iterable[Row], name: str) -> Curve:
    """Steps and values of one number of the log; what a resumed run did again counts once."""
    values = {row["step"]: row[name] for row in rows if row.get(name) is not None}
    steps = sorted(values)
    return [float(step) for step in steps], [float(values[step]) for step in steps]


def smooth(values: Sequence[float]) -> list[float]:
    """Running mean that forgets, without the pull towards zero at its beginning."""
    past = max(0.0, 1 - BENDS / max(len(values), 1))
    total, weight, means = 0.0, 0.0, []
    for value in values:
        total, weight = past * total + value, past * weight + 1
        means.append(total / weight)
    return means


def panels(logs: Iterable[Sequence[Row]]) -> list[str]:
    """Names of what is drawn: losses, then the rest."""
    found = {
        name: None
        for rows in logs
        for row in rows
        for name, value in row.items()
        if isinstance(value, int | float)
        and name not in HIDDEN + LAST
        and not name.startswith(("share/", "validation/"))
        and not name.endswith("/skipped")
    }
    return sorted(found, key=lambda name: name.endswith("/norm")) + list(LAST)


def draw_curves(logs: Mapping[str, Sequence[Row]]) -> Figure:
    """Every number of the logs over the steps, a line for each run; dots are held-out data.

    Args:
        logs: rows by name of the run.
    """
    names = [
        name for name in panels(logs.values()) if any(curve(r, name)[0] for r in logs.values())
    ]
    columns = min(len(names), 3)
    lines = -(-len(names) // columns)
    figure = Figure((PANEL_INCHES[0] * columns, PANEL_INCHES[1] * lines), layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, name in zip(grid, names, strict=False):
        for number, (run, rows) in enumerate(logs.items()):
            draw_curve(axes, rows, name, run, f"C{number}")
        axes.set_title(name, fontsize="medium")
        axes.grid(alpha=0.3)
        axes.set_xlabel("step")
    for axes in grid[len(names) :]:
        axes.remove()
    if len(logs) > 1:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center")
    return figure


def draw_curve(axes: Axes, rows: Sequence[Row], name: str, run: str, colour: str) -> None:
    """One number of one run: as logged, smoothed, and on held-out data."""
    steps, values = curve(rows, name)
    is_noisy = "/" in name
    axes.plot(steps, values, color=colour, alpha=0.3 if is_noisy else 1.0, linewidth=1)
    axes.plot(steps, smooth(values) if is_noisy else values, color=colour, label=run)
    judged, scores = curve(rows, f"validation/{name}")
    axes.plot(judged, scores, ".", color=colour, markeredgecolor="black", markersize=8)
    if values and min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")


def draw_matrices(
    matrices: Mapping[str, np.ndarray], step: int, row_name: str, bounds: tuple | None = None
) -> Figure:
    """Pictures of frames, one above the other: low rows at the bottom, all in one scale.

    Args:
        row_name: what a row is.
        bounds: values of the darkest and the brightest colour; by default those that occur.
    """
    low, high = bounds or (
        min(float(np.nanmin(m)) for m in matrices.values()),
        max(float(np.nanmax(m)) for m in matrices.values()),
    )
    figure = Figure((8.4, 2.6 * len(matrices)), layout="constrained")
    for axes, (title, matrix) in zip(
        figure.subplots(len(matrices), squeeze=False).flat, matrices.items(), strict=True
    ):
        image = axes.imshow(
            matrix, aspect="auto", origin="lower", interpolation="none", vmin=low, vmax=high
        )
        axes.set_title(f"{title}, step {step}", fontsize="medium")
        axes.set_xlabel("frame")
        axes.set_ylabel(row_name)
        figure.colorbar(image, ax=axes)
    return figure


def draw_waves(waves: Mapping[str, np.ndarray], step: int, sample_rate: int) -> Figure:
    """Waves over time, one above the other."""
    figure = Figure((8.4, 1.8 * len(waves)), layout="constrained")
    grid = figure.subplots(len(waves), sharex=True, sharey=True, squeeze=False).flat
    for axes, (title, wave) in zip(grid, waves.items(), strict=True):
        axes.plot(np.arange(len(wave)) / sample_rate, wave, linewidth=0.4)
        axes.set_title(f"{title}, step {step}", fontsize="medium")
        axes.set_xlabel("seconds")
        axes.grid(alpha=0.3)
    return figure


def draw_exhibit(kept: exhibits.Kept) -> dict[str, Figure]:
    """The pictures of an exhibit, by kind."""
    figures = {}
    if mels := kept.pictures["mels"]:
        figures["mels"] = draw_matrices(mels, kept.step, "mel bin")
    if alignments := kept.pictures["alignments"]:
        figures["alignments"] = draw_matrices(alignments, kept.step, "token", (0.0, 1.0))
    if waves := kept.pictures["waves"]:
        figures["waves"] = draw_waves(waves, kept.step, kept.sample_rate)
    return figures


def plot(runs: Sequence[Path], out: Path, suffix: str = "png") -> list[Path]:
    """Draw the curves of runs in one picture, and what the network of each makes.

    Returns:
        The paths of the pictures.

    Raises:
        SoriError: a folder is no run, the format is unknown, or `out` cannot be written to.
    """
    if suffix not in FORMATS:
        raise SoriError(f"there is no format {suffix!r}; choose one of: {', '.join(FORMATS)}")
    figures = {"curves": draw_curves({run.name: read_log(run) for run in runs})}
    for run in runs:
        if (path := run / "exhibit.npz").is_file():
            prefix = f"{run.name}-" if len(runs) > 1 else ""
            for kind, figure in draw_exhibit(exhibits.read(path)).items():
                figures[prefix + kind] = figure
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(out / f"{name}.{suffix}", dpi=110)
    except OSError as error:
        raise SoriError(f"cannot write to {out}: {error.strerror}") from error
    return [out / f"{name}.{suffix}" for name in figures]
