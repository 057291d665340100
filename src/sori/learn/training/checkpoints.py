"""The checkpoints of a run: the last few, and the networks that others read.

RUN/checkpoints/00001200/state.safetensors   all that the next step depends on
RUN/checkpoints/00001200/model.safetensors   the averaged network of that step
RUN/model.safetensors                        the newest of those networks
RUN/best.safetensors                         the one with the lowest loss on held-out data
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sori.core.errors import SoriError
from sori.core.files import beside

ADVICE = "free some space and resume"
STATE, MODEL, BEST = "state.safetensors", "model.safetensors", "best.safetensors"


class Checkpoints:
    """Writes each checkpoint beside the others and removes the oldest only then.

    Args (of the constructor):
        run: folder of the run.
        keep: how many checkpoints to keep, at least one.
    """

    def __init__(self, run: Path, keep: int):
        self.run = run
        self.keep = keep
        self.folder = run / "checkpoints"

    def states(self) -> list[Path]:
        """States to resume from, oldest first."""
        numbered = sorted(self.folder.glob(f"[0-9]*[0-9]/{STATE}"))
        first = self.run / STATE  # where version 0.1 kept its only one
        return [first, *numbered] if first.is_file() else numbered

    def newest(self) -> Path | None:
        """The state to resume from; None for a new run."""
        return states[-1] if (states := self.states()) else None

    def write(self, step: int, save: Callable[[Path], None]) -> None:
        """Keep what `save` puts into a folder; nothing is lost when it fails.

        Raises:
            SoriError: the disk is full, or cannot be written to.
        """
        place = self.folder / f"{step:08}"
        beside = place.with_name(place.name + ".tmp")
        try:
            shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed while writing
            if not place.is_dir():
                beside.mkdir(parents=True)
                save(beside)
                beside.rename(place)
            publish(place / MODEL, self.run / MODEL)
        except (OSError, SoriError) as error:
            shutil.rmtree(beside, ignore_errors=True)
            kept = self.newest()
            rest = f"; {kept} is whole, and the same command resumes from it" if kept else ""
            reason = str(error).replace(f"; {ADVICE}", "")
            raise SoriError(f"no checkpoint of step {step}: {reason}; {ADVICE}{rest}") from error
        for old in self.states()[: -self.keep]:
            if old.parent == self.run:
                old.unlink()
            else:
                shutil.rmtree(old.parent)


def publish(source: Path, target: Path) -> None:
    """Put a file under a second name at once, without a second copy where the disk allows it."""
    with beside(target) as part:
        part.unlink(missing_ok=True)
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
