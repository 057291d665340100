"""Change of sample rate, whole or piece by piece (soxr)."""

import numpy as np

from sori.core.audio import Audio


def resample(audio: Audio, sample_rate: int) -> Audio:
    """The same sound at another rate."""
    if sample_rate == audio.sample_rate:
        return audio
    import soxr  # most programs never change a rate

    samples = soxr.resample(audio.samples, audio.sample_rate, sample_rate)
    return Audio(samples.astype(np.float32, copy=False), sample_rate)


class Resampler:
    """Changes the rate of a sound that arrives in pieces; the joins leave no trace."""

    def __init__(self, from_rate: int, to_rate: int):
        import soxr

        self.stream = soxr.ResampleStream(from_rate, to_rate, num_channels=1, dtype="float32")

    def push(self, samples: np.ndarray) -> np.ndarray:
        """What is ready after these samples; the filter holds some of it back."""
        return self.stream.resample_chunk(np.ascontiguousarray(samples, np.float32))

    def finish(self) -> np.ndarray:
        """What the filter still held."""
        return self.stream.resample_chunk(np.zeros(0, np.float32), last=True)
