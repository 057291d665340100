"""Where the time of a step goes."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STAGES = ("data", "forward", "backward", "optimizer")


class Clock:
    """Adds up the seconds of each stage.

    Args (of the constructor):
        finish: waits until the device has done its work; without it, work on a GPU is counted in
            the stage that waits for it first.
    """

    def __init__(self, finish: Callable[[], None] = lambda: None):
        self.finish = finish
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.finish()
            self.seconds[stage] += time.perf_counter() - started

    def take(self) -> dict[str, float]:
        """The seconds of each stage since the last call."""
        taken = {stage: self.seconds[stage] for stage in STAGES}
        self.seconds.clear()
        return taken
