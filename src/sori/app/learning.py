"""The border that a command crosses when it learns."""

import contextlib
from collections.abc import Iterator

from sori.core.errors import SoriError


@contextlib.contextmanager
def learning_half() -> Iterator[None]:
    """Name the extra where a package of the learning half is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "sori").startswith("sori"):
            raise
        raise SoriError(
            f'{error.name} is not installed, and learning needs it; pip install "sori[train]"'
        ) from error
