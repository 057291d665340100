"""Folders and files that commands write; a part is never left under a name."""

from pathlib import Path

from sori.core.errors import SoriError


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SoriError(f"cannot make the folder {folder}: {error.strerror}") from error


def write_text(file: Path, text: str) -> None:
    """Write beside the file, then rename."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SoriError(f"cannot write {file}: {error.strerror}; choose another place") from error
