"""Speed, memory and size of something that speaks."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sori.core.audio import Audio

Say = Callable[[str], Audio]


@dataclass(frozen=True)
class Speed:
    """How fast a warm speaker is.

    `times_real_time` is seconds of sound made in one second; each round speaks every sentence,
    and the median round counts.
    """

    times_real_time: float
    audio_seconds: float
    rounds: list[float]


def time_speaking(
    say: Say,
    texts: Sequence[str],
    rounds: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Time a speaker on sentences, after one that warms it up."""
    say(texts[0])
    ratios = []
    audio_seconds = 0.0
    for _ in range(rounds):
        start = clock()
        audio_seconds = sum(say(text).seconds for text in texts)
        ratios.append(audio_seconds / (clock() - start))
    return Speed(median(ratios), audio_seconds, ratios)


def peak_memory_bytes() -> int:
    """Return the most memory that this process ever held.

    Linux tells it for this program alone; `getrusage` counts what ran before the program was
    started in this process, and elsewhere than on Linux it is all there is (bytes on macOS).
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", maxsplit=1) for line in status.read_text().splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    import resource  # Windows has no such module

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
