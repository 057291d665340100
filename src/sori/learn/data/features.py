"""What models learn from, computed once per utterance.

A batch class asks for features by the names of its fields; every name is a function here or a
column of the cache.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sori.audio.files import read
from sori.audio.resample import resample
from sori.core.errors import SoriError
from sori.learn.data.cycles import cycles as cycles
from sori.learn.mel import MelSpec, MelSpectrogram

UNKNOWN = -100.0  # a mel or energy that nobody heard: the teacher gave prosody alone
TARGET_LEVEL = 0.06  # root mean square of speech, about -24 dB below full scale
VOICED_CONFIDENCE = 0.15  # low: a pulse too many is cheaper for a voice than a missing one
UNVOICED_HZ = 45.0  # teachers mark unvoiced frames by an F0 near zero
SHORTEST_SECONDS = 0.1
TRIM_SECONDS = 0.15  # silence left at both ends of a recording


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread, so that features do not depend on the number of processors."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def load_wave(path: Path, sample_rate: int) -> np.ndarray:
    """Read a recording as mono float32 at `sample_rate`.

    Raises:
        SoriError: it is missing, unreadable, shorter than `SHORTEST_SECONDS`, or silent.
    """
    if not path.is_file():
        raise SoriError(f"{path} is not there; `sori corpus check` lists all that are missing")
    wave = resample(read(path), sample_rate).samples
    if len(wave) < SHORTEST_SECONDS * sample_rate or not wave.any():
        raise SoriError(
            f"{path} holds no sound to learn from; `sori corpus check --mend` drops such files"
        )
    return wave


def level(wave: np.ndarray, sample_rate: int) -> float:
    """Root mean square of the frames that carry speech: within 30 dB of the loudest."""
    size = sample_rate // 50
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    power = np.square(frames).mean(axis=1)
    return float(np.sqrt(power[power > power.max() * 1e-3].mean()))


def normalise(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Bring speech to one loudness, without clipping a peak."""
    gain = TARGET_LEVEL / max(level(wave, sample_rate), 1e-6)
    return wave * min(gain, 0.99 / max(float(np.abs(wave).max()), 1e-6))


def trim(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Cut silence at both ends down to `TRIM_SECONDS`."""
    size = sample_rate // 100
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    power = np.square(frames).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 1e-4)
    keep = int(TRIM_SECONDS * sample_rate)
    first = max(loud[0] * size - keep, 0)
    return wave[first : (loud[-1] + 1) * size + keep]


@cache
def _front_end(spec: MelSpec) -> MelSpectrogram:
    return MelSpectrogram(spec)


def mel(wave: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Log-mel spectrogram, shape (T, M)."""
    with torch.inference_mode():
        return _front_end(spec)(torch.from_numpy(wave)[None])[0].T.numpy()


def energy(wave: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Log of the Euclidean norm of every frame's spectrum, shape (T,).

    Source: Ren et al. 2020, "FastSpeech 2", section 2.3, arXiv:2006.04558.
    Deviation: its logarithm, so that loud and soft voices lie on one scale.
    """
    with torch.inference_mode():
        magnitude = _front_end(spec).magnitude(torch.from_numpy(wave)[None])[0]
        return magnitude.norm(dim=0).clamp(min=1e-3).log().numpy()


@cache
def _pitch_tracker() -> Any:
    import swift_f0

    return swift_f0.SwiftF0(threads=1)


def f0(wave: np.ndarray, spec: MelSpec) -> np.ndarray:
    """F0 in Hz at the centres of the mel frames, 0 where unvoiced, shape (T,).

    Source: Nieradzik 2025, "SwiftF0", arXiv:2508.18440 (the tracker and its weights).
    """
    tracked = _pitch_tracker().detect(wave, spec.sample_rate)
    frames = len(wave) // spec.hop_samples
    centres = (np.arange(frames) + 0.5) * spec.hop_samples / spec.sample_rate
    times = np.asarray(tracked.timestamps)
    pitch = np.nan_to_num(np.asarray(tracked.pitch_hz, dtype=np.float64))
    voiced = (np.asarray(tracked.confidence) > VOICED_CONFIDENCE) & (pitch > UNVOICED_HZ)
    if not voiced.any():
        return np.zeros(frames, np.float32)
    # Interpolate between voiced frames only; a frame is voiced when the nearest tracked one is.
    smooth = np.interp(centres, times[voiced], pitch[voiced])
    nearest = np.clip(np.searchsorted((times[1:] + times[:-1]) / 2, centres), 0, len(times) - 1)
    return np.where(voiced[nearest], smooth, 0.0).astype(np.float32)


def taught_f0(teacher: np.ndarray) -> np.ndarray:
    """A teacher's F0 track with its unvoiced frames, which lie near zero, set to zero."""
    return np.where(teacher > UNVOICED_HZ, teacher, 0.0).astype(np.float32)
