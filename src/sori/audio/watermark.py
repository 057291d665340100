"""An inaudible mark in speech, and the detector that finds it in what is left of the file.

Speech is cut into frames of twenty milliseconds and bands of some 250 Hz; in every cell of this
grid a pattern of signs makes the sound a little louder or softer. The detector measures how loud
every cell is beside those around it and correlates that with the pattern, wherever in the pattern
the recording may begin. A change of volume, of rate or of format leaves the order of loud and soft
cells as it is.

Sources: Cox et al. 1997, "Secure Spread Spectrum Watermarking for Multimedia", IEEE Transactions on
Image Processing 6(12); Kirovski & Malvar 2003, "Spread-Spectrum Watermarking of Audio Signals",
IEEE Transactions on Signal Processing 51(4), for signs on blocks of a log spectrum and the search
for where they begin. The grid, the whitening by the recording's own spectra and the decoys are
ours.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from sori.audio.resample import resample
from sori.core.audio import Audio

KEY = 20_230_318
DEPTH = 0.12  # natural log of the gain of a cell: one decibel up or down
LOWEST_HZ, HIGHEST_HZ, BANDS = 300.0, 6500.0, 24
# A cell lasts 10 ms: speech itself changes far less from one to the next than over longer times,
# so the pattern stands out. It repeats after 2.56 s.
CELLS_PER_SECOND, CELLS = 100, 256

DETECTION_RATE = 16_000
STEPS_PER_CELL = 2  # in which the beginning of the pattern is sought
STEP_SAMPLES = DETECTION_RATE // CELLS_PER_SECOND // STEPS_PER_CELL
FRAME_SAMPLES = 2 * STEPS_PER_CELL * STEP_SAMPLES
REACH = 20  # steps on either side that say how loud a band is at the moment
QUIET = 1e-9  # power beside the loudest frame, below which a cell has nothing to say
WIDE = 1.5  # differences in natural logs beyond which they hardly count for more
SMOOTH_SHARE = 0.01  # of the spectrum of a recording's changes, over which it is smoothed
DECOYS = 64
SEGMENT_SECONDS = 16.0  # pieces of speech that were joined later do not share one beginning
THRESHOLD = 5.5  # standard deviations: one recording in a hundred thousand, if chance were normal


class Mark(NamedTuple):
    """What the detector says: whether there is a mark, and by how many standard deviations."""

    is_there: bool
    strength: float


@cache
def pattern(key: int) -> np.ndarray:
    """Signs of all cells, (CELLS, BANDS); every band has as many of one as of the other."""
    random = np.random.default_rng(key)
    half = np.repeat(np.array([1, -1], np.float32), CELLS // 2)
    return np.stack([random.permutation(half) for _ in range(BANDS)], axis=1)


@cache
def band_of_bins(bins: int, sample_rate: int) -> np.ndarray:
    """The band of every bin of a Fourier transform; -1 outside."""
    hz = np.arange(bins) * sample_rate / 2 / (bins - 1)
    bands = np.floor((hz - LOWEST_HZ) / (HIGHEST_HZ - LOWEST_HZ) * BANDS).astype(int)
    return np.where((bands >= 0) & (bands < BANDS), bands, -1)


@cache
def hann(samples: int) -> np.ndarray:
    """The periodic Hann window; shifted by half its length and added up it is one."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)).astype(np.float32)


@cache
def gains(sample_rate: int, bins: int) -> np.ndarray:
    """The gain of every bin in every cell, (CELLS, K)."""
    bands = band_of_bins(bins, sample_rate)
    return np.exp(DEPTH * np.where(bands >= 0, pattern(KEY)[:, bands], 0)).astype(np.float32)


