"""Worker processes of a server; one that dies is started again, and none outlives its parent."""

import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from sori.core.engines import end_with_parent

Work = Callable[[socket.socket], None]

# A worker that dies sooner than this would die again: waiting keeps the machine usable.
SHORT_LIFE_SECONDS = 5.0


def supervise(work: Work, number: int, open_socket: socket.socket) -> None:
    """Run `work` in several processes until a signal comes, and then until all have ended."""
    context = multiprocessing.get_context("spawn")
    is_over = False

    def begin() -> BaseProcess:
        process = context.Process(target=begin_work, args=(work, open_socket), daemon=False)
        process.start()
        return process

    def end(signal_number: int, frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True
        for process in running:
            process.terminate()

    running: list[BaseProcess] = []
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, end)
    running += [begin() for _ in range(number)]
    began = time.monotonic()
    while not is_over:
        # The wait is short because a signal that comes just before it would not end it.
        wait([process.sentinel for process in running], timeout=1.0)
        for place, process in enumerate(running):
            if not process.is_alive() and not is_over:
                time.sleep(max(0.0, began + SHORT_LIFE_SECONDS - time.monotonic()))
                began = time.monotonic()
                running[place] = begin()
    for process in running:
        process.terminate()
        process.join()


def begin_work(work: Work, open_socket: socket.socket) -> None:
    end_with_parent()
    work(open_socket)
