"""Recording: lets something speak the sentences of a test, into files and against the clock."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sori.audio.files import read, write
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.evaluation.clips import Clip
from sori.learn.evaluation.speed import Say

# A program that begins in a large process inherits its peak; this one is small. Bytes on macOS.
WATCHED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == "darwin" else 1024 * peak)
"""


def record(say: Say, texts: Sequence[str], folder: Path) -> list[Clip]:
    """Write each sentence as 001.wav, 002.wav, ... and return the recordings."""
    clips = [Clip(folder / f"{number:03}.wav", text) for number, text in enumerate(texts, start=1)]
    for clip, text in zip(clips, texts, strict=True):
        write(clip.path, say(text))
    return clips


@dataclass(frozen=True)
class Program:
    """Any program that writes a sentence into a sound file, as `prog {text} {out}`.

    The template is split as a shell would before the text is put in, so no text can become an
    option of its own or a second command.
    """

    template: str

    def __post_init__(self) -> None:
        for place in ("{text}", "{out}"):
            if place not in self.template:
                raise SoriError(
                    f"the command {self.template!r} needs {place}; see sori eval --help"
                )

    def command(self, text: str, out: Path) -> list[str]:
        return [
            part.replace("{out}", str(out)).replace("{text}", text)
            for part in shlex.split(self.template)
        ]

    def say(self, text: str) -> Audio:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "speech.wav"
            try:
                subprocess.run(self.command(text, out), check=True, capture_output=True, text=True)
            except FileNotFoundError as error:
                raise SoriError(f"there is no program {error.filename}; install it") from error
            except subprocess.CalledProcessError as error:
                last = (error.stderr.strip() or f"exit status {error.returncode}").splitlines()[-1]
                raise SoriError(f"{shlex.split(self.template)[0]} failed: {last}") from error
            return read(out)

    def peak_memory_bytes(self, text: str) -> int | None:
        """The most memory that the program holds while it says a text; None on Windows."""
        if sys.platform == "win32":
            return None
        with tempfile.TemporaryDirectory() as folder:
            command = self.command(text, Path(folder) / "speech.wav")
            watched = [sys.executable, "-I", "-c", WATCHED, *command]
            done = subprocess.run(watched, check=True, capture_output=True, text=True)
            return int(done.stdout)