def mark(samples: np.ndarray, sample_rate: int, position: int = 0) -> np.ndarray:
    """The same sound with the mark in it, float32.

    Args:
        position: samples of the stream before these. Pieces of a stream that begin and end in
            silence can be marked one by one, and bear one mark together.
    """
    hop = sample_rate // CELLS_PER_SECOND
    window = np.sqrt(hann(2 * hop))  # used twice, so frames add up to what they were
    first = position // hop  # frame n begins at sample (n - 1) * hop of the stream
    lead = position - first * hop + hop
    count = -(-(lead + len(samples)) // hop) + 1
    padded = np.zeros((count + 1) * hop, np.float32)
    padded[lead : lead + len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop]
    spectra = np.fft.rfft(frames * window)
    # Hops are whole samples, cells are not at every rate, so a cell may come twice.
    cells = (first + np.arange(count)) * hop * CELLS_PER_SECOND // sample_rate
    spectra *= gains(sample_rate, hop + 1)[cells % CELLS]
    made = np.fft.irfft(spectra, n=2 * hop).astype(np.float32) * window
    marked = np.zeros_like(padded)
    marked[:-hop] += made[:, :hop].reshape(-1)
    marked[hop:] += made[:, hop:].reshape(-1)
    return marked[lead : lead + len(samples)]


def detect(audio: Audio) -> Mark:
    """Look for the mark in a recording, or in what is left of one: in the whole and in its parts.

    The strength is how far the best place of the true pattern lies above what decoys, patterns of
    the same make that nobody uses, reach in the same recording.
    """
    samples = resample(audio, DETECTION_RATE).samples
    strength = max(strength_of(part) for part in segments(samples))
    return Mark(strength >= THRESHOLD, strength)


def segments(samples: np.ndarray) -> Iterator[np.ndarray]:
    """The whole, and if it is long, segments that overlap by half."""
    size = round(SEGMENT_SECONDS * DETECTION_RATE)
    yield samples
    if len(samples) > size:
        yield from (samples[at : at + size] for at in range(0, len(samples) - size // 2, size // 2))


def strength_of(samples: np.ndarray) -> float:
    """By how many standard deviations of the decoys the pattern stands out in these samples."""
    if len(samples) < 2 * FRAME_SAMPLES:
        return 0.0
    true, decoys = np.split(correlate(fold(whiten(contrast(samples)))), [1])
    spread = decoys.std()
    return float((true.max() - decoys.mean()) / spread) if spread else 0.0


def contrast(samples: np.ndarray) -> np.ndarray:
    """How much louder every band is at every step than around it, from -1 to 1, (T, BANDS).

    Where nothing is heard it is 0.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::STEP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * hann(FRAME_SAMPLES))) ** 2
    bands = band_of_bins(power.shape[1], DETECTION_RATE)
    loud = np.stack([power[:, bands == band].sum(axis=1) for band in range(BANDS)], axis=1)
    heard = loud > max(QUIET * loud.sum(axis=1).max(), 1e-12)
    logs = np.where(heard, np.log(np.maximum(loud, 1e-12)), 0)
    level = moving_sum(logs, REACH) / np.maximum(moving_sum(heard, REACH), 1)
    return np.where(heard, np.tanh((logs - level) / WIDE), 0)


def whiten(values: np.ndarray) -> np.ndarray:
    """Divide by the recording's own spectra, over time and over bands.

    What changes as speech usually does counts for little, and a random pattern, which has all
    rates of change alike, stands out: the matched filter in coloured noise.
    """
    size = 2 * len(values)
    over_time = np.fft.rfft(values, size, axis=0)
    power = (np.abs(over_time) ** 2).mean(axis=1, keepdims=True)
    reach = max(3, round(SMOOTH_SHARE * size))
    smooth = moving_sum(power, reach) / moving_sum(np.ones_like(power), reach)
    steady = np.fft.irfft(over_time / (smooth + 1e-12), size, axis=0)[: len(values)]
    over_bands = np.fft.rfft(steady, 2 * BANDS, axis=1)
    power = (np.abs(over_bands) ** 2).mean(axis=0)
    white = np.fft.irfft(over_bands / (power + 1e-12), 2 * BANDS, axis=1)[:, :BANDS]
    return np.where(values != 0, white, 0)


def moving_sum(values: np.ndarray, reach: int) -> np.ndarray:
    """Sums over `reach` rows on either side of each."""
    padded = np.cumsum(np.pad(values.astype(np.float64), ((reach + 1, reach), (0, 0))), axis=0)
    return padded[2 * reach + 1 :] - padded[: -2 * reach - 1]


def fold(values: np.ndarray) -> np.ndarray:
    """Sums of all steps that lie at the same place of the pattern, (CELLS * STEPS_PER_CELL, B)."""
    period = CELLS * STEPS_PER_CELL
    whole = np.zeros((-(-len(values) // period) * period, BANDS))
    whole[: len(values)] = values
    return whole.reshape(-1, period, BANDS).sum(axis=0)


def correlate(folded: np.ndarray) -> np.ndarray:
    """The correlation with the pattern, and behind it the decoys, from each step on, (P, steps)."""
    spectra = np.einsum("fb,pfb->pf", np.fft.rfft(folded, axis=0), templates())
    return np.fft.irfft(spectra, n=len(folded))


@cache
def templates() -> np.ndarray:
    """Conjugate spectra over time of the pattern, and behind it of the decoys, (P, F, BANDS)."""
    signs = np.stack([pattern(KEY + number) for number in range(1 + DECOYS)])
    return np.fft.rfft(np.repeat(signs, STEPS_PER_CELL, axis=1), axis=1).conj()
