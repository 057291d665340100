"""What a person sees of long work: a bar on standard error that is gone when the work is done."""

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(deed: str, in_bytes: bool = False) -> Iterator[Callable[..., None]]:
    """Give a function that is told how much is done, of how much, and a note if there is any.

    What was done before the first call does not count as speed: work that resumes is not faster.
    Where standard error is no terminal, nothing is shown.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    amount = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    console = Console(stderr=True)
    note = TextColumn("{task.fields[note]}")
    columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn(), note)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bars:
        bar = bars.add_task(deed, total=None, note="")
        is_new = True

        def tell(done: int, total: int, note: str = "") -> None:
            nonlocal is_new
            if is_new:
                bars.reset(bar, completed=done, total=total or None)
                is_new = False
            bars.update(bar, completed=done, total=total or None, note=note)

        yield tell
