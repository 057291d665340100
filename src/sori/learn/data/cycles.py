"""Where the pulses of a voice lie: cycles of its fundamental, followed through a recording.

A vocoder that is trained with its pulses at these places can learn phases, for a recording and a
made wave then agree in time. The fundamental alone tells the count only to a few hundredths of a
cycle, which is half a cycle of the twentieth harmonic; so the harmonics refine it.
"""

import numpy as np
import scipy.linalg

from sori.learn.mel import MelSpec

SMOOTH_SECONDS = 1 / 30  # what lies 60 Hz beside the fundamental cancels out
WINDOW_SECONDS = 0.02  # about three periods
HIGHEST_HZ = 4000.0  # harmonics above are too noisy to follow
MOST_HARMONICS = 40
ROUNDS = ((0.12, 97), (0.06, 97), (0.06, 97))  # of refinement: greatest shift in cycles, steps
ANCHOR = 0.005  # weight of the fundamental's count beside the shift between two frames


def cycles(wave: np.ndarray, pitch: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Cycles of the fundamental that have passed at the centre of each frame, shape (T,).

    Args:
        pitch: F0 in Hz per frame, 0 where unvoiced.
    """
    if not (pitch > 0).any():
        return np.zeros(len(pitch), np.float32)
    counted = follow_fundamental(wave, pitch, spec)
    refined = counted
    for reach, steps in ROUNDS:
        shift, trust = shifts(harmonics(wave, refined, pitch, spec), reach, steps)
        refined = refined + settle(counted - refined, shift, trust)
    return refined.astype(np.float32)


def framed(wave: np.ndarray, samples: int, hop: int, frames: int) -> np.ndarray:
    """Windowed frames of so many samples about the centres of all hops, (T, N)."""
    edge = (samples - hop) // 2
    view = np.lib.stride_tricks.sliding_window_view(np.pad(wave, edge), samples)
    return view[::hop][:frames] * np.hanning(samples)


def follow_fundamental(wave: np.ndarray, pitch: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Count by F0, corrected by the angle that the fundamental keeps when shifted down by F0."""
    hop, frames = spec.hop_samples, len(pitch)
    voiced = np.flatnonzero(pitch > 0)
    centres = (np.arange(frames) + 0.5) * hop - 0.5
    # F0 runs on through unvoiced frames, so that the count does.
    running = np.interp(np.arange(frames * hop), centres[voiced], pitch[voiced])
    passed = np.cumsum(running / spec.sample_rate)
    base = wave[: frames * hop] * np.exp(-2j * np.pi * passed)
    # Sums, here and below, and no products of matrices: their rounding depends on the threads.
    left = framed(base, round(SMOOTH_SECONDS * spec.sample_rate), hop, frames).sum(axis=1)
    # A faint fundamental has no angle worth following; the angle runs straight across it.
    strong = np.flatnonzero(np.abs(left) >= 0.03 * np.abs(left).max())
    angle = np.interp(np.arange(frames), strong, np.unwrap(np.angle(left[strong])))
    return np.interp(centres, np.arange(frames * hop), passed) + angle / (2 * np.pi)


def harmonics(
    wave: np.ndarray, counted: np.ndarray, pitch: np.ndarray, spec: MelSpec
) -> np.ndarray:
    """Complex amplitude of every harmonic in every frame, (T, H), if the count were right."""
    hop, frames = spec.hop_samples, len(pitch)
    size = round(WINDOW_SECONDS * spec.sample_rate)
    centres = (np.arange(frames) + 0.5) * hop - 0.5
    running = np.interp(np.arange(frames * hop), centres, counted)
    turn = framed(np.exp(-2j * np.pi * running), size, hop, frames)
    turn /= np.maximum(np.hanning(size), 1e-9)
    heard = framed(wave[: frames * hop], size, hop, frames).astype(complex)
    count = min(int(HIGHEST_HZ / pitch[pitch > 0].min()), MOST_HARMONICS)
    amplitudes = np.empty((frames, count), complex)
    for number in range(count):
        heard *= turn
        amplitudes[:, number] = heard.sum(axis=1)
    low = np.arange(1, count + 1) * pitch[:, None] < HIGHEST_HZ
    return amplitudes * (low & (pitch > 0)[:, None])


def shifts(amplitudes: np.ndarray, reach: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """By how many cycles each frame lies later than the last, and how sure that is, 0 to 1.

    The shift that brings the harmonics of two neighbouring frames into agreement, found on a grid
    and by a parabola through its best three points.
    """
    turned = amplitudes[1:] * amplitudes[:-1].conj()
    strength = np.sqrt(np.abs(turned))
    turned = turned / np.maximum(strength, 1e-12)
    grid = np.linspace(-reach, reach, steps)
    numbers = np.arange(1, amplitudes.shape[1] + 1)
    candidates = np.exp(-2j * np.pi * np.outer(numbers, grid))
    agreement = np.einsum("th,hg->tg", turned, candidates).real
    best = agreement.argmax(axis=1).clip(1, steps - 2)
    rows = np.arange(len(best))
    left, top, right = (agreement[rows, best + step] for step in (-1, 0, 1))
    bend = np.minimum(left - 2 * top + right, -1e-12)
    between = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    sure = np.maximum(top, 0) / np.maximum(strength.sum(axis=1), 1e-12)
    return grid[best] + between * (grid[1] - grid[0]), sure**2


def settle(anchor: np.ndarray, shift: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """The correction that best agrees with all shifts between frames and, weakly, with an anchor.

    Least squares: sum trust (c[t+1] - c[t] - shift[t])^2 + ANCHOR sum (c[t] - anchor[t])^2.
    """
    diagonal = np.full(len(anchor), ANCHOR)
    diagonal[1:] += trust
    diagonal[:-1] += trust
    right = ANCHOR * anchor
    right[1:] += trust * shift
    right[:-1] -= trust * shift
    bands = np.stack([np.concatenate([[0.0], -trust]), diagonal])
    return scipy.linalg.solveh_banded(bands, right)
