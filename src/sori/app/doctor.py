"""`sori doctor`: what is installed, what is missing, and the command that mends it."""

import platform
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sori.app.players import ADVICE, find_player
from sori.core.errors import SoriError
from sori.speak.catalogue import files

REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)[^;]*(?:;.*extra\s*==\s*['\"]([\w-]+)['\"])?")
# For those who work on Sori itself.
UNLISTED_EXTRAS = ("dev",)
PURPOSES = {
    "train": "learn and export voices",
    "eval": "judge voices",
    "serve": "serve over HTTP",
    "scale": "spread work over machines",
}
TEST_WORD = "Hello."


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is there, what was found, and what mends it."""

    name: str
    is_there: bool
    detail: str
    mend: str = ""
    is_fault: bool = False  # Sori cannot speak without it

    def line(self) -> str:
        mark = "ok" if self.is_there else ("FAULT" if self.is_fault else "missing")
        mend = f"  -> {self.mend}" if self.mend else ""
        return f"{mark:8} {self.name:14} {self.detail}{mend}"


def examine() -> Iterator[Finding]:
    """Look at everything, the parts that speaking needs first."""
    yield Finding("python", True, f"{platform.python_version()} on {platform.platform()}")
    yield Finding("sori", True, f"{metadata.version('sori')} in {Path(__file__).parents[1]}")
    wanted = requirements()
    yield packages("base", wanted.pop("", []), is_fault=True)
    yield from voices()
    for extra in UNLISTED_EXTRAS:
        wanted.pop(extra, None)
    for extra, names in wanted.items():
        yield packages(extra, names)
    yield player()
    yield espeak()


def requirements() -> dict[str, list[str]]:
    """Names of the packages that each extra needs; those of the base stand under ""."""
    needs: dict[str, list[str]] = {}
    for line in metadata.requires("sori") or []:
        found = REQUIREMENT.match(line)
        if found:
            needs.setdefault(found.group(2) or "", []).append(found.group(1))
    return needs


def packages(extra: str, names: list[str], is_fault: bool = False) -> Finding:
    versions: list[str] = []
    missing: list[str] = []
    for name in names:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if not missing:
        return Finding(extra, True, ", ".join(versions))
    purpose = f" (to {PURPOSES[extra]})" if extra in PURPOSES else ""
    mend = "pip install --force-reinstall sori" if is_fault else f'pip install "sori[{extra}]"'
    return Finding(extra, False, f"no {', '.join(missing)}{purpose}", mend, is_fault)


def voices() -> Iterator[Finding]:
    """Load every installed voice and let it speak a word."""
    mend = "pip install --force-reinstall sori"
    installed = files()
    if not installed:
        yield Finding("voice", False, "none is installed", mend, is_fault=True)
    for name, path in installed.items():
        try:
            yield Finding(f"voice {name}", True, heard(path))
        except (SoriError, ImportError) as error:
            yield Finding(f"voice {name}", False, str(error), mend, is_fault=True)


def heard(path: Path) -> str:
    from sori.speak.voice import Voice

    started = time.perf_counter()
    voice = Voice(path)
    loaded = time.perf_counter()
    audio = voice.say(TEST_WORD)
    spoken = time.perf_counter()
    return (
        f"loads in {loaded - started:.2f} s and says {audio.seconds:.2f} s "
        f"in {spoken - loaded:.2f} s ({len(voice.speakers)} speakers)"
    )


def player() -> Finding:
    name = find_player()
    if name is None:
        return Finding("player", False, "nothing to play with (for --play)", ADVICE)
    return Finding("player", True, name)


def espeak() -> Finding:
    path = shutil.which("espeak-ng") or shutil.which("espeak")
    if path is None:
        advice = {"darwin": "brew install espeak-ng"}.get(
            sys.platform, "sudo apt install espeak-ng, or your system's installer"
        )
        return Finding("espeak-ng", False, "optional: languages other than English", advice)
    return Finding("espeak-ng", True, path)
