"""A server on a port of its own, in a thread of the test."""

import contextlib
import socket
import threading
import time
from typing import NamedTuple

import httpx
import uvicorn

from sori.app.server import Settings, configure, create_app


class Served(NamedTuple):
    url: str
    client: httpx.Client


@contextlib.contextmanager
def served(bank, headers=None, **settings):
    """Serve a bank of voices; leaving stops the server."""
    chosen = Settings(**settings)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        server = uvicorn.Server(configure(create_app(bank, chosen)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
                yield Served(url, client)
        finally:
            server.should_exit = True
            thread.join()


def order(**changes):
    """The body of a request for speech."""
    return {
        "model": "sori",
        "input": "The birch canoe slid on the smooth planks.",
        "voice": "ada",
        "response_format": "pcm",
    } | changes
