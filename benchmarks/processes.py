"""Measuring programs from outside: time to the finished file, peak memory, size, the machine."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.002
BUSY_WINDOW_SECONDS = 0.5


def run_seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Return the time from starting a program to its end."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def run_peak_bytes(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return the most memory that a program held, read from /proc while it runs.

    The kernel's own account of a finished child also counts the moment before it became the
    program, when it was a copy of this process.
    """
    peak = 0
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            peak = max(peak, high_water_bytes(process.pid))
            time.sleep(POLL_SECONDS)
    return peak


def high_water_bytes(process_id: int) -> int:
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:  # it has just ended
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return 1024 * int(lines[0].split()[1]) if lines else 0


def commit() -> str:
    """The commit of this repository, in short."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    folder = os.path.dirname(__file__)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.strip()


def busy_share() -> float:
    """Return the share of all processors that other work takes, 0 to 1, watched for a moment."""

    def counters() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]  # idle and waiting for disks

    total_before, idle_before = counters()
    time.sleep(BUSY_WINDOW_SECONDS)
    total, idle = counters()
    return 1 - (idle - idle_before) / max(1, total - total_before)


def size_bytes(place: Path) -> int:
    """Return the size of a file, or of all files below a folder."""
    if place.is_file():
        return place.stat().st_size
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def describe_machine() -> dict[str, str | int]:
    """Return what a reader needs to judge the times, and nothing that names the machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_kb / 2**20),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
