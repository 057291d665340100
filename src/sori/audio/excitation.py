"""Sources of speech: a train of pulses that follows F0.

Both halves use it: the speaking half to make sound, the learning half as the slow twin that its
batched version is tested against.
"""

import numpy as np

TAPS = 8  # of the windowed sinc that places a pulse between two samples
FRACTIONS = 64  # positions between two samples that the table resolves


def _tap_table() -> np.ndarray:
    offsets = np.arange(TAPS) - (TAPS // 2 - 1)
    delays = np.arange(FRACTIONS)[:, None] / FRACTIONS
    distance = offsets - delays
    window = 0.5 + 0.5 * np.cos(np.pi * distance / (TAPS / 2))
    taps = np.sinc(distance) * np.where(np.abs(distance) < TAPS / 2, window, 0.0)
    return taps.astype(np.float32)


TAP_TABLE = _tap_table()  # (FRACTIONS, TAPS)


def sample_f0(f0: np.ndarray, hop_samples: int) -> np.ndarray:
    """F0 at every sample, 0 where the nearest frame is unvoiced.

    Between two voiced frames it runs straight; beside an unvoiced frame it holds the voiced value.

    Args:
        f0: Hz per frame, shape (T,), 0 where unvoiced; frame t is centred in its hop.
    """
    voiced = (f0 > 0).astype(np.float64)
    before = np.concatenate([[0], np.arange(len(f0))])
    after = np.concatenate([np.arange(len(f0)), [len(f0) - 1]])
    # Sample j of the gap between two frame centres lies (j + 1/2) / hop of the way across.
    share = (np.arange(hop_samples) + 0.5) / hop_samples
    pitch = f0.astype(np.float64)
    weight = voiced[before, None] * (1 - share) + voiced[after, None] * share
    total = pitch[before, None] * (1 - share) + pitch[after, None] * share
    half = hop_samples // 2
    inside = slice(half, half + len(f0) * hop_samples)
    flat = (total / np.maximum(weight, 1e-8)).reshape(-1)[inside]
    return flat * np.repeat(voiced, hop_samples)


def pulse_train(f0: np.ndarray, hop_samples: int, sample_rate: int) -> np.ndarray:
    """One band-limited pulse per period of F0, with unit mean power while voiced.

    Args:
        f0: Hz per frame, shape (T,), 0 where unvoiced.

    Returns:
        float32 samples, shape (T * hop_samples,).
    """
    rate = sample_f0(f0, hop_samples) / sample_rate
    cycles = np.cumsum(rate)
    turns = np.floor(cycles)
    at = np.flatnonzero(np.diff(turns, prepend=0.0) > 0)
    wave = np.zeros(len(rate) + TAPS, np.float32)
    if len(at) == 0:
        return wave[: len(rate)]
    # The turn was completed `late` samples before sample `at`.
    late = np.minimum((cycles[at] - turns[at]) / rate[at], 1.0)
    ticks = np.round((at - late) * FRACTIONS).astype(np.int64)
    whole, fraction = ticks // FRACTIONS, ticks % FRACTIONS
    taps = TAP_TABLE[fraction] * np.sqrt(1 / rate[at])[:, None].astype(np.float32)
    index = whole[:, None] + np.arange(TAPS) + 1
    np.add.at(wave, np.clip(index, 0, len(wave) - 1), taps)
    # The table's centre tap is number TAPS // 2 - 1, and the index above starts one late.
    return wave[TAPS // 2 : TAPS // 2 + len(rate)]
