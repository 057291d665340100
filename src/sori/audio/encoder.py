"""Encoding: sound as the bytes of a file format, ready while more of it is still being made."""

import io
import struct
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

import numpy as np

from sori.audio import aac
from sori.audio.files import BLOCK_SAMPLES, FORMATS, MP3_RATES, Format, to_pcm16
from sori.audio.resample import Resampler
from sori.core.errors import SoriError

# What players take for "until the stream ends": the header leaves before the length is known.
UNKNOWN_BYTES = 0xFFFFFFFF
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
PCM_RATE = 24000
# MPEG-1 and MPEG-2 layer III, ISO 11172-3 and 13818-3: kbit/s by the four bits of a frame's header.
MPEG1_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG2_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG1_RATES = (44100, 48000, 32000)


@runtime_checkable
class Encoder(Protocol):
    """Takes samples and gives bytes; what it holds back comes with `finish`."""

    def push(self, samples: np.ndarray) -> bytes: ...

    def finish(self) -> bytes: ...

    def close(self) -> None:
        """Let go of everything, finished or not."""
        ...


def formats() -> tuple[str, ...]:
    """Formats of MEDIA_TYPES that can be encoded on this machine."""
    return tuple(name for name in MEDIA_TYPES if name != "aac" or aac.is_at_hand())


def encoder(name: str, sample_rate: int) -> Encoder:
    """The encoder of a format in MEDIA_TYPES for sound of this rate.

    Raises:
        SoriError: no encoder of that name is at hand.
    """
    if name not in formats():
        raise SoriError(
            f"there is no encoder for {name} here; choose one of: {', '.join(formats())}"
        )
    if name == "aac":
        form = Format("ADTS", "AAC", MP3_RATES)
        return Resampling(aac.AacEncoder(form.rate_for(sample_rate)), form, sample_rate)
    if name == "pcm":
        return Resampling(Raw(), Format("RAW", "PCM_16", (PCM_RATE,)), sample_rate)
    if name == "wav":
        return Raw(wav_header(sample_rate))
    found = FORMATS[f".{name}"]
    return Resampling(Compressed(found, found.rate_for(sample_rate)), found, sample_rate)


class Raw:
    """Little-endian 16-bit samples behind a header."""

    def __init__(self, header: bytes = b""):
        self.header = header

    def push(self, samples: np.ndarray) -> bytes:
        header, self.header = self.header, b""
        return header + to_pcm16(samples).tobytes()

    def finish(self) -> bytes:
        return b""

    def close(self) -> None:
        pass


def wav_header(sample_rate: int) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    unknown = struct.pack("<I", UNKNOWN_BYTES)
    return b"RIFF" + unknown + b"WAVEfmt " + form + b"data" + unknown


class Resampling:
    """Another encoder, at a rate that its format holds."""

    def __init__(self, inner: Encoder, form: Format, sample_rate: int):
        self.inner = inner
        rate = form.rate_for(sample_rate)
        self.resampler = None if rate == sample_rate else Resampler(sample_rate, rate)

    def push(self, samples: np.ndarray) -> bytes:
        return self.inner.push(self.resampler.push(samples) if self.resampler else samples)

    def finish(self) -> bytes:
        rest = self.inner.push(self.resampler.finish()) if self.resampler else b""
        return rest + self.inner.finish()

    def close(self) -> None:
        self.inner.close()


class Compressed:
    """What libsndfile compresses."""

    def __init__(self, form: Format, sample_rate: int):
        import soundfile

        self.outbox = Outbox()
        self.is_mp3 = form.container == "MP3"
        self.is_flac = form.container == "FLAC"
        self.file = soundfile.SoundFile(
            cast(BinaryIO, self.outbox),  # it has the four methods of one that are called
            "w",
            sample_rate,
            channels=1,
            subtype=form.subtype,
            format=form.container,
            # A player that is not told the length can only reckon it at a constant rate, and
            # libsndfile sets the rate only behind a level: 0.5 is 80 kbit/s at 24 kHz.
            compression_level=0.5 if self.is_mp3 else None,
            bitrate_mode="CONSTANT" if self.is_mp3 else None,
        )

    def push(self, samples: np.ndarray) -> bytes:
        if self.is_flac:
            samples = to_pcm16(samples)
        for start in range(0, len(samples), BLOCK_SAMPLES):
            self.file.write(samples[start : start + BLOCK_SAMPLES])
        # Many readers refuse a flac whose header does not know its length: it leaves whole.
        return b"" if self.is_flac else self.taken()

    def finish(self) -> bytes:
        self.file.close()
        return self.taken()

    def close(self) -> None:
        self.file.close()

    def taken(self) -> bytes:
        if self.is_mp3 and not self.outbox.sent:
            head = self.outbox.head(4)
            if len(head) < 4:
                return b""
            # Its first frame is room for lengths that are known at the end; it is not sound.
            self.outbox.drop(mpeg_frame_bytes(head))
        return self.outbox.take()


def mpeg_frame_bytes(header: bytes) -> int:
    """Bytes of the layer III frame that begins with these four."""
    version, kbits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    padding = header[2] >> 1 & 1
    if version == 3:
        return 144000 * MPEG1_KBITS[kbits] // MPEG1_RATES[rate] + padding
    # MPEG-2 halves the rates, MPEG-2.5 quarters them.
    divisor = 2 if version == 2 else 4
    return 72000 * MPEG2_KBITS[kbits] // (MPEG1_RATES[rate] // divisor) + padding


class Outbox:
    """The file that libsndfile believes it writes: it keeps only what has not been taken.

    Headers that are mended at the end change what is still here; what was sent stays as it was.
    """

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.sent = 0
        self.at = 0

    def write(self, data: Any) -> int:
        kept = bytes(data)[max(0, self.sent - self.at) :]
        place = max(self.at, self.sent) - self.sent
        self.waiting[place : place + len(kept)] = kept
        self.at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.sent + len(self.waiting)}
        self.at = origin[whence] + offset
        return self.at

    def tell(self) -> int:
        return self.at

    def head(self, number: int) -> bytes:
        return bytes(self.waiting[:number])

    def drop(self, number: int) -> None:
        del self.waiting[:number]
        self.sent += number

    def take(self) -> bytes:
        """Everything that waits; it counts as sent."""
        taken = bytes(self.waiting)
        self.drop(len(taken))
        return taken
