"""The server's workshop: one voice at a time is cloned, in a process of its own."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple
from uuid import uuid4

from sori.app.clone_working import FAULT
from sori.app.faults import LOG
from sori.core.errors import SoriError
from sori.core.files import beside, make_folder

MOST_JOBS = 20  # finished ones that are remembered
STOP_SECONDS = 5.0  # to leave, before a process is killed
UNSAID = "the work broke off; the log of the server says more"


@dataclass(frozen=True)
class Cloning:
    """What voices are cloned from, and where they are kept.

    Args:
        base: folder with the weights to start from; None is where `sori clone` looks.
        folder: of the finished voices; made when the first is.
        steps: of the training; None is what `sori clone` takes.
    """

    base: Path | None = None
    folder: Path = Path("clones")
    steps: int | None = None

    def is_possible(self) -> bool:
        """Whether the learning half is installed, and there is something to start from."""
        if find_spec("torch") is None:
            return False
        if self.base is None and find_spec("sori_weights") is not None:
            return True
        return any((self.base or Path("weights")).glob("*.safetensors"))


class Recorded(NamedTuple):
    """A recording: the bytes of a wav file, and what is said in it (or nothing, to be heard)."""

    wav: bytes
    text: str


@dataclass
class Job:
    """A voice in the making, or made."""

    name: str
    id: str = field(default_factory=lambda: uuid4().hex)
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    stage: str = "start"
    share: float = 0.0
    message: str = ""  # why it failed
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.started


class BusyError(SoriError):
    """A voice is in the making already."""


class Workshop:
    """Takes orders for voices.

    Args:
        made: is told the file of every finished voice.
    """

    def __init__(self, cloning: Cloning, made: Callable[[Path], None]):
        self.cloning = cloning
        self.made = made
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def place(self, job: Job) -> Path:
        """Where the voice of a job is kept."""
        return self.cloning.folder / f"{job.name}.onnx"

    def begin(self, name: str, accent: str, recordings: Sequence[Recorded]) -> Job:
        """Begin to clone.

        Raises:
            BusyError: another voice is in the making.
            SoriError: the voices cannot be kept.
            OSError: there is no room for the recordings.
        """
        with self.lock:
            if self.process is not None:
                raise BusyError("a voice is in the making; wait for it, or cancel it")
            make_folder(self.cloning.folder)
            job = Job(name)
            work = TemporaryDirectory(prefix="sori-clone-")
            try:
                order = write_order(Path(work.name), job, accent, recordings, self.cloning)
                with complaints(work).open("wb") as stderr:
                    self.process = subprocess.Popen(
                        [sys.executable, "-m", "sori.app.clone_working", str(order)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=stderr,
                        text=True,
                    )
            except OSError:
                work.cleanup()
                raise
            self.jobs[job.id] = job
            while len(self.jobs) > MOST_JOBS:
                self.jobs.popitem(last=False)
        threading.Thread(target=self.watch, args=(job, self.process, work), daemon=True).start()
        return job

    def watch(
        self, job: Job, process: subprocess.Popen[str], work: TemporaryDirectory[str]
    ) -> None:
        """Follow a process to its end; whatever it is, the recordings are removed."""
        assert process.stdout is not None
        with work, process:
            for line in process.stdout:
                told = json.loads(line)
                job.stage, job.share = told["stage"], told["share"]
            state, message = "cancelled", ""
            if process.wait() == 0 and job.state == "running":
                state, message = self.keep(job, Path(work.name) / f"{job.name}.onnx")
            elif job.state == "running":
                state, message = "failed", fault(process.returncode, complaints(work))
        with self.lock:
            job.ended = time.monotonic()
            if job.state == "running":
                job.state, job.message = state, message
            self.process = None

    def keep(self, job: Job, voice: Path) -> tuple[Literal["done", "failed"], str]:
        """Move a finished voice to its place, and let the server speak with it."""
        try:
            with beside(self.place(job)) as part:
                shutil.copyfile(voice, part)
            self.made(self.place(job))
        except (OSError, SoriError) as error:
            return "failed", f"cannot keep the voice: {error}"
        return "done", ""

    def cancel(self, job: Job) -> None:
        """Stop a job; one that has ended stays as it is."""
        with self.lock:
            process = self.process
            if job.state != "running" or process is None:
                return
            job.state = "cancelled"
            process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def write_order(
    work: Path, job: Job, accent: str, recordings: Sequence[Recorded], cloning: Cloning
) -> Path:
    """Lay out the recordings and the order of a job."""
    folder = work / "recordings"
    folder.mkdir()
    for number, recorded in enumerate(recordings, start=1):
        (folder / f"{number:02}.wav").write_bytes(recorded.wav)
        if text := " ".join(recorded.text.split()):
            (folder / f"{number:02}.txt").write_text(text, encoding="utf-8")
    ordered = {
        "folder": str(folder.resolve()),
        "name": job.name,
        "out": str((work / f"{job.name}.onnx").resolve()),
        "base": str(cloning.base.resolve()) if cloning.base else None,
        "accent": accent,
        "steps": cloning.steps,
    }
    order = work / "order.json"
    given = {key: value for key, value in ordered.items() if value is not None}
    order.write_text(json.dumps(given), encoding="utf-8")
    return order


def complaints(work: TemporaryDirectory[str]) -> Path:
    """Where a process writes its standard error."""
    return Path(work.name) / "complaints.txt"


def fault(status: int, complaints: Path) -> str:
    """What a client is told of a process that failed; what only developers understand is logged."""
    lines = complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if status == FAULT and lines:
        return lines[-1]
    LOG.error("cloning ended with status %d: %s", status, "\n".join(lines))
    return UNSAID
