"""Audio: samples and their rate."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Audio:
    """Mono sound: float32 samples, nominally in [-1, 1], and samples per second."""

    samples: np.ndarray
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate
