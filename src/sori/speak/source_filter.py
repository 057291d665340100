"""Makes the wave of a source-filter voice: pulses and noise through the filters of every frame.

This is the numpy twin of `SourceFilter.synthesise` in the learning half, and a test holds the two
together. It never imports it: speaking needs no PyTorch.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from sori.audio.excitation import pulse_train

BLOCK_FRAMES = 256  # frames transformed at a time: keeps the work in the processor's cache


class Filters(NamedTuple):
    """Of every frame, (T, K) each: log magnitude and phase for pulses, log magnitude for noise."""

    harmonic: np.ndarray
    phase: np.ndarray
    noise: np.ndarray


@dataclass(frozen=True)
class Synthesis:
    """Sizes of frames and transforms of a source-filter voice."""

    hop_samples: int
    window_samples: int
    fft_samples: int

    @property
    def blocks(self) -> int:
        """Hops that one transform covers, rounded up."""
        return -(-self.fft_samples // self.hop_samples)


@cache
def _window(samples: int) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)).astype(np.float32)


def _spectra(padded: np.ndarray, first: int, frames: int, sizes: Synthesis) -> np.ndarray:
    """Transforms of windowed frames of a padded source, each in the middle of its transform."""
    strided = np.lib.stride_tricks.sliding_window_view(padded, sizes.window_samples)
    chosen = strided[first * sizes.hop_samples :: sizes.hop_samples][:frames]
    spare = (sizes.fft_samples - sizes.window_samples) // 2
    held = np.zeros((frames, sizes.fft_samples), np.float32)
    np.multiply(
        chosen, _window(sizes.window_samples), out=held[:, spare : spare + sizes.window_samples]
    )
    return np.fft.rfft(held)


def filter_sources(
    pulses: np.ndarray,
    noise: np.ndarray,
    filters: Filters,
    sizes: Synthesis,
) -> np.ndarray:
    """Send both sources through the filters and overlap-add the frames.

    Args:
        pulses, noise: float32, shape (T * hop,).

    Returns:
        float32 samples, shape (T * hop,).
    """
    frames, hop = len(filters.harmonic), sizes.hop_samples
    edge = (sizes.window_samples - hop) // 2
    pulses, noise = np.pad(pulses, edge), np.pad(noise, edge)
    total = np.zeros((frames + sizes.blocks, hop), np.float32)
    for first in range(0, frames, BLOCK_FRAMES):
        here = slice(first, min(first + BLOCK_FRAMES, frames))
        count = here.stop - first
        gain = np.exp(filters.harmonic[here])
        turn = np.empty(gain.shape, np.complex64)
        turn.real = gain * np.cos(filters.phase[here])
        turn.imag = gain * np.sin(filters.phase[here])
        spectrum = _spectra(pulses, first, count, sizes)
        spectrum *= turn
        hiss = _spectra(noise, first, count, sizes)
        hiss *= np.exp(filters.noise[here])
        spectrum += hiss
        made = np.zeros((count, sizes.blocks * hop), np.float32)
        made[:, : sizes.fft_samples] = np.fft.irfft(spectrum, n=sizes.fft_samples)
        parts = made.reshape(count, sizes.blocks, hop)
        for shift in range(sizes.blocks):
            total[first + shift : first + shift + count] += parts[:, shift]
    start = (sizes.fft_samples - hop) // 2
    return total.reshape(-1)[start : start + frames * hop]


def synthesise(
    f0: np.ndarray, filters: Filters, sizes: Synthesis, sample_rate: int, seed: int
) -> np.ndarray:
    """Make the wave of one sentence.

    Args:
        f0: Hz per frame, shape (T,), 0 where unvoiced.
        seed: of the noise source; the same seed gives the same samples.
    """
    pulses = pulse_train(f0, sizes.hop_samples, sample_rate)
    noise = np.random.default_rng(seed).standard_normal(len(pulses), dtype=np.float32)
    return filter_sources(pulses, noise, filters, sizes)
