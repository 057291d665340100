"""Fetches public corpora from their homes: resumed, verified, unpacked beside and renamed."""

import hashlib
import http.client
import os
import shutil
import ssl
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, BinaryIO
from urllib.parse import urlsplit

from sori.audio.files import reason
from sori.core.errors import SoriError

BLOCK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60.0
TRIES = 5  # connections in a row that brought nothing new
PAUSE_SECONDS = 0.5  # before another try; doubled each time
CUT = (ConnectionError, TimeoutError, ssl.SSLError)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Archive:
    """One file to fetch. `digest` is algorithm:hexadecimal, as published; empty where none is."""

    address: str
    digest: str = ""

    @property
    def name(self) -> str:
        return urlsplit(self.address).path.rpartition("/")[2]


@dataclass(frozen=True)
class PublicCorpus:
    """A corpus that anybody may fetch."""

    about: str
    licence: str
    home: str
    archives: tuple[Archive, ...]


PUBLIC = {
    "ljspeech": PublicCorpus(
        "one US woman, 24 h, 22.05 kHz",
        "public domain",
        "keithito.com/LJ-Speech-Dataset",
        (
            Archive(
                "https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
                "sha256:be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5",
            ),
        ),
    ),
    "cmu-arctic": PublicCorpus(
        "a US woman and a US man, slt and bdl, 1.8 h, 16 kHz",
        "CMU's permissive licence",
        "festvox.org/cmu_arctic",
        (
            Archive(
                "http://festvox.org/cmu_arctic/packed/cmu_us_slt_arctic.tar.bz2",
                "sha256:7c173297916acf3cc7fcab2713be4c60b27312316765a90934651d367226b4ea",
            ),
            Archive(
                "http://festvox.org/cmu_arctic/packed/cmu_us_bdl_arctic.tar.bz2",
                "sha256:26b91aaf48b2799b2956792b4632c2f926cd0542f402b5452d5adecb60942904",
            ),
        ),
    ),
    "kathleen": PublicCorpus(
        "one US woman, ARCTIC prompts, 48 kHz",
        "CC0",
        "github.com/rhasspy/dataset-voice-kathleen",
        # Made anew for every visitor, so there is no checksum to publish.
        (Archive("https://github.com/rhasspy/dataset-voice-kathleen/archive/master.tar.gz"),),
    ),
    "mini-librispeech": PublicCorpus(
        "24 readers of books, 5 h, 16 kHz, upper case without punctuation",
        "CC BY 4.0",
        "openslr.org/31",
        (
            Archive(
                "https://www.openslr.org/resources/31/train-clean-5.tar.gz",
                "md5:5df7d4e78065366204ca6845bb08f490",
            ),
        ),
    ),
}


