"""Processes that a test looks at from outside; Linux only, as /proc is."""

import time
from pathlib import Path

PATIENCE_SECONDS = 30


def children(parent):
    """Numbers of the living children of a process, the oldest first."""
    alive = (int(place.name) for place in Path("/proc").glob("[0-9]*"))
    return sorted(pid for pid in alive if parent_of(pid) == parent)


def parent_of(pid):
    """The parent of a process; None for one that has ended."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(parent)


def wait_until_gone(pids):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(parent_of(pid) is not None for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)
