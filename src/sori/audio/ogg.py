"""Ogg files after they are written: fixed stream numbers, and chapter marks in their tags.

Source: RFC 3533, "The Ogg Encapsulation Format"; RFC 7845, "Ogg Encapsulation for Opus", section
5.2; Xiph.org, "Ogg Vorbis I format specification: comment field", with its chapter extension.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

HEAD = struct.Struct("<4sBBqIIIB")
CRC_AT = 22
# libsndfile numbers a stream at random; a number of our own makes equal sound equal bytes.
SERIAL = 0x736F7269
CONTINUED = 1
MOST_SEGMENTS, FULL_SEGMENT = 255, 255
OPUS_TAGS = b"OpusTags"
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    """A page: its flags, the sample it ends at, the sizes of its segments and their bytes."""

    flags: int
    granule: int
    lacing: bytes
    body: bytes


def checksum(data: bytes) -> int:
    """The CRC of Ogg: polynomial 0x04c11db7, not reflected, from zero.

    zlib computes the reflected one, so bits are reversed on the way in and out.
    """
    reflected = zlib.crc32(data.translate(REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def pages(file: BinaryIO) -> Iterator[Page]:
    """Pages of a file with one stream."""
    while head := file.read(HEAD.size):
        _, _, flags, granule, _, _, _, number = HEAD.unpack(head)
        lacing = file.read(number)
        yield Page(flags, granule, lacing, file.read(sum(lacing)))


def page_bytes(page: Page, sequence: int) -> bytes:
    """A page as bytes, with our stream number."""
    fields = (b"OggS", 0, page.flags, page.granule, SERIAL, sequence, 0, len(page.lacing))
    data = bytearray(HEAD.pack(*fields) + page.lacing + page.body)
    data[CRC_AT : CRC_AT + 4] = struct.pack("<I", checksum(bytes(data)))
    return bytes(data)


def rewrite(source: Path, target: Path, comments: Sequence[str] = ()) -> None:
    """Copy a file with one stream: our stream number and, for Opus, more comments."""
    with source.open("rb") as file, target.open("wb") as out:
        sequence = 0
        for page in pages(file):
            kept = [page]
            if comments and page.body.startswith(OPUS_TAGS):
                kept = packet_pages(with_comments(whole_packet(page, file), comments))
            for each in kept:
                out.write(page_bytes(each, sequence))
                sequence += 1


def whole_packet(page: Page, file: BinaryIO) -> bytes:
    """The packet that begins a page and goes on, perhaps, over the next ones."""
    body = page.body
    while page.lacing[-1] == FULL_SEGMENT:
        page = next(pages(file))
        body += page.body
    return body


def packet_pages(packet: bytes) -> list[Page]:
    """Pages that hold one packet and nothing else."""
    lacing = bytes([FULL_SEGMENT] * (len(packet) // FULL_SEGMENT) + [len(packet) % FULL_SEGMENT])
    made = []
    at = 0
    for start in range(0, len(lacing), MOST_SEGMENTS):
        part = lacing[start : start + MOST_SEGMENTS]
        is_last = start + MOST_SEGMENTS >= len(lacing)
        # No packet ends on a page that the packet leaves unfinished.
        granule = 0 if is_last else -1
        body = packet[at : at + sum(part)]
        made.append(Page(CONTINUED if start else 0, granule, part, body))
        at += len(body)
    return made


def with_comments(packet: bytes, comments: Sequence[str]) -> bytes:
    """A packet of Opus tags with more comments; padding behind them is dropped."""
    at = len(OPUS_TAGS)
    (vendor_bytes,) = struct.unpack_from("<I", packet, at)
    head = packet[: at + 4 + vendor_bytes]
    (number,) = struct.unpack_from("<I", packet, len(head))
    at = len(head) + 4
    for _ in range(number):
        at += 4 + struct.unpack_from("<I", packet, at)[0]
    encoded = [comment.encode() for comment in comments]
    added = b"".join(struct.pack("<I", len(each)) + each for each in encoded)
    count = struct.pack("<I", number + len(encoded))
    return head + count + packet[len(head) + 4 : at] + added


def chapter_comments(starts: Sequence[tuple[str, float]]) -> Iterator[str]:
    """Comments that mark chapters, each a title and its second of start."""
    for number, (title, seconds) in enumerate(starts, start=1):
        thousandths = round(seconds * 1000)
        hours, thousandths = divmod(thousandths, 3_600_000)
        minutes, thousandths = divmod(thousandths, 60_000)
        whole, rest = divmod(thousandths, 1000)
        yield f"CHAPTER{number:03}={hours:02}:{minutes:02}:{whole:02}.{rest:03}"
        yield f"CHAPTER{number:03}NAME={title}"