def unwatched(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def fetch(name: str, corpora: Path, progress: Progress = unwatched) -> tuple[Path, dict[str, str]]:
    """Fetch a public corpus into a folder of its name; what is there already stays as it is.

    Args:
        progress: is told how many bytes of an archive are done, and of how many (0: unknown).

    Returns:
        The folder, and the sha256 of every archive by its address; none where nothing was fetched.

    Raises:
        SoriError: no such corpus, no connection, a wrong checksum, or no place to write. What was
            fetched so far stays for the next run, except an archive with a wrong checksum.
    """
    if name not in PUBLIC:
        raise SoriError(f"there is no public corpus {name!r}; known are: {', '.join(PUBLIC)}")
    target, work = corpora / name, corpora / f".{name}.part"
    if target.exists():
        return target, {}
    archives = PUBLIC[name].archives
    try:
        work.mkdir(parents=True, exist_ok=True)
        sums = {a.address: download(a, work / a.name, progress) for a in archives}
        unpacked = work / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        for archive in archives:
            unpack(work / archive.name, unpacked, progress)
        os.replace(only_folder(unpacked), target)
        shutil.rmtree(work)
    except OSError as error:
        raise SoriError(
            f"cannot write {target}: {reason(error)}; mend that, and the next run goes on from here"
        ) from error
    return target, sums


def download(archive: Archive, file: Path, progress: Progress) -> str:
    """Download one archive, going on where an earlier run stopped; return its sha256.

    Raises:
        SoriError: the server cannot be reached or refuses, or what came has another checksum.
    """
    part = file.with_name(f"{file.name}.part")
    fruitless = 0
    while not file.is_file():
        before = size_of(part)
        try:
            if receive(archive.address, part, progress):
                verify(archive, part)
                os.replace(part, file)
                break
            fault = "the connection was cut"
        except urllib.error.HTTPError as error:
            fault = f"the server answers {error.code} {error.reason}"
            fruitless = fruitless if error.code >= 500 else TRIES  # it will say the same again
        except (urllib.error.URLError, http.client.HTTPException, *CUT) as error:
            fault = str(getattr(error, "reason", error))
        fruitless = fruitless + 1 if size_of(part) <= before else 0
        if fruitless >= TRIES:
            raise SoriError(
                f"cannot fetch {archive.address}: {fault}; what came is kept for the next run"
            )
        if fruitless:
            time.sleep(PAUSE_SECONDS * 2**fruitless)
    return digest_of(file, "sha256")


def receive(address: str, part: Path, progress: Progress) -> bool:
    """Append to a part what its server still has; return whether that was all.

    A server that has another file by now, or that cannot continue, sends all of it anew.
    """
    tag = part.with_name(f"{part.name}.tag")
    have = size_of(part)
    wanted = {"User-Agent": "sori", "Accept-Encoding": "identity"}
    if have and size_of(tag):
        wanted |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(address, headers=wanted), timeout=TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True  # stopped between the last byte and the new name
        part.unlink()
        return False
    with answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0
            tag.write_text(validator(answer.headers))
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else 0
        require_space(part, total - have)
        with part.open("ab" if have else "wb") as file:
            while block := answer.read1(BLOCK_BYTES):
                file.write(block)
                have += len(block)
                progress(have, total)
    return have >= total


def validator(headers: http.client.HTTPMessage) -> str:
    """What tells whether a file is still the same: a strong tag or a date (RFC 9110, 13.1.5)."""
    tag = headers.get("ETag", "")
    is_strong = tag.startswith('"')
    return tag if is_strong else headers.get("Last-Modified", "")


def require_space(part: Path, wanted: int) -> None:
    """Refuse what the disk cannot hold before an hour is spent on it."""
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise SoriError(
            f"{part.parent} has {free / 1e9:.1f} GB free and {wanted / 1e9:.1f} GB are to come; "
            "choose another place with --corpora"
        )


def size_of(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def digest_of(file: Path, algorithm: str) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def verify(archive: Archive, part: Path) -> None:
    """Compare with the published checksum, if there is one.

    Raises:
        SoriError: they differ; the part is removed, for no run could go on from it.
    """
    if not archive.digest:
        return
    algorithm, _, published = archive.digest.partition(":")
    if (found := digest_of(part, algorithm)) != published:
        part.unlink()
        raise SoriError(
            f"{archive.address} has the {algorithm} {found}, published is {published}; it was "
            "removed, so fetch it again"
        )


def unpack(file: Path, folder: Path, progress: Progress) -> None:
    """Unpack a tar or zip archive: its files, neither links nor devices.

    Raises:
        SoriError: the archive is damaged, or would write outside of the folder.
    """
    size = file.stat().st_size
    try:
        with file.open("rb") as raw:
            for name, content in members(raw):
                place = folder.joinpath(*safe_parts(name, file))
                place.parent.mkdir(parents=True, exist_ok=True)
                with content, place.open("wb") as out:
                    shutil.copyfileobj(content, out, BLOCK_BYTES)
                progress(raw.tell(), size)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        file.unlink()
        raise SoriError(f"{file} is damaged: {error}; it was removed, so fetch it again") from error


def members(raw: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the ordinary files in an archive."""
    if zipfile.is_zipfile(raw):
        with zipfile.ZipFile(raw) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, archive.open(info)
        return
    raw.seek(0)
    with tarfile.open(fileobj=raw, mode="r|*") as archive:
        for member in archive:
            if member.isfile() and (content := archive.extractfile(member)):
                yield member.name, content


def safe_parts(name: str, file: Path) -> tuple[str, ...]:
    """Parts of a member's path, which must lie below the folder that it is unpacked into."""
    parts = PureWindowsPath(name)  # knows drives and both kinds of slashes
    if parts.anchor or parts.drive or ".." in parts.parts:
        raise SoriError(f"{file} would write {name!r} outside of its folder; do not trust it")
    return parts.parts


def only_folder(folder: Path) -> Path:
    """Descend while there is one folder and nothing else."""
    inside = list(folder.iterdir())
    return only_folder(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder
