"""The command `sori read`."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from sori.app.extras import needing
from sori.app.options import Energy, Lexicon, Pitch, Seed, Speaker, Speed, Voice
from sori.core.errors import SoriError

Book = Annotated[
    Path, typer.Argument(help="A .txt, .md, .html, .epub, .srt or .ssml file.", show_default=False)
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for the chapters; without it, the book's name.")
]
Format = Annotated[str, typer.Option("--format", help="flac, wav, opus, ogg, mp3 or m4b.")]
OneFile = Annotated[
    bool, typer.Option("--one-file", help="One file with chapter marks; m4b (always) or opus.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Sentences made at a time; by default processors, four at most."),
]
EngineName = Annotated[
    str, typer.Option("--engine", help="local, or ray for a cluster (RAY_ADDRESS names it).")
]
Threads = Annotated[int, typer.Option(min=1, help="Processors for one sentence.")]


def read(  # noqa: PLR0913 - a parameter is an option of the command
    book: Book,
    out: Out = None,
    format_name: Format = "flac",
    one_file: OneFile = False,
    voice: Voice = None,
    speaker: Speaker = None,
    speed: Speed = 1.0,
    pitch: Pitch = 1.0,
    energy: Energy = 1.0,
    seed: Seed = 0,
    lexicon: Lexicon = None,
    jobs: Jobs = None,
    engine_name: EngineName = "local",
    threads: Threads = 1,
) -> None:
    """Read a book aloud: a file for each chapter, with captions; the same command resumes."""
    from sori.app.books import read_book, read_tags
    from sori.app.reading import Order, Reading
    from sori.app.takes import Booth
    from sori.core.engines import choose
    from sori.speak.catalogue import find
    from sori.speak.graph import default_threads
    from sori.speak.manner import Manner

    suffix = checked_suffix(format_name, one_file)
    workers = choose(engine_name, jobs or default_threads())
    manner = Manner(speaker, speed, pitch, energy, seed)
    chapters = read_book(book)
    folder = out or book.with_suffix("")
    if folder.exists() and not folder.is_dir():
        raise SoriError(f"{folder} is a file; name a folder with --out")
    booth = Booth(find(voice), lexicon, manner, threads)
    order = Order(folder, suffix, book.stem, one_file or suffix == ".m4b", read_tags(book))
    reading = Reading(booth, order)
    with (
        contextlib.closing(reading.run(chapters, workers)) as steps,
        needing("scale", "--engine ray"),
    ):
        for progress in steps:
            if progress.skipped:
                typer.echo(f"sori: {progress.skipped}", err=True)
            if sys.stderr.isatty():
                typer.echo(f"\r\x1b[K{progress.line()}", err=True, nl=False)
    end = "\r\x1b[K" if sys.stderr.isatty() else ""
    number = len(chapters)
    typer.echo(f"{end}wrote {number} chapter{'s'[: number > 1]} to {folder}", err=True)


def checked_suffix(format_name: str, one_file: bool) -> str:
    """The suffix of a format.

    Raises:
        SoriError: there is no such format, or it cannot hold chapters.
    """
    from sori.app.reading import MARKED, SUFFIXES

    suffix = f".{format_name.lower().removeprefix('.')}"
    if suffix not in SUFFIXES:
        known = ", ".join(name[1:] for name in SUFFIXES)
        raise SoriError(f"there is no format {format_name!r}; choose one of: {known}")
    if one_file and suffix not in MARKED:
        known = " or ".join(name[1:] for name in MARKED)
        raise SoriError(f"a {suffix[1:]} file has no chapter marks; --one-file needs {known}")
    return suffix
