"""What a server allows, and the desk at which requests wait for their turn."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import anyio

from sori.app.faults import ApiError

# Bytes of JSON that one character may take, escaped as two surrogates, and those of the rest.
ESCAPED_BYTES, OTHER_BYTES = 12, 8192
# How much the newest request counts in the mean that Retry-After is reckoned from.
NEWEST_SHARE = 0.2


@dataclass(frozen=True)
class Limits:
    """Bounds of one worker process."""

    characters: int = 4096  # of one text
    seconds: float = 300.0  # from a request's arrival to its last byte
    at_once: int = 2  # sentences in the making
    waiting: int = 32  # requests beyond those, before new ones are refused
    body_seconds: float = 20.0  # for a request's body to arrive
    upload_seconds: float = 120.0  # for recordings to arrive

    @property
    def body_bytes(self) -> int:
        return ESCAPED_BYTES * self.characters + OTHER_BYTES


class Desk:
    """Admits a bounded number of requests; their sentences take turns in the order they came.

    A turn is one sentence, not one request: a long text does not make a short one wait, and a
    client that reads slowly holds nothing that others need.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self.inside = 0
        self.mean_seconds = 1.0
        self.turns = anyio.CapacityLimiter(limits.at_once)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request.

        Raises:
            ApiError: every place is taken.
        """
        if self.inside >= self.limits.at_once + self.limits.waiting:
            raise ApiError(
                429,
                "the server is busy; try again a little later",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(self.retry_seconds())},
            )
        self.inside += 1
        started = time.monotonic()
        try:
            yield
        finally:
            self.inside -= 1
            spent = time.monotonic() - started
            self.mean_seconds += NEWEST_SHARE * (spent - self.mean_seconds)

    def retry_seconds(self) -> int:
        """When a place will probably be free: the places turn over once in a mean request."""
        return max(1, math.ceil(self.mean_seconds / self.limits.at_once))
