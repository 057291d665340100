"""What a run tells: a line of JSON every so often, and the same to whoever listens."""

import json
import math
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sori.learn.contracts import Exhibit
from sori.learn.training.clock import Clock

LOG_EVERY = 100  # reading a logged value waits for the device
LOG_SECONDS = 20.0  # for models whose hundred steps take minutes

Row = dict[str, Any]
Listener = Callable[[Row], None]


@dataclass(frozen=True)
class Watch:
    """Who looks on more closely than a listener does.

    Args:
        step: is told the number of steps done, after each; must not take long.
        exhibit: is given what the network makes of one utterance, and its sample rate.
    """

    step: Callable[[int], None] = lambda step: None
    exhibit: Callable[[int, Exhibit, int], None] = lambda step, exhibit, sample_rate: None


class Progress:
    """Counts what was done between two lines of the log.

    Args (of the constructor):
        path: of the log.
        listen: is told every line.
        frame_seconds: of a mel frame; 0 for models that know none.
    """

    def __init__(
        self, path: Path, listen: Listener, watch: Watch, clock: Clock, frame_seconds: float
    ):
        self.path = path
        self.listen = listen
        self.watch = watch
        self.clock = clock
        self.frame_seconds = frame_seconds
        self.since = time.monotonic()
        self.steps = 0
        self.frames = 0.0

    def count(self, step: int, frames: float) -> None:
        """Note that a step is done, with so many frames in its batch."""
        self.steps += 1
        self.frames += frames
        self.watch.step(step)

    def is_due(self, step: int, last: int) -> bool:
        """Whether a line should be written after this step."""
        late = time.monotonic() - self.since > LOG_SECONDS
        return step % LOG_EVERY == 0 or late or step == last

    def report(self, step: int, log: Mapping[str, Tensor], rate: float) -> None:
        """Write a line of what was measured at a step, and how fast it goes."""
        seconds = max(time.monotonic() - self.since, 1e-6)
        row: Row = {name: rounded(value) for name, value in log.items()}
        row |= {"step": step, "rate": rate, "steps_per_second": round(self.steps / seconds, 3)}
        if self.frame_seconds:
            row["frames_per_second"] = round(self.frames / seconds, 1)
            row["audio_seconds_per_second"] = round(self.frames * self.frame_seconds / seconds, 2)
        for stage, taken in self.clock.take().items():
            row[f"share/{stage}"] = round(taken / seconds, 4)
        row["memory_mb"] = round(peak_memory_mb())
        self.since, self.steps, self.frames = time.monotonic(), 0, 0.0
        self.write(row)

    def write(self, row: Row) -> None:
        """Append a line, and tell it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.listen(row)


def rounded(value: Tensor | float) -> float | None:
    """Five decimals; None where the number is infinite or undefined, which JSON cannot say."""
    number = float(value)
    return round(number, 5) if math.isfinite(number) else None


def peak_memory_mb() -> float:
    """The most memory that this process has used: of the GPU where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def frames_of(batch: Any) -> float:
    """Mel frames in a batch, without padding; 0 where it has none."""
    names = {field.name for field in fields(batch)}
    if "mel_len" in names:
        return float(batch.mel_len.sum())
    return float(batch.mel.shape[0] * batch.mel.shape[2]) if "mel" in names else 0.0
