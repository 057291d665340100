"""The voices that are installed."""

import os
from pathlib import Path

from sori.core.errors import SoriError
from sori.speak.speakers import unknown

SUFFIX = ".onnx"
PACKAGED = Path(__file__).parent / "voices"
# Folders of the user's own voices, parted as in PATH.
FOLDERS_VARIABLE = "SORI_VOICES"


def folders() -> list[Path]:
    own = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [PACKAGED, *(Path(folder) for folder in own if folder)]


def voices() -> list[str]:
    """Names of the installed voices: those in the package, then those of SORI_VOICES."""
    return list(files())


def files() -> dict[str, Path]:
    """Voice files by name; the first folder that has a name wins."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(path.stem, path)
    return found


def find(voice: str | Path | None) -> Path:
    """The file of a voice given by name or path; None is the first installed one."""
    installed = files()
    if voice is None:
        if not installed:
            raise SoriError("no voice is installed; install Sori again, or name a voice file")
        return next(iter(installed.values()))
    if str(voice) in installed:
        return installed[str(voice)]
    if Path(voice).suffix == SUFFIX:
        return Path(voice)
    raise SoriError(unknown("voice", str(voice), installed))
