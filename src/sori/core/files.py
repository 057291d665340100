"""Folders and files that are written; a part is never left under a name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sori.core.errors import SoriError


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SoriError(f"cannot make the folder {folder}: {error.strerror}") from error


@contextlib.contextmanager
def beside(file: Path) -> Iterator[Path]:
    """A path to write to, which takes the file's name when the block has ended well.

    Whatever goes wrong in the block, the file is as it was, and no part of the new one stays.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a file whole, or not at all.

    Raises:
        SoriError: the disk is full, or the place cannot be written to.
    """
    write_bytes(file, text.encode())


def write_bytes(file: Path, data: bytes) -> None:
    """Write a file whole, or not at all.

    Raises:
        SoriError: the disk is full, or the place cannot be written to.
    """
    try:
        with beside(file) as part:
            part.write_bytes(data)
    except OSError as error:
        raise SoriError(f"cannot write {file}: {error.strerror}; choose another place") from error
