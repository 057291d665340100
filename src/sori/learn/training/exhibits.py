"""The newest exhibit of a run as a file, from which it is drawn without the network."""

from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from sori.core.errors import SoriError
from sori.core.files import beside
from sori.learn.contracts import Exhibit

KINDS = ("mels", "alignments", "waves")


class Kept(NamedTuple):
    """An exhibit as read: arrays by kind and title, the step, samples per second."""

    pictures: dict[str, dict[str, np.ndarray]]
    step: int
    sample_rate: int


def arrays(exhibit: Exhibit) -> dict[str, dict[str, np.ndarray]]:
    """The pictures and waves of an exhibit by kind and title."""
    return {
        kind: {title: t.float().cpu().numpy() for title, t in getattr(exhibit, kind).items()}
        for kind in KINDS
    }


def keep(path: Path, exhibit: Exhibit, step: int, sample_rate: int) -> None:
    """Write an exhibit whole, or not at all."""
    flat = {
        f"{kind}/{title}": array
        for kind, titles in arrays(exhibit).items()
        for title, array in titles.items()
    }
    with beside(path) as part, part.open("wb") as file:
        np.savez_compressed(file, step=step, sample_rate=sample_rate, **flat)  # type: ignore[arg-type]


def read(path: Path) -> Kept:
    """Read what `keep` wrote.

    Raises:
        SoriError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            pictures: dict[str, dict[str, np.ndarray]] = {kind: {} for kind in KINDS}
            for name in file.files:
                kind, _, title = name.partition("/")
                if title:
                    pictures[kind][title] = file[name]
            return Kept(pictures, int(file["step"]), int(file["sample_rate"]))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise SoriError(f"{path} is not an exhibit of a training: {error}") from error
