"""Sound files: what each suffix means, reading, and writing that never leaves a part behind."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from sori.audio.resample import Resampler
from sori.core.audio import Audio
from sori.core.errors import SoriError

# A RIFF header counts bytes in 32 bits; one mebibyte is left for the header and other chunks.
WAV_BYTES = 2**32 - 2**20
# libvorbis keeps a whole block on the stack, so a long block can overflow it.
BLOCK_SAMPLES = 32768


@dataclass(frozen=True)
class Format:
    """How libsndfile names a format, and the sample rates it can hold (none listed: any)."""

    container: str
    subtype: str
    rates: tuple[int, ...] = ()

    def rate_for(self, sample_rate: int) -> int:
        """The rate to store: the same if it fits, else the next one up, else the highest."""
        if not self.rates or sample_rate in self.rates:
            return sample_rate
        return min((rate for rate in self.rates if rate > sample_rate), default=max(self.rates))


MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
FORMATS = {
    ".wav": Format("WAV", "PCM_16"),
    ".flac": Format("FLAC", "PCM_16"),
    ".ogg": Format("OGG", "VORBIS"),
    ".opus": Format("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    ".mp3": Format("MP3", "MPEG_LAYER_III", MP3_RATES),
}


def format_of(path: Path) -> Format:
    """The format that the suffix of `path` names."""
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        given = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise SoriError(f"{path} has {given}; name a file that ends in {', '.join(FORMATS)}")
    return found


def to_pcm16(samples: np.ndarray) -> np.ndarray:
    """Samples as little-endian 16-bit integers."""
    return np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")


def read(path: str | os.PathLike[str]) -> Audio:
    """Sound of a file as mono; channels are averaged."""
    import soundfile  # 20 ms that a program which only speaks into memory need not spend

    try:
        samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise SoriError(f"cannot read {os.fspath(path)}: {reason(error)}") from error
    return Audio(samples.mean(axis=1), sample_rate)


def write(path: str | os.PathLike[str], audio: Audio) -> None:
    """Write a whole file; the suffix chooses the format."""
    with AudioWriter(Path(path), audio.sample_rate) as writer:
        writer.write(audio.samples)


class AudioWriter:
    """Writes a sound file piece by piece, beside its name, and renames it when it is whole.

    An error inside the `with` block, or an interruption, removes the part and leaves an older file
    of that name as it was.
    """

    def __init__(self, path: Path, sample_rate: int):
        self.path = path
        self.format = writable_format(path)
        # The target of a link is replaced, not the link.
        self.target = path.resolve()
        self.part = self.target.with_name(f".sori-{os.urandom(6).hex()}.part")
        self.sample_rate = self.format.rate_for(sample_rate)
        self.resampler = None
        if self.sample_rate != sample_rate:
            self.resampler = Resampler(sample_rate, self.sample_rate)
        self.given_rate = sample_rate
        self.samples_given = 0
        self.samples_written = 0
        self.chapters: list[tuple[str, int]] = []  # titles and the samples they start at

    def __enter__(self) -> "AudioWriter":
        import soundfile

        try:
            self.file = soundfile.SoundFile(
                self.part,
                "w",
                self.sample_rate,
                channels=1,
                subtype=self.format.subtype,
                format=self.format.container,
            )
        except (OSError, soundfile.SoundFileError) as error:
            self.discard()
            raise failure(self.path, error) from error
        return self

    def write(self, samples: np.ndarray) -> None:
        """Append samples at the rate given to the constructor."""
        self.samples_given += len(samples)
        self.store(samples if self.resampler is None else self.resampler.push(samples))

    def chapter(self, title: str) -> None:
        """What is written from here on is this chapter; only .opus files show it."""
        self.chapters.append((title, self.samples_given))

    def store(self, samples: np.ndarray) -> None:
        self.samples_written += len(samples)
        if self.format.container == "WAV" and 2 * self.samples_written > WAV_BYTES:
            hours = WAV_BYTES / 2 / self.sample_rate / 3600
            raise SoriError(
                f"{self.path} would pass 4 GB, the most a wav file can hold ({hours:.0f} hours); "
                "name a .flac, .opus or .mp3 file"
            )
        if self.format.subtype == "PCM_16":
            samples = to_pcm16(samples)
        try:
            for start in range(0, len(samples), BLOCK_SAMPLES):
                self.file.write(samples[start : start + BLOCK_SAMPLES])
        except (OSError, RuntimeError, AssertionError) as error:  # soundfile asserts the count
            raise failure(self.path, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        whole = False
        try:
            if error is None and self.resampler is not None:
                self.store(self.resampler.finish())
            self.close()
            if error is None:
                self.settle()
                os.replace(self.part, self.target)
                whole = True
        except OSError as cause:
            raise failure(self.path, cause) from cause
        finally:
            if not whole:
                self.discard()

    def settle(self) -> None:
        """Give an Ogg file what libsndfile cannot: a fixed stream number and its chapters."""
        if self.format.container != "OGG":
            return
        from sori.audio import ogg

        plain = self.part.with_suffix(".plain.part")
        try:
            os.replace(self.part, plain)
            starts = [(title, samples / self.given_rate) for title, samples in self.chapters]
            ogg.rewrite(plain, self.part, list(ogg.chapter_comments(starts)))
        finally:
            plain.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the part, if there is one."""
        self.part.unlink(missing_ok=True)

    def close(self) -> None:
        try:
            self.file.close()
        except RuntimeError as error:
            raise failure(self.path, error) from error


def failure(path: Path, error: Exception) -> SoriError:
    """What a user is told when a file cannot be written."""
    return SoriError(f"cannot write {path}: {reason(error)}; choose another place")


def reason(error: Exception) -> str:
    """What went wrong, without the path that the message already names."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, AssertionError):
        return "the disk took only a part of it"
    text = getattr(error, "error_string", "") or str(error)
    return text.strip().rstrip(".")


def writable_format(path: Path) -> Format:
    """The format of a file to write.

    Raises:
        SoriError: the file could not be written, which is better known before a text is spoken.
    """
    writable_place(path)
    return format_of(path)


def writable_place(path: Path) -> None:
    """Refuse a place where no file can be written.

    Raises:
        SoriError: the file could not be written, which is better known before a text is spoken.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise SoriError(f"cannot write {path}: {error.strerror}; choose another place") from error
    if mode is not None and stat.S_ISDIR(mode):
        raise SoriError(f"{path} is a folder; name a file in it, such as {path / 'speech.wav'}")
    if mode is not None and not stat.S_ISREG(mode):
        raise SoriError(f"{path} is not a regular file; choose another name")
    if mode is not None and not os.access(path, os.W_OK):
        raise SoriError(f"cannot write {path}: it is read-only to you; choose another name")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise SoriError(f"cannot write {path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SoriError(f"cannot write {path}: the folder {folder} is read-only to you")
