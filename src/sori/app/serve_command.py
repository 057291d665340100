"""The command `sori serve`."""

import contextlib
import functools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sori.app.clone_command import Base
from sori.app.extras import serving_extra
from sori.app.options import Lexicon
from sori.core.errors import SoriError

if TYPE_CHECKING:
    from sori.app.server import Settings

BACKLOG = 128

Host = Annotated[str, typer.Option(help="Address to listen on; others need --api-key.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--api-key",
        envvar="SORI_API_KEY",
        help="A key that clients must send; may be given again. Rather set SORI_API_KEY: other "
        "users of a machine can read command lines.",
    ),
]
Voice = Annotated[str | None, typer.Option(help="The voice that speaks when none is asked for.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Processors for one sentence; by default all there are, shared."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes, each with voices of its own.")]
AtOnce = Annotated[int, typer.Option(min=1, help="Sentences made at the same time, per process.")]
Waiting = Annotated[int, typer.Option(min=0, help="Requests that may wait, per process.")]
MaxCharacters = Annotated[int, typer.Option(min=1, help="Longest text.")]
MaxSeconds = Annotated[float, typer.Option(min=1.0, help="Longest time for one request.")]
CanClone = Annotated[
    bool,
    typer.Option(
        "--cloning/--no-cloning",
        help="Clone voices on request, where sori[train] is installed; with one worker only.",
    ),
]
Clones = Annotated[Path, typer.Option(help="Folder in which cloned voices are kept.")]
LogText = Annotated[bool, typer.Option("--log-text", help="Write the texts to the log, too.")]


def serve(  # noqa: PLR0913 - a parameter is an option of the command
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key: Keys = None,
    voice: Voice = None,
    lexicon: Lexicon = None,
    threads: Threads = None,
    workers: Workers = 1,
    at_once: AtOnce = 2,
    waiting: Waiting = 32,
    max_characters: MaxCharacters = 4096,
    max_seconds: MaxSeconds = 300.0,
    log_text: LogText = False,
    cloning: CanClone = True,
    base: Base = None,
    clones: Clones = Path("clones"),
) -> None:
    """Serve the voices over HTTP: OpenAI's speech API, and a page in the browser."""
    with serving_extra():
        from sori.app.clone_jobs import Cloning
        from sori.app.limits import Limits
        from sori.app.server import Settings
    limits = Limits(max_characters, max_seconds, at_once, waiting)
    keys = tuple(api_key or ())
    # A worker knows only its own jobs, and the next request may meet another one.
    how = Cloning(base, clones) if cloning and workers == 1 else None
    shared = threads or share_of_processors(workers * at_once)
    run(Settings(host, port, keys, voice, lexicon, shared, log_text, limits, how), workers)


def share_of_processors(sentences: int) -> int:
    """Processors for each of so many sentences in the making.

    Two threads finish a sentence sooner than one, and spend half as much again on it.
    """
    from sori.speak.graph import default_threads

    return max(1, default_threads() // sentences)


def run(settings: "Settings", workers: int) -> None:
    """Listen, say where, and serve until a signal comes; what was begun is finished."""
    from sori.app.server import work
    from sori.app.voice_bank import VoiceBank
    from sori.app.workers import supervise

    settings.check()
    with listening(settings.host, settings.port) as open_socket:
        # Its faults are told once, before any process begins.
        bank = VoiceBank(settings.voice, settings.lexicon, settings.threads)
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        where = f"listening on http://{shown}:{open_socket.getsockname()[1]}"
        if workers > 1:
            typer.echo(f"{where} in {workers} processes", err=True)
            del bank
            supervise(functools.partial(work, settings), workers, open_socket)
            return
        typer.echo(where, err=True)
        work(settings, open_socket, bank)


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket; an address that cannot be had is the user's to know."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise SoriError(f"cannot listen on {host}:{port}: {reason}; choose another") from error
        # From here on a client is answered, if only when the voices are loaded.
        bound.listen(BACKLOG)
        bound.set_inheritable(True)
        yield bound
