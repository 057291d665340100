"""The borders that a command crosses when it needs more than the base package."""

import contextlib
from collections.abc import Iterator

from sori.core.errors import SoriError


@contextlib.contextmanager
def needing(extra: str, deed: str) -> Iterator[None]:
    """Name the extra where a package is missing that the deed needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "sori").startswith("sori"):
            raise
        raise SoriError(
            f'{error.name} is not installed, and {deed} needs it; pip install "sori[{extra}]"'
        ) from error


@contextlib.contextmanager
def learning_half() -> Iterator[None]:
    """Around what imports the learning half."""
    with needing("train", "learning"):
        yield


@contextlib.contextmanager
def serving_extra() -> Iterator[None]:
    """Around what imports the packages of the server."""
    with needing("serve", "serving"):
        yield
