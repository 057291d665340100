"""The text that the user gave: words on the command line, a file, or standard input."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sori.core.errors import SoriError

STANDARD_INPUT = "-"


def given_text(words: Sequence[str] | None, file: Path | None) -> str:
    """The text to speak, from the one place that the user named."""
    if words and file is not None:
        raise SoriError("a text and --file are both given; give one of them")
    if file is not None and str(file) != STANDARD_INPUT:
        return decode(read_bytes(file), str(file))
    if words and words != [STANDARD_INPUT]:
        return " ".join(words)
    if sys.stdin is None or sys.stdin.isatty():
        raise SoriError("there is no text; give it in quotes, with --file, or through a pipe")
    return decode(sys.stdin.buffer.read(), "standard input")


def read_bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SoriError(f"cannot read the text file {file}: {error.strerror}") from error


def decode(data: bytes, place: str) -> str:
    """UTF-8, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SoriError(
            f"{place} is not UTF-8 text (byte {error.start} is {data[error.start]:#04x}); "
            "convert it first, for example with iconv"
        ) from error
