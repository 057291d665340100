"""Playing on the machine's speakers, through a program that the machine already has."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from sori.core.errors import SoriError

# Each reads raw 16-bit mono from its standard input; {rate} is filled in.
STREAMING = {
    "pw-play": "pw-play --raw --format s16 --channels 1 --rate {rate} -",
    "paplay": "paplay --raw --format=s16le --channels=1 --rate={rate}",
    "aplay": "aplay -q -t raw -f S16_LE -c 1 -r {rate} -",
    "ffplay": "ffplay -nodisp -autoexit -loglevel error -f s16le -ar {rate} -i -",
}
# macOS has afplay, Windows its own library; both play a finished file.
FILE_PLAYER = "afplay"
ADVICE = "install aplay (alsa-utils), paplay (pulseaudio-utils) or ffplay (ffmpeg)"


def find_player() -> str | None:
    """Name of the first player that is installed."""
    if sys.platform == "win32":
        return "winsound"
    return next((name for name in (*STREAMING, FILE_PLAYER) if shutil.which(name)), None)


@contextlib.contextmanager
def open_player(sample_rate: int) -> Iterator[IO[bytes]]:
    """A stream that plays the raw 16-bit samples written to it."""
    player = find_player()
    if player is None:
        raise SoriError(f"there is no program to play with; {ADVICE}, or write a file with --out")
    if player in STREAMING:
        with piped(STREAMING[player].format(rate=sample_rate).split()) as stream:
            yield stream
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        with tempfile.TemporaryFile() as raw:
            yield raw
            raw.seek(0)
            store_wav(raw, path, sample_rate)
        play_file(path)


@contextlib.contextmanager
def piped(command: Sequence[str]) -> Iterator[IO[bytes]]:
    """Standard input of a player; leaving waits until all is played, an error stops it."""
    with tempfile.TemporaryFile() as complaints:
        player = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=complaints)
        assert player.stdin is not None
        try:
            yield player.stdin
            player.stdin.close()
            status = player.wait()
        except BrokenPipeError:
            with contextlib.suppress(OSError):
                player.stdin.close()
            status = player.wait()
            if not status:  # the player is well: another reader has gone
                raise
        finally:
            player.kill()
            player.wait()
            with contextlib.suppress(OSError):
                player.stdin.close()
        if status:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else f"it ended with status {status}"
            raise SoriError(f"{command[0]} cannot play: {reason}; write a file with --out")


def store_wav(raw: IO[bytes], path: Path, sample_rate: int) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sample_rate, 0, "NONE", "not compressed"))
        while block := raw.read(1 << 16):
            file.writeframes(block)


def play_file(path: Path) -> None:
    if sys.platform == "win32":
        import winsound

        winsound.PlaySound(str(path), winsound.SND_FILENAME)
        return
    done = subprocess.run([FILE_PLAYER, str(path)], capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise SoriError(f"{FILE_PLAYER} cannot play: {reason}; write a file with --out")
