"""The command `sori read`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sori.core.errors import SoriError

Book = Annotated[
    Path, typer.Argument(help="A .txt, .md, .html, .epub or .srt file.", show_default=False)
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for the chapters; without it, the book's name.")
]
Format = Annotated[str, typer.Option("--format", help="flac, wav, opus, ogg or mp3.")]
Voice = Annotated[
    str | None, typer.Option(help="A name printed by `sori voices`, or a path to an .onnx file.")
]
Speaker = Annotated[str | None, typer.Option(help="A speaker, or a mix such as 'a(2)+b(1)'.")]
Speed = Annotated[float, typer.Option(help="0.25 to 4.")]
Pitch = Annotated[float, typer.Option(help="0.5 to 2.")]
Energy = Annotated[float, typer.Option(help="0.5 to 2.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same samples.")]
Lexicon = Annotated[Path | None, typer.Option(help="File of your own pronunciations.")]
Threads = Annotated[int | None, typer.Option(help="Processors to use.")]


def read(  # noqa: PLR0913 - a parameter is an option of the command
    book: Book,
    out: Out = None,
    format_name: Format = "flac",
    voice: Voice = None,
    speaker: Speaker = None,
    speed: Speed = 1.0,
    pitch: Pitch = 1.0,
    energy: Energy = 1.0,
    seed: Seed = 0,
    lexicon: Lexicon = None,
    threads: Threads = None,
) -> None:
    """Read a book aloud: a file for each chapter, with captions; the same command resumes."""
    from sori.app.books import read_book
    from sori.app.reading import Order, Reading
    from sori.audio.files import FORMATS
    from sori.speak.manner import Manner
    from sori.speak.voice import load

    suffix = f".{format_name.lower().removeprefix('.')}"
    if suffix not in FORMATS:
        known = ", ".join(name[1:] for name in FORMATS)
        raise SoriError(f"there is no format {format_name!r}; choose one of: {known}")
    manner = Manner(speaker, speed, pitch, energy, seed)
    chapters = read_book(book)
    order = Order(out or book.with_suffix(""), suffix, manner)
    if order.folder.exists() and not order.folder.is_dir():
        raise SoriError(f"{order.folder} is a file; name a folder with --out")
    for progress in Reading(load(voice, lexicon, threads), order).run(chapters):
        if progress.skipped:
            typer.echo(f"sori: {progress.skipped}", err=True)
        if sys.stderr.isatty():
            typer.echo(f"\r\x1b[K{progress.line()}", err=True, nl=False)
    end = "\r\x1b[K" if sys.stderr.isatty() else ""
    number = len(chapters)
    typer.echo(f"{end}wrote {number} chapter{'s'[: number > 1]} to {order.folder}", err=True)
