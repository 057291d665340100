"""Dictionaries: the packed one that ships with the package, and the user's own file.

The packed file holds sorted entries in blocks of about 8 kB, each deflated by itself. Opening it
reads the file and splits a list of first words; a look-up inflates one block and searches its
bytes. The first word of a process is ready within a few milliseconds, which a parsed table of
200,000 words would not be.

    "SORILEX1"  u32 length of the head  head (JSON)  blocks
    head:   letters (byte 128 + i stands for letters[i]), first (words), sizes (bytes)
    block:  "\\n" word "\\t" reading ["|" tag reading]* ... "\\n", deflated

A tag is one capital: N noun, V verb, A adjective, R adverb, D past tense, P participle, F final
(before a pause).
"""

import bisect
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from sori.core.errors import SoriError
from sori.text.phonemes import common_letters, from_ipa, unknown_letters

MAGIC = b"SORILEX1"
BLOCK_BYTES = 8192
DATA = Path(__file__).parent / "data"

Readings = Mapping[str, str]  # tag to phonemes; the tag "" is the ordinary reading


class PackedLexicon:
    """Looks words up in a packed file."""

    def __init__(self, path: Path):
        self._bytes = path.read_bytes()
        if self._bytes[:8] != MAGIC:
            raise SoriError(f"{path} is not a packed lexicon; reinstall sori to restore it")
        (length,) = struct.unpack_from("<I", self._bytes, 8)
        head = json.loads(self._bytes[12 : 12 + length])
        self._letters = {128 + i: letter for i, letter in enumerate(head["letters"])}
        self._first: list[str] = head["first"]
        self._ends = [12 + length, *accumulate(head["sizes"], initial=12 + length)][1:]
        self._block = lru_cache(maxsize=256)(self._inflate)

    def get(self, word: str) -> Readings | None:
        """Return the readings of a word written exactly so, or None."""
        index = bisect.bisect_right(self._first, word) - 1
        if index < 0 or not word.isascii():
            return None
        block = self._block(index)
        key = b"\n" + word.encode() + b"\t"
        start = block.find(key)
        if start < 0:
            return None
        start += len(key)
        return self._readings(block[start : block.index(b"\n", start)])

    def items(self) -> Iterator[tuple[str, Readings]]:
        """Yield every word with its readings, in order."""
        for index in range(len(self._first)):
            for line in self._inflate(index).split(b"\n"):
                if line:
                    word, _, readings = line.partition(b"\t")
                    yield word.decode(), self._readings(readings)

    def _readings(self, line: bytes) -> Readings:
        text = line.decode("latin-1").translate(self._letters)
        if "|" not in text:
            return {"": text}
        ordinary, *tagged = text.split("|")
        return {"": ordinary} | {entry[0]: entry[1:] for entry in tagged}

    def _inflate(self, index: int) -> bytes:
        return zlib.decompress(self._bytes[self._ends[index] : self._ends[index + 1]])


def pack(entries: Mapping[str, Readings], path: Path) -> None:
    """Write a packed lexicon."""
    letters = sorted({
        letter for readings in entries.values() for r in readings.values() for letter in r
    })
    code = {ord(letter): 128 + i for i, letter in enumerate(letters)}
    first, blocks, block = [], [], b""
    for word in sorted(entries):
        if not block:
            first.append(word)
        readings = entries[word]
        tagged = [tag + readings[tag] for tag in sorted(readings) if tag]
        line = "|".join([
            readings[""].translate(code),
            *(t[0] + t[1:].translate(code) for t in tagged),
        ])
        block += b"\n" + word.encode("ascii") + b"\t" + line.encode("latin-1")
        if len(block) > BLOCK_BYTES:
            blocks.append(zlib.compress(block + b"\n", 9))
            block = b""
    if block:
        blocks.append(zlib.compress(block + b"\n", 9))
    sizes = [len(b) for b in blocks]
    head = json.dumps({"letters": "".join(letters), "first": first, "sizes": sizes}).encode()
    path.write_bytes(MAGIC + struct.pack("<I", len(head)) + head + b"".join(blocks))


def read_user_lexicon(path: Path, accent: str) -> dict[str, str]:
    """Read a user's dictionary: a word, a tab or spaces, its phonemes; "#" starts a comment.

    Raises:
        SoriError: the file cannot be read, or a line is not a word with phonemes.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise SoriError(
            f"lexicon {path} cannot be read ({problem}); "
            "give a UTF-8 text file of lines 'word phonemes'"
        ) from problem
    return dict(_user_entries(lines, path, accent))


def _user_entries(lines: Iterable[str], path: Path, accent: str) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        word, _, spelling = line.strip().partition("\t" if "\t" in line.strip() else " ")
        phonemes = from_ipa(spelling.strip().strip("/"))
        if not phonemes:
            raise SoriError(
                f"{path}, line {number}: '{line.strip()}' has no phonemes; write 'word phonemes'"
            )
        if unknown := unknown_letters(phonemes):
            raise SoriError(
                f"{path}, line {number}: '{unknown}' in '{spelling.strip()}' is no phoneme; "
                "see `sori phonemes --help` for the letters"
            )
        yield word.strip(), common_letters(phonemes, accent)
