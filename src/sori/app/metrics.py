"""What a server counted, as Prometheus reads it.

Source: Prometheus, "Exposition formats", text-based format 0.0.4.
"""

import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HELP = {
    "sori_requests_total": "Requests answered, by route and status.",
    "sori_characters_total": "Characters of the texts that were taken on.",
    "sori_speech_seconds_total": "Seconds of speech made.",
    "sori_abandoned_total": "Requests whose client went away before the end.",
}
FIRST_BYTE = "sori_first_byte_seconds"
EDGES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters of one worker process, which its label names: another worker has its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.worker: Labels = (("worker", str(os.getpid())),)
        self.counts: defaultdict[tuple[str, Labels], float] = defaultdict(float)
        self.first_bytes = [0] * (len(EDGES_SECONDS) + 1)
        self.first_byte_seconds = 0.0
        self.started = time.time()

    def add(self, name: str, amount: float | int = 1, **labels: str) -> None:
        """Count something of HELP."""
        with self.lock:
            self.counts[name, tuple(sorted(labels.items()))] += amount

    def first_byte(self, seconds: float) -> None:
        """Note how long a client waited for its first byte of sound."""
        with self.lock:
            self.first_bytes[bisect_left(EDGES_SECONDS, seconds)] += 1
            self.first_byte_seconds += seconds

    def text(self, requests_inside: int) -> str:
        """Everything, in the text format."""
        with self.lock:
            lines = [*self.counters(), *self.histogram()]
        lines += self.gauge("sori_requests_inside", "Requests being served.", requests_inside)
        lines += self.gauge("sori_start_time_seconds", "When the worker started.", self.started)
        return "\n".join(lines) + "\n"

    def counters(self) -> Iterator[str]:
        for name, meaning in HELP.items():
            yield f"# HELP {name} {meaning}"
            yield f"# TYPE {name} counter"
            for (counted, labels), amount in sorted(self.counts.items()):
                if counted == name:
                    yield f"{name}{self.braces(labels)} {amount:.10g}"

    def histogram(self) -> Iterator[str]:
        yield f"# HELP {FIRST_BYTE} Seconds from a request to its first byte of sound."
        yield f"# TYPE {FIRST_BYTE} histogram"
        total = 0
        for edge, number in zip((*EDGES_SECONDS, "+Inf"), self.first_bytes, strict=True):
            total += number
            yield f"{FIRST_BYTE}_bucket{self.braces((('le', str(edge)),))} {total}"
        yield f"{FIRST_BYTE}_sum{self.braces(())} {self.first_byte_seconds:.6f}"
        yield f"{FIRST_BYTE}_count{self.braces(())} {total}"

    def gauge(self, name: str, meaning: str, value: float | int) -> list[str]:
        return [
            f"# HELP {name} {meaning}",
            f"# TYPE {name} gauge",
            f"{name}{self.braces(())} {value:.15g}",
        ]

    def braces(self, labels: Labels) -> str:
        return "{" + ",".join(f'{key}="{value}"' for key, value in (*labels, *self.worker)) + "}"
