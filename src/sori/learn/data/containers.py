"""Sound files that end before they should: what their headers promise against what is there."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

UNKNOWN_BYTES = (0, 0xFFFFFFFF)  # of a header whose file was written as a stream
OGG_PAGE_BYTES = 65_307  # the longest page
OGG_HEADER_BYTES = 27  # then a table with the length of every segment
LAST_PAGE = 4  # flag in the header of an Ogg page


def is_whole(file: Path) -> bool:
    """Whether a wav or Ogg file holds all that it says it holds; others decode to their length."""
    with file.open("rb") as content:
        test = TESTS.get(content.read(4))
        return test is None or test(content, file.stat().st_size)


def wav_is_whole(content: BinaryIO, size: int) -> bool:
    """Whether the data chunk fits into the file.

    Source: Microsoft & IBM 1991, "Multimedia Programming Interface and Data Specifications 1.0",
    chapter 3.
    """
    place = 12
    while place + 8 <= size:
        content.seek(place)
        kind, length = struct.unpack("<4sI", content.read(8))
        if kind == b"data":
            return length in UNKNOWN_BYTES or place + 8 + length <= size
        place += 8 + length + length % 2
    return False


def ogg_is_whole(content: BinaryIO, size: int) -> bool:
    """Whether the last page is whole and says that it is the last.

    Source: Pfeiffer 2003, "The Ogg Encapsulation Format", RFC 3533, section 6.
    """
    content.seek(max(0, size - OGG_PAGE_BYTES))
    tail = content.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < OGG_HEADER_BYTES:
        return False
    segments = page[OGG_HEADER_BYTES - 1]
    length = OGG_HEADER_BYTES + segments + sum(page[OGG_HEADER_BYTES:][:segments])
    return bool(page[5] & LAST_PAGE) and len(page) >= length


TESTS: dict[bytes, Callable[[BinaryIO, int], bool]] = {b"RIFF": wav_is_whole, b"OggS": ogg_is_whole}
