"""How to speak: who, how fast, how high, how loud, and which noise."""

from dataclasses import dataclass

from sori.core.errors import SoriError

SPEEDS = (0.25, 4.0)
PITCHES = (0.5, 2.0)
ENERGIES = (0.5, 2.0)
SEEDS = (0, 2**32 - 1)


@dataclass(frozen=True)
class Manner:
    """Speaker (a name, a mix, or None for the voice's default) and factors around 1.

    Raises:
        SoriError: a factor is out of range.
    """

    speaker: str | None = None
    speed: float = 1.0
    pitch: float = 1.0
    energy: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        require("speed", self.speed, SPEEDS)
        require("pitch", self.pitch, PITCHES)
        require("energy", self.energy, ENERGIES)
        require("seed", self.seed, SEEDS)


def require(name: str, value: float | int, limits: tuple[float, float] | tuple[int, int]) -> None:
    low, high = limits
    if not low <= value <= high:  # also refuses nan
        raise SoriError(f"{name} {value:g} is out of range; give {low:g} to {high:g}")
