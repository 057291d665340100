"""Takes are the same whoever makes them, and nothing is lost with a worker or a disk."""

import os
import resource
import signal
import time

import pytest
from processes import children, wait_until_gone

LINES = [f"This is sentence number {number}." for number in range(12)]
BOOK = "\n\n".join(
    f"# Part {n}\n\n{' '.join(LINES).replace('This', f'Here {n}')}" for n in range(3)
)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "options", [["--jobs", "2"], ["--jobs", "3"], ["--engine", "ray", "--jobs", "2"]]
)
def test_every_engine_makes_the_same_bytes(start, sori, somewhere, options):
    if "ray" in options:
        pytest.importorskip("ray", reason='the extra "scale" is not installed')
    (somewhere / "book.md").write_text(BOOK)
    common = ("read", "book.md", "--voice", "tiny")
    sori(*common, "--out", "one", "--jobs", "1")

    # A process of its own: Ray's threads would warn in this one.
    process = start(*common, "--out", "other", *options)
    _, told = process.communicate(timeout=120)

    assert process.returncode == 0, told
    assert contents(somewhere / "other") == contents(somewhere / "one")


def test_a_killed_worker_is_told_and_the_same_command_goes_on(start, sori, somewhere):
    (somewhere / "book.md").write_text(BOOK)
    command = ("read", "book.md", "--voice", "tiny", "--jobs", "2")
    process = start(*command, "--out", "book")
    kept = somewhere / "book" / ".sori-takes"
    while process.poll() is None and len(list(kept.glob("[!.]*"))) < 2:
        time.sleep(0.005)

    os.kill(children(process.pid)[-1], signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    again = sori(*command, "--out", "book")
    sori(*command, "--out", "fresh")

    assert process.returncode == 2
    assert told.decode().count("\n") == 1
    assert "a worker was ended from outside" in told.decode()
    assert again.status == 0
    assert contents(somewhere / "book") == contents(somewhere / "fresh")


def test_workers_end_with_a_killed_command(start, somewhere):
    (somewhere / "book.md").write_text(BOOK * 20)
    process = start("read", "book.md", "--voice", "tiny", "--jobs", "2")
    kept = somewhere / "book" / ".sori-takes"
    while process.poll() is None and len(list(kept.glob("[!.]*"))) < 3:
        time.sleep(0.005)
    workers = children(process.pid)

    process.kill()
    process.wait()

    assert workers
    wait_until_gone(workers)


@pytest.mark.parametrize("form", ["flac", "m4b", "opus"])
def test_a_full_disk_is_told_and_the_reading_goes_on_later(start, sori, somewhere, form):
    (somewhere / "book.md").write_text(BOOK)
    command = ("read", "book.md", "--voice", "tiny", "--format", form, "--jobs", "1")

    # No file may grow beyond this: the takes fit, a chapter does not.
    process = start(
        *command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    _, told = process.communicate(timeout=60)

    assert process.returncode == 2, told
    (line,) = told.decode().splitlines()
    assert line.startswith("sori: cannot write ")
    assert not list((somewhere / "book").glob("*.part"))
    assert sori(*command).status == 0
    sori(*command, "--out", "fresh")
    assert contents(somewhere / "book") == contents(somewhere / "fresh")
