"""AAC through ffmpeg, where that program is installed; Sori itself brings no encoder for it."""

import contextlib
import queue
import shutil
import subprocess
import threading

import numpy as np

from sori.audio.files import to_pcm16
from sori.core.errors import SoriError

PROGRAM = "ffmpeg"
BITS_PER_SECOND = 64_000
BLOCK_BYTES = 1 << 16
# What ffmpeg is told about raw sound, and that it shall hold nothing back.
COMMAND = (
    "{program} -nostdin -v error -probesize 32 -f s16le -ar {rate} -ac 1 -i pipe:0 "
    "-fflags +bitexact -flags +bitexact -c:a aac -b:a {bits} -flush_packets 1 -f adts pipe:1"
)


def is_at_hand() -> bool:
    return shutil.which(PROGRAM) is not None


class AacEncoder:
    """Takes samples and gives ADTS frames; a thread collects what the program writes.

    Raises:
        SoriError: the program is not installed.
    """

    def __init__(self, sample_rate: int):
        program = shutil.which(PROGRAM)
        if program is None:
            raise SoriError(f"aac needs the program {PROGRAM}, which is not installed")
        command = COMMAND.format(program=program, rate=sample_rate, bits=BITS_PER_SECOND).split()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.made: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.collector = threading.Thread(target=self.collect, daemon=True)
        self.collector.start()

    def collect(self) -> None:
        assert self.process.stdout is not None
        while block := self.process.stdout.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
            self.made.put(block)

    def push(self, samples: np.ndarray) -> bytes:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(to_pcm16(samples).tobytes())
            self.process.stdin.flush()
        except OSError as error:
            raise SoriError(f"{PROGRAM} stopped while it encoded; try another format") from error
        return self.taken()

    def finish(self) -> bytes:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.collector.join()
        if self.process.wait():
            raise SoriError(f"{PROGRAM} failed to encode; try another format")
        return self.taken()

    def taken(self) -> bytes:
        blocks = []
        while not self.made.empty():
            blocks.append(self.made.get())
        return b"".join(blocks)

    def close(self) -> None:
        """End the program, whether it has finished or not."""
        self.process.kill()
        self.process.wait()
        self.collector.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
