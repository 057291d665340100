"""Packets: encoded sound in pieces that a container can hold, one after the other.

Source: Apple, "Core Audio Format Specification" 1.0, on packet tables; ISO/IEC 13818-7, on ADTS.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable

import numpy as np

from sori.audio import aac
from sori.audio.files import BLOCK_SAMPLES, to_pcm16

ALAC_SAMPLES, AAC_SAMPLES = 4096, 1024


class Packet(NamedTuple):
    """Encoded sound and the samples it holds."""

    data: bytes
    samples: int


@runtime_checkable
class Source(Protocol):
    """Makes packets of samples."""

    kind: bytes  # as MP4 names the codec
    priming: int  # samples that the encoder puts in front of the sound

    def push(self, samples: np.ndarray) -> Iterator[Packet]: ...

    def pause(self) -> Iterator[Packet]:
        """What can be handed on at the end of a chapter."""
        ...

    def finish(self) -> Iterator[Packet]: ...

    def settings(self) -> bytes:
        """What a decoder must know before the first packet."""
        ...

    def close(self) -> None: ...


class Lossless:
    """Apple Lossless, taken out of the CAF files that libsndfile writes, one for each chapter."""

    kind = b"alac"
    priming = 0

    def __init__(self, beside: Path, sample_rate: int):
        self.part = beside.with_name(f".sori-{os.urandom(6).hex()}.part")
        self.sample_rate = sample_rate
        self.cookie = b""
        self.file = None

    def push(self, samples: np.ndarray) -> Iterator[Packet]:
        import soundfile

        if self.file is None:
            self.file = soundfile.SoundFile(
                self.part, "w", self.sample_rate, 1, subtype="ALAC_16", format="CAF"
            )
        pcm = to_pcm16(samples)
        for start in range(0, len(pcm), BLOCK_SAMPLES):
            self.file.write(pcm[start : start + BLOCK_SAMPLES])
        return iter(())

    def pause(self) -> Iterator[Packet]:
        if self.file is None:
            return
        self.file.close()
        self.file = None
        with self.part.open("rb") as caf:
            self.cookie, sizes, total = caf_tables(caf)
            for size in sizes:
                yield Packet(caf.read(size), min(ALAC_SAMPLES, total))
                total -= ALAC_SAMPLES
        self.part.unlink()

    finish = pause

    def settings(self) -> bytes:
        return self.cookie

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
        self.part.unlink(missing_ok=True)


def caf_tables(caf: BinaryIO) -> tuple[bytes, list[int], int]:
    """Decoder settings, sizes of the packets and number of samples; the file stands at the data."""
    chunks: dict[bytes, tuple[int, int]] = {}
    caf.seek(8)
    while b"data" not in chunks:  # the last one
        kind, size = struct.unpack(">4sq", caf.read(12))
        chunks[kind] = (caf.tell(), size)
        caf.seek(size, os.SEEK_CUR)
    cookie = chunk(caf, chunks[b"kuki"])
    table = chunk(caf, chunks[b"pakt"])
    number, valid = struct.unpack_from(">qq", table)
    sizes: list[int] = []
    value = 0
    for byte in table[24:]:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            sizes.append(value)
            value = 0
    caf.seek(chunks[b"data"][0] + 4)  # behind the count of edits
    return cookie, sizes[:number], valid


def chunk(caf: BinaryIO, place: tuple[int, int]) -> bytes:
    at, size = place
    caf.seek(at)
    return caf.read(size)


class Aac:
    """AAC from ffmpeg, its ADTS headers taken off."""

    kind = b"mp4a"
    priming = AAC_SAMPLES  # of ffmpeg's encoder

    def __init__(self, sample_rate: int):
        self.sample_rate = sample_rate
        self.encoder = aac.AacEncoder(sample_rate)
        self.waiting = b""
        self.config = b""

    def push(self, samples: np.ndarray) -> Iterator[Packet]:
        self.waiting += self.encoder.push(samples)
        return self.packets()

    def pause(self) -> Iterator[Packet]:
        return iter(())

    def finish(self) -> Iterator[Packet]:
        self.waiting += self.encoder.finish()
        return self.packets()

    def packets(self) -> Iterator[Packet]:
        at = 0
        while len(self.waiting) >= at + 7:
            head = self.waiting[at : at + 7]
            size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
            if len(self.waiting) < at + size:
                break
            # Kind of object, rate and channels, as the decoder's settings hold them.
            kind, rate, channels = (head[2] >> 6) + 1, head[2] >> 2 & 15, head[3] >> 6
            self.config = struct.pack(">H", kind << 11 | rate << 7 | channels << 3)
            start = at + (7 if head[1] & 1 else 9)
            yield Packet(self.waiting[start : at + size], AAC_SAMPLES)
            at += size
        self.waiting = self.waiting[at:]

    def settings(self) -> bytes:
        return self.config

    def close(self) -> None:
        self.encoder.close()
