"""Audio books as one MP4 file (.m4b) with chapter marks that players show.

The sound is AAC where ffmpeg is installed, else Apple Lossless, which libsndfile encodes. Chapters
are marked twice, because players differ: by a track of titles and by Nero's list.

Source: ISO/IEC 14496-12, "ISO base media file format", 14496-1 and -14 on AAC in it; Apple,
"QuickTime File Format", on chapter lists and text media.
"""

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from sori.audio import aac
from sori.audio.files import failure, writable_place
from sori.audio.packets import Aac, Lossless, Packet, Source

CHUNK_PACKETS = 64
MOST_LISTED = 255  # chapters in Nero's list, which counts them in one byte
AUDIO_TRACK, TITLE_TRACK = 1, 2
UNITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
UNDETERMINED = 0x55C4  # the language "und", five bits a letter
AUDIO_BOOK = 2  # iTunes' kind of media
UTF8, JPEG, PNG = 1, 13, 14  # iTunes' types of data
PICTURES = {b"\xff\xd8\xff": JPEG, b"\x89PNG\r\n\x1a\n": PNG}  # by how they begin


class Tags(NamedTuple):
    """What players show of a book; the cover is the bytes of a JPEG or PNG file."""

    title: str
    author: str = ""
    cover: bytes = b""


class Track:
    """Tables of one track: sizes and durations of its packets, places of its chunks."""

    def __init__(self) -> None:
        self.sizes = array("I")
        self.durations: list[list[int]] = []  # runs of equal ones: number, samples
        self.chunks = array("Q")
        self.open_packets = CHUNK_PACKETS

    def add(self, place: int, packet: Packet, is_alone: bool = False) -> None:
        if is_alone or self.open_packets == CHUNK_PACKETS:
            self.chunks.append(place)
            self.open_packets = 0
        self.open_packets += 1
        self.sizes.append(len(packet.data))
        if not self.durations or self.durations[-1][1] != packet.samples:
            self.durations.append([0, packet.samples])
        self.durations[-1][0] += 1

    @property
    def samples(self) -> int:
        return sum(number * samples for number, samples in self.durations)

    def table(self, entry: bytes, per_chunk: int) -> bytes:
        """The sample table box."""
        runs = b"".join(struct.pack(">II", *run) for run in self.durations)
        full, rest = divmod(len(self.sizes), per_chunk)
        # From which chunk on, how many packets, which description.
        layout = [(1, per_chunk, 1)] if full else []
        layout += [(full + 1, rest, 1)] if rest else []
        return box(
            b"stbl",
            full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
            full_box(b"stts", 0, 0, struct.pack(">I", len(self.durations)), runs),
            full_box(
                b"stsc",
                0,
                0,
                struct.pack(">I", len(layout)),
                b"".join(struct.pack(">III", *each) for each in layout),
            ),
            full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(self.sizes)), swapped(self.sizes)),
            full_box(b"co64", 0, 0, struct.pack(">I", len(self.chunks)), swapped(self.chunks)),
        )


