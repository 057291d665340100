"""What a judge is, and what to say when one is not installed."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Protocol, runtime_checkable

from sori.core.errors import SoriError
from sori.learn.evaluation.clips import Take

# What judges say about one recording; texts are for people, numbers for the summary.
Scores = Mapping[str, float | int | str]


class MissingJudgeError(SoriError):
    """A judge's package is not installed; the message ends with the command that installs it."""


@runtime_checkable
class Judge(Protocol):
    """Scores one recording. A key it leaves out does not apply to that recording."""

    def hear(self, take: Take) -> Scores: ...


def require(module: str, judge: str, install: str) -> ModuleType:
    """Import a judge's module.

    Args:
        install: the command line that brings the package.

    Raises:
        MissingJudgeError: the module, or something that it imports, is not there.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingJudgeError(
            f"{judge} cannot judge ({error}); install it with: {install}"
        ) from error
