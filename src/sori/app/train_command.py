"""The commands `sori train` and `sori plot`: what a person sees of a training."""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from sori.app.extras import learning_half, needing
from sori.app.progress import progress_bar

Row = dict[str, Any]

Recipe = Annotated[Path, typer.Argument(help="A file of recipes/.", show_default=False)]
Corpora = Annotated[Path, typer.Option(help="Folder of the corpora that the recipe names.")]
Cache = Annotated[Path, typer.Option(help="Folder of features, made once per corpus.")]
Run = Annotated[
    Path | None, typer.Option(help="Folder of the run; without it, runs/ and the recipe's name.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps; auto takes the fastest there is.")]
MaxMinutes = Annotated[
    float, typer.Option(help="Stop and save after so long; 0 for no limit.", min=0)
]
SaveMinutes = Annotated[float, typer.Option(help="Time between checkpoints.", min=0)]
Keep = Annotated[int, typer.Option(help="How many checkpoints to keep beside the best.", min=1)]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Also write RUN/tensorboard, with pictures and sound.")
]
Runs = Annotated[
    list[Path],
    typer.Argument(help="Folders of runs; the curves of several share a picture.", metavar="RUN"),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for the pictures; without it, plots/ in the first run.")
]
PictureFormat = Annotated[str, typer.Option("--format", help="png, svg or pdf.")]


def train(  # noqa: PLR0913 - a parameter is an option of the command
    recipe: Recipe,
    corpora: Corpora = Path("corpora"),
    cache: Cache = Path("runs/cache"),
    out: Run = None,
    device: Device = "auto",
    max_minutes: MaxMinutes = 0.0,
    save_minutes: SaveMinutes = 3.0,
    keep: Keep = 3,
    tensorboard: Tensorboard = False,
) -> None:
    """Train the model of a recipe; the same command resumes a run."""
    with learning_half(), contextlib.ExitStack() as stack:
        from sori.learn.training.progress import Watch
        from sori.learn.training.recipe import read_recipe
        from sori.learn.training.run import Limits, Places, train

        folder = out or Path("runs") / recipe.stem
        steps = read_recipe(recipe).training.steps
        listen, step = stack.enter_context(screen(recipe.stem, steps))
        watch = Watch(step=step)
        if tensorboard and is_first_process():
            with needing("tensorboard", "--tensorboard"):
                from sori.learn.training.board import Board

            board = stack.enter_context(contextlib.closing(Board(folder / "tensorboard")))
            watch = Watch(step=step, exhibit=board.exhibit)
            listen = both(listen, board.row)
        limits = Limits(max_minutes, save_minutes, keep)
        weights = train(recipe, Places(corpora, cache, folder), limits, listen, watch, device)
    if is_first_process():
        typer.echo(f"wrote {weights}", err=True)


def plot(runs: Runs, out: Out = None, picture_format: PictureFormat = "png") -> None:
    """Draw the curves of a training, and what its network makes: mels, alignments, waves."""
    with learning_half():
        from sori.learn.training.plots import plot

        for path in plot(runs, out or runs[0] / "plots", picture_format):
            typer.echo(str(path))


def is_first_process() -> bool:
    """Whether this is the process that speaks, of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def both(first: Callable[[Row], None], second: Callable[[Row], None]) -> Callable[[Row], None]:
    """Tell two listeners."""

    def tell(row: Row) -> None:
        first(row)
        second(row)

    return tell


@contextlib.contextmanager
def screen(name: str, steps: int) -> Iterator[tuple[Callable[[Row], None], Callable[[int], None]]]:
    """Give what is told the rows of the log, and the steps.

    A terminal gets a bar, and a line where something was judged or went wrong; a file or a pipe
    gets a line for every row.
    """
    if not sys.stderr.isatty():
        yield lambda row: typer.echo(in_words(row, steps)), lambda step: None
        return
    with progress_bar(name) as bar:
        note = ""

        def listen(row: Row) -> None:
            nonlocal note
            if "rate" in row:
                note = losses(row) + "  " + speed(row)
            else:
                typer.echo(in_words(row, steps))

        yield listen, lambda step: bar(step, steps, note)


def in_words(row: Row, steps: int) -> str:
    """A row of the log as a line."""
    if "skipped" in row:
        of = f" of {', '.join(row['utterances'])}" if row["utterances"] else ""
        return f"step {row['step']} skipped: {', '.join(row['skipped'])} is not finite{of}"
    if "rate" in row:
        return f"step {row['step']}/{steps}  {losses(row)}  {speed(row)}"
    return f"step {row['step']}, held out  {losses(row)}"


def losses(row: Row) -> str:
    """The terms of a row, by the last part of their names where that is enough."""
    terms = {
        name: "undefined" if value is None else f"{value:.4g}"
        for name, value in row.items()
        if "/" in name and not name.startswith("share/") and not name.endswith("/skipped")
    }
    tails = Counter(name.split("/")[-1] for name in terms)
    return "  ".join(
        f"{tail if tails[tail := name.split('/')[-1]] == 1 else name} {value}"
        for name, value in terms.items()
    )


def speed(row: Row) -> str:
    """How fast it goes, and in how much memory."""
    frames = f"{row['frames_per_second']:.0f} frames/s, " if "frames_per_second" in row else ""
    return f"{row['steps_per_second']:.3g} steps/s, {frames}{row['memory_mb']} MB"
