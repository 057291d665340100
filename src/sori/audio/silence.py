"""Silence: where the sound begins and ends, and edges that do not click."""

import numpy as np

from sori.core.audio import Audio

FRAME_SECONDS = 0.005
# Forty-eight decibels under the loudest frame lies below a final s and above a voice's own hiss.
FLOOR_DB = -48.0


def sound_span(audio: Audio, floor_db: float = FLOOR_DB) -> tuple[int, int]:
    """First and past-the-last sample of what is louder than `floor_db` under the loudest frame.

    Both are 0 where the wave is silent throughout.
    """
    frame = max(1, round(FRAME_SECONDS * audio.sample_rate))
    whole = -(-len(audio.samples) // frame) * frame
    padded = np.zeros(whole, np.float32)
    padded[: len(audio.samples)] = audio.samples
    power = np.square(padded).reshape(-1, frame).mean(axis=1)
    loud = np.flatnonzero(power > power.max(initial=0.0) * 10.0 ** (floor_db / 10.0))
    if not loud.size:
        return 0, 0
    return int(loud[0]) * frame, min(int(loud[-1] + 1) * frame, len(audio.samples))


def trim_silence(audio: Audio, keep_seconds: float = 0.0) -> Audio:
    """The sound without the silence around it, except `keep_seconds` on each side."""
    keep = round(keep_seconds * audio.sample_rate)
    start, stop = sound_span(audio)
    return Audio(audio.samples[max(0, start - keep) : stop + keep], audio.sample_rate)


def fade_edges(samples: np.ndarray, ramp_samples: int) -> np.ndarray:
    """A copy that rises from zero and falls back to it along half a cosine."""
    ramp_samples = min(ramp_samples, len(samples) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp_samples, dtype=np.float32) / ramp_samples)
    faded = samples.copy()
    faded[:ramp_samples] *= ramp
    faded[len(faded) - ramp_samples :] *= ramp[::-1]
    return faded
