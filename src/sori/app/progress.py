"""What a person sees of long work: a bar on standard error that is gone when the work is done."""

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(deed: str, in_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told how much is done, and of how much.

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
    columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task(deed, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total or None)