class M4bWriter:
    """Writes a book beside its name, and renames it when it is whole."""

    def __init__(self, path: Path, sample_rate: int, tags: Tags):
        writable_place(path)
        self.path = path
        self.target = path.resolve()
        self.part = self.target.with_name(f".sori-{os.urandom(6).hex()}.part")
        self.sample_rate = sample_rate
        self.tags = tags
        self.chapters: list[tuple[str, int]] = []  # titles and the samples they start at
        self.samples = 0

    def __enter__(self) -> "M4bWriter":
        self.sound, self.titles = Track(), Track()
        has_aac = aac.is_at_hand()
        self.source: Source = (
            Aac(self.sample_rate) if has_aac else Lossless(self.target, self.sample_rate)
        )
        try:
            self.file = self.part.open("wb")
            brands = b"M4B " + struct.pack(">I", 0) + b"M4B M4A mp42isom"
            self.file.write(box(b"ftyp", brands))
            self.data_at = self.file.tell()
            self.file.write(struct.pack(">I4sQ", 1, b"mdat", 0))
        except OSError as error:
            self.source.close()
            raise failure(self.path, error) from error
        return self

    def chapter(self, title: str) -> None:
        """What is written from here on is this chapter."""
        self.store(self.source.pause())
        self.chapters.append((title, self.samples))

    def write(self, samples: np.ndarray) -> None:
        self.samples += len(samples)
        try:
            self.store(self.source.push(samples))
        except (OSError, RuntimeError) as error:
            raise failure(self.path, error) from error

    def store(self, packets: Iterator[Packet], track: Track | None = None) -> None:
        for packet in packets:
            (track or self.sound).add(self.file.tell(), packet, track is not None)
            self.file.write(packet.data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.finish()
            self.file.close()
            if error is None:
                os.replace(self.part, self.target)
        except (OSError, RuntimeError) as cause:
            raise failure(self.path, cause) from cause
        finally:
            self.source.close()
            self.file.close()
            self.part.unlink(missing_ok=True)

    def finish(self) -> None:
        self.store(self.source.finish())
        self.store(title_packets(self.chapters, self.samples), self.titles)
        end = self.file.tell()
        self.file.write(self.movie())
        self.file.seek(self.data_at + 8)
        self.file.write(struct.pack(">Q", end - self.data_at))

    def movie(self) -> bytes:
        """The box that describes the data."""
        rate = self.sample_rate
        head = struct.pack(">QQIQIHHQ", 0, 0, rate, self.samples, 0x10000, 0x100, 0, 0)
        marks = box(b"tref", box(b"chap", struct.pack(">I", TITLE_TRACK)))
        edits = edit_list(self.samples, self.source.priming)
        sound = box(
            b"trak",
            track_header(AUDIO_TRACK, self.samples, 7),
            edits,
            marks,
            self.media(self.sound, b"soun", sound_entry(self.source, rate), CHUNK_PACKETS),
        )
        titles = box(
            b"trak",
            track_header(TITLE_TRACK, self.samples, 2),
            self.media(self.titles, b"text", title_entry(), 1),
        )
        return box(
            b"moov",
            full_box(b"mvhd", 1, 0, head, UNITY, bytes(24), struct.pack(">I", TITLE_TRACK + 1)),
            sound,
            titles,
            box(b"udta", chapter_list(self.chapters, rate), description(self.tags)),
        )

    def media(self, track: Track, kind: bytes, entry: bytes, per_chunk: int) -> bytes:
        times = struct.pack(">QQIQHH", 0, 0, self.sample_rate, track.samples, UNDETERMINED, 0)
        here = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
        medium = full_box(b"smhd", 0, 0, bytes(4)) if kind == b"soun" else text_header()
        return box(
            b"mdia",
            full_box(b"mdhd", 1, 0, times),
            handler(kind),
            box(b"minf", medium, here, track.table(entry, per_chunk)),
        )


def title_packets(chapters: Sequence[tuple[str, int]], end: int) -> Iterator[Packet]:
    """Texts of the track of titles; each lasts as long as its chapter."""
    stops = [start for _, start in chapters[1:]] + [end]
    for (title, start), stop in zip(chapters, stops, strict=True):
        text = title.encode()[:65000]
        # The box behind the text says that it is UTF-8.
        encoding = box(b"encd", struct.pack(">I", 0x100))
        yield Packet(struct.pack(">H", len(text)) + text + encoding, stop - start)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def descriptor(tag: int, body: bytes) -> bytes:
    return bytes((tag, len(body))) + body


def swapped(numbers: array) -> bytes:
    """An array as big-endian bytes."""
    return np.asarray(numbers).byteswap().tobytes()


def handler(kind: bytes) -> bytes:
    return full_box(b"hdlr", 0, 0, bytes(4), kind, bytes(12), b"\0")


def track_header(number: int, samples: int, flags: int) -> bytes:
    volume = 0x100 if number == AUDIO_TRACK else 0
    head = struct.pack(">QQIIQQHHHH", 0, 0, number, 0, samples, 0, 0, 0, volume, 0)
    return full_box(b"tkhd", 1, flags, head, UNITY, bytes(8))


def edit_list(samples: int, priming: int) -> bytes:
    """Which part of the track is heard: all but what the encoder put in front."""
    entry = struct.pack(">IQqHH", 1, samples, priming, 1, 0)
    return box(b"edts", full_box(b"elst", 1, 0, entry))


def sound_entry(source: Source, sample_rate: int) -> bytes:
    """A description of mono sound, 16 bits a sample."""
    head = struct.pack(">6xHQHHII", 1, 0, 1, 16, 0, sample_rate << 16)
    if source.kind == b"alac":
        return box(source.kind, head, full_box(b"alac", 0, 0, source.settings()))
    rates = struct.pack(">II", aac.BITS_PER_SECOND, aac.BITS_PER_SECOND)
    # 0x40 is MPEG-4 audio, 0x15 an audio stream; the size of its buffer is left open.
    decoder = descriptor(4, b"\x40\x15\0\0\0" + rates + descriptor(5, source.settings()))
    stream = descriptor(3, b"\0\0\0" + decoder + descriptor(6, b"\x02"))
    return box(source.kind, head, full_box(b"esds", 0, 0, stream))


def title_entry() -> bytes:
    """A description of text with every choice of its looks left open."""
    return box(b"text", struct.pack(">6xH", 1), bytes(43))


def text_header() -> bytes:
    colours = struct.pack(">HHHHhH", 0x40, 0x8000, 0x8000, 0x8000, 0, 0)
    return box(b"gmhd", full_box(b"gmin", 0, 0, colours), box(b"text", UNITY))


def chapter_list(chapters: Sequence[tuple[str, int]], sample_rate: int) -> bytes:
    """Nero's list: starts in units of 100 ns, and titles."""
    listed = chapters[:MOST_LISTED]
    entries = [
        struct.pack(">QB", start * 10_000_000 // sample_rate, len(text)) + text
        for text, start in ((title.encode()[:MOST_LISTED], start) for title, start in listed)
    ]
    return full_box(b"chpl", 1, 0, struct.pack(">IB", 0, len(entries)), *entries)


def description(tags: Tags) -> bytes:
    """What players show of the book, as iTunes stores it; a cover of another kind is left out."""
    texts = {
        b"\xa9nam": tags.title,
        b"\xa9alb": tags.title,
        b"\xa9ART": tags.author,
        b"aART": tags.author,
    }
    items = [
        box(name, box(b"data", struct.pack(">II", UTF8, 0), text.encode()))
        for name, text in texts.items()
        if text
    ]
    items += [
        box(b"covr", box(b"data", struct.pack(">II", kind, 0), tags.cover))
        for start, kind in PICTURES.items()
        if tags.cover.startswith(start)
    ]
    items.append(box(b"stik", box(b"data", struct.pack(">IIB", 21, 0, AUDIO_BOOK))))
    owner = full_box(b"hdlr", 0, 0, bytes(4), b"mdir", b"appl", bytes(9))
    return full_box(b"meta", 0, 0, owner, box(b"ilst", *items))
