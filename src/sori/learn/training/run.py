"""A training from its recipe to its last checkpoint: starts, resumes, logs, saves."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.data.sources import make_source
from sori.learn.training.checkpoints import ADVICE, BEST, MODEL, Checkpoints
from sori.learn.training.exhibits import keep
from sori.learn.training.learner import Learner, Moved
from sori.learn.training.loop import Log
from sori.learn.training.processes import require_same, start
from sori.learn.training.progress import Listener, Progress, Watch
from sori.learn.training.recipe import read_recipe

FAILURES_ALLOWED = 20  # steps in a row that may be skipped for a loss that is not finite
EXHIBIT_SHARE = 0.05  # of the time; autoregressive vocoders take minutes for a second of sound


@dataclass(frozen=True)
class Places:
    """Folders of a run: the corpora, their feature caches, and where the run itself is kept."""

    corpora: Path
    cache: Path
    out: Path


@dataclass(frozen=True)
class Limits:
    """When to stop, and what to keep.

    Args:
        max_minutes: of wall clock; 0 for no limit.
        save_minutes: between checkpoints.
        keep: checkpoints that are kept.
    """

    max_minutes: float = 0.0
    save_minutes: float = 3.0
    keep: int = 3


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


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Say in one line when the log or an exhibit cannot be written."""
    try:
        yield
    except OSError as error:
        raise SoriError(
            f"cannot write to {out}: {error.strerror or error}; {ADVICE}; checkpoints are whole"
        ) from error


class Keeper:
    """Decides when to write, to judge and to stop.

    Only the first process writes; the others wait for it when they next add up gradients.
    """

    def __init__(self, learner: Learner, limits: Limits, out: Path, progress: Progress):
        self.learner = learner
        self.limits = limits
        self.out = out
        self.progress = progress
        self.checkpoints = Checkpoints(out, limits.keep)
        self.is_writing = learner.accelerator.is_main_process
        self.started = self.saved = time.monotonic()
        self.showing = 0.0  # seconds that exhibits took
        self.failures = 0
        self.blame = ""

    def is_late(self) -> bool:
        """Whether the time that was allowed is over."""
        minutes = self.limits.max_minutes
        return minutes > 0 and time.monotonic() - self.started > 60 * minutes

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is any."""
        state = self.checkpoints.newest()
        if state is not None:
            try:
                self.learner.resume(state)
            except SoriError as error:
                raise SoriError(f"{error}; {self.way_out(state)}") from error
        require_same(self.learner.accelerator, self.learner.step, str(self.out))

    def way_out(self, state: Path) -> str:
        """What to do about a state that cannot be used."""
        older = self.checkpoints.states()[:-1]
        damaged = state.parent if state.parent != self.out else state
        if not older:
            return f"remove {damaged} to start anew"
        return f"remove {damaged} to resume from {older[-1].parent}"

    def look(self, moved: Moved) -> None:
        """After a step: write what is due."""
        learner, settings = self.learner, self.learner.recipe.training
        is_last = learner.step == settings.steps
        self.progress.count(learner.step, moved.frames)
        if self.progress.is_due(learner.step, settings.steps):
            self.progress.report(learner.step, moved.log, moved.rate)
        if settings.validate_steps and (is_last or learner.step % settings.validate_steps == 0):
            self.judge()
        if time.monotonic() - self.saved > 60 * self.limits.save_minutes:
            self.save()

    def judge(self) -> None:
        """Validate; keep the network if it is the best so far; show what it makes."""
        learner = self.learner
        scores = learner.validate()
        if scores:
            self.progress.write({"step": learner.step} | scores)
            if scores["validation/loss"] < learner.lowest:
                learner.lowest = scores["validation/loss"]
                learner.save_network(self.out / BEST)
        now = time.monotonic()
        if self.showing <= EXHIBIT_SHARE * (now - self.started) or not self.showing:
            exhibit = learner.exhibit()
            self.showing += time.monotonic() - now
            if exhibit is not None:
                keep(self.out / "exhibit.npz", exhibit, learner.step, learner.sample_rate)
                self.progress.watch.exhibit(learner.step, exhibit, learner.sample_rate)

    def save(self) -> None:
        """Write a checkpoint."""
        if self.is_writing:
            self.checkpoints.write(self.learner.step, self.learner.save)
        self.saved = time.monotonic()

    def heed(self, log: Log) -> None:
        """Name what made a step fail; stop the run when too many have failed in a row.

        Raises:
            SoriError: the loss stays infinite or undefined.
        """
        if not any(float(log[name]) for name in log if name.endswith("/skipped")):
            self.failures = 0
            return
        self.failures += 1
        step = self.learner.step
        bad = [name for name, value in log.items() if not value.isfinite()]
        terms = [name for name in bad if not name.endswith("/norm")] or bad
        utterances = self.learner.culprits() if self.is_writing and self.failures == 1 else []
        if self.failures == 1:
            self.blame = f"{', '.join(terms)} of {', '.join(utterances)}"
        if self.is_writing:
            self.progress.write({"step": step, "skipped": terms, "utterances": utterances})
        if self.failures > FAILURES_ALLOWED:
            raise SoriError(
                f"{self.failures} steps in a row had an infinite or undefined loss, the last at "
                f"step {step}; first {self.blame}; the checkpoint in {self.out} is from before"
            )


def train(  # noqa: PLR0913 - what, where, how long, on what, and who is told
    recipe_path: Path,
    places: Places,
    limits: Limits = Limits(),  # noqa: B008 (frozen, so sharing it is safe)
    listen: Listener = lambda row: None,
    watch: Watch = Watch(),  # noqa: B008
    device: str = "auto",
) -> Path:
    """Run a recipe until its last step, a limit or a polite signal; resume if the run exists.

    Under a launcher every process calls this; each does its part of every batch, and the run is
    the same for any number of them.

    Returns:
        The path of the averaged network.

    Raises:
        SoriError: the recipe, the data or the device is unusable, a checkpoint cannot be written
            or read, or the loss stays infinite or undefined.
    """
    recipe = read_recipe(recipe_path)
    places.out.mkdir(parents=True, exist_ok=True)
    accelerator = start(device, recipe.training.precision)
    with accelerator.main_process_first():  # it may have to prepare the features
        source = make_source(registry.spec(recipe.model), recipe, places)
    learner = Learner(recipe, source, accelerator)
    log_path = places.out / "log.jsonl"
    progress = Progress(log_path, listen, watch, learner.tools.clock, learner.frame_seconds)
    keeper = Keeper(learner, limits, places.out, progress)
    keeper.resume()
    with interruptible() as asked, writing(places.out):
        while learner.step < recipe.training.steps:
            moved = learner.move(wish=float(asked() or keeper.is_late()))
            keeper.heed(moved.log)
            if keeper.is_writing:
                keeper.look(moved)
            if moved.wish > 0:
                break
        keeper.save()
    accelerator.wait_for_everyone()
    return places.out / MODEL
