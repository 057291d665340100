"""Makes the wave of a source-filter voice: pulses and noise through the filters of every frame.

This is the numpy twin of `SourceFilter.synthesise` in the learning half, and a test holds the two
together. It never imports it: speaking needs no PyTorch.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from sori.audio.excitation import pulse_train

BLOCK_FRAMES = 128  # frames transformed at a time: keeps the work in the processor's cache
BANK_FRAMES = 256  # frames of noise kept ready; drawing from them is cheaper than making more


class Filters(NamedTuple):
    """Of every frame, (T, K) each: log magnitude and phase for pulses, log magnitude for noise."""

    harmonic: np.ndarray
    phase: np.ndarray
    noise: np.ndarray


class Pulses(NamedTuple):
    """Frames of a pulse train, (T, W), and in which of them there is anything, (T,)."""

    frames: np.ndarray
    heard: np.ndarray


class Noise(NamedTuple):
    """Spectra of windowed noise, (B, K), and which of them each frame uses, (T,)."""

    bank: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Synthesis:
    """Sizes of frames and transforms of a source-filter voice."""

    hop_samples: int
    window_samples: int
    fft_samples: int

    @property
    def hops(self) -> int:
        """Hops that one transform covers, rounded up."""
        return -(-self.fft_samples // self.hop_samples)


@cache
def hann(samples: int) -> np.ndarray:
    """The periodic Hann window; shifted by half its length and added up it is one."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)).astype(np.float32)


def spectra(frames: np.ndarray, window: np.ndarray, sizes: Synthesis) -> np.ndarray:
    """Transforms of windowed frames (T, W), each in the middle of its transform: (T, K)."""
    spare = (sizes.fft_samples - sizes.window_samples) // 2
    held = np.zeros((len(frames), sizes.fft_samples), np.float32)
    np.multiply(frames, window, out=held[:, spare : spare + sizes.window_samples])
    return np.fft.rfft(held)


@lru_cache(maxsize=4)
def noise_bank(sizes: Synthesis, seed: int) -> np.ndarray:
    """Spectra of independent frames of white noise, (BANK_FRAMES, K).

    The root of the Hann window keeps the power even where independent frames overlap, as the
    window itself does for one continuous noise.
    """
    random = np.random.default_rng(seed)
    frames = random.standard_normal((BANK_FRAMES, sizes.window_samples), dtype=np.float32)
    return spectra(frames, np.sqrt(hann(sizes.window_samples)), sizes)


def draw_noise(frames: int, sizes: Synthesis, seed: int) -> Noise:
    """Noise for so many frames; the same seed draws the same."""
    order = np.random.default_rng((seed, frames)).integers(BANK_FRAMES, size=frames)
    return Noise(noise_bank(sizes, seed), order)


def filter_block(
    block: slice, pulses: Pulses, noise: Noise, filters: Filters, sizes: Synthesis
) -> np.ndarray:
    """Filtered frames of a block, cut into hops: (count, hops, hop)."""
    harmonic, phase, breath = (part[block] for part in filters)
    spectrum = noise.bank[noise.order[block]]
    spectrum *= np.exp(breath)
    heard = np.flatnonzero(pulses.heard[block])
    gain, phase = np.exp(harmonic[heard]), phase[heard]
    turn = np.empty(gain.shape, np.complex64)
    np.multiply(gain, np.cos(phase), out=turn.real)
    np.multiply(gain, np.sin(phase), out=turn.imag)
    turn *= spectra(pulses.frames[block][heard], hann(sizes.window_samples), sizes)
    spectrum[heard] += turn
    made = np.zeros((len(spectrum), sizes.hops * sizes.hop_samples), np.float32)
    made[:, : sizes.fft_samples] = np.fft.irfft(spectrum, n=sizes.fft_samples)
    return made.reshape(len(spectrum), sizes.hops, sizes.hop_samples)


def cut(pulses: np.ndarray, sizes: Synthesis) -> Pulses:
    """Frames of a pulse train, samples of shape (T * hop,)."""
    padded = np.pad(pulses, (sizes.window_samples - sizes.hop_samples) // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, sizes.window_samples)
    own = np.pad(pulses.reshape(-1, sizes.hop_samples).any(axis=1), 1)
    heard = own[:-2] | own[1:-1] | own[2:]  # a window reaches into both neighbours
    return Pulses(frames[:: sizes.hop_samples], heard)


def filter_sources(
    pulses: np.ndarray, noise: Noise, filters: Filters, sizes: Synthesis, threads: int = 1
) -> np.ndarray:
    """Send both sources through the filters and overlap-add the frames.

    Args:
        pulses: float32, shape (T * hop,).

    Returns:
        float32 samples, shape (T * hop,).
    """
    frames, hop = len(filters.harmonic), sizes.hop_samples
    train = cut(pulses, sizes)
    blocks = [slice(at, min(at + BLOCK_FRAMES, frames)) for at in range(0, frames, BLOCK_FRAMES)]

    def work(block: slice) -> np.ndarray:
        return filter_block(block, train, noise, filters, sizes)

    total = np.zeros((frames + sizes.hops, hop), np.float32)
    for block, made in zip(blocks, in_order(work, blocks, threads), strict=True):
        for shift in range(sizes.hops):
            total[block.start + shift : block.stop + shift] += made[:, shift]
    start = (sizes.fft_samples - hop) // 2
    return total.reshape(-1)[start : start + frames * hop]


def in_order(
    work: Callable[[slice], np.ndarray], blocks: list[slice], threads: int
) -> Iterator[np.ndarray]:
    """Results of `work` for every block; transforms leave the interpreter free for each other."""
    if threads == 1 or len(blocks) == 1:
        return map(work, blocks)
    return helpers(threads).map(work, blocks)


@cache
def helpers(threads: int) -> ThreadPoolExecutor:
    """Threads that wait for blocks; they end with the program."""
    return ThreadPoolExecutor(threads, thread_name_prefix="sori-filter")


def synthesise(
    f0: np.ndarray,
    filters: Filters,
    sizes: Synthesis,
    sample_rate: int,
    seed: int,
    threads: int = 1,
) -> np.ndarray:
    """Make the wave of one sentence.

    Args:
        f0: Hz per frame, shape (T,), 0 where unvoiced.
        seed: of the noise source; the same seed gives the same samples.
    """
    pulses = pulse_train(f0, sizes.hop_samples, sample_rate)
    noise = draw_noise(len(f0), sizes, seed)
    return filter_sources(pulses, noise, filters, sizes, threads)
