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
    voiced, pitch = f0 > 0, f0.astype(np.float64)
    joined = voiced[1:] & voiced[:-1]
    before = np.concatenate([pitch[:1], np.where(joined, pitch[:-1], pitch[1:])])
    after = np.concatenate([np.where(joined, pitch[1:], pitch[:-1]), pitch[-1:]])
    # Sample j of the gap between two frame centres lies (j + 1/2) / hop of the way across; a frame
    # begins in the second half of one gap and ends in the first half of the next.
    share = (np.arange(hop_samples) + 0.5) / hop_samples
    half = hop_samples // 2
    samples = np.empty((len(f0), hop_samples))
    first, rest = samples[:, : hop_samples - half], samples[:, hop_samples - half :]
    first[:] = before[:, None] + (pitch - before)[:, None] * share[half:]
    rest[:] = pitch[:, None] + (after - pitch)[:, None] * share[:half]
    return samples.reshape(-1)


def pulse_train(f0: np.ndarray, hop_samples: int, sample_rate: int) -> np.ndarray:
    """One band-limited pulse per period of F0, with unit mean power while voiced.

    Args:
        f0: Hz per frame, shape (T,), 0 where unvoiced.

    Returns:
        float32 samples, shape (T * hop_samples,).
    """
    rate = sample_f0(f0 / sample_rate, hop_samples)
    cycles = np.cumsum(rate)
    wave = np.zeros(len(rate) + TAPS, np.float32)
    if len(rate) == 0:
        return wave[:0]
    turns = np.arange(1, int(cycles[-1]) + 1)
    at = np.searchsorted(cycles, turns)
    # The turn was completed `late` samples before sample `at`.
    late = np.minimum((cycles[at] - turns) / rate[at], 1.0)
    ticks = np.round((at - late) * FRACTIONS).astype(np.int64)
    whole, fraction = ticks // FRACTIONS, ticks % FRACTIONS
    taps = TAP_TABLE[fraction] * np.sqrt(1 / rate[at])[:, None].astype(np.float32)
    index = whole[:, None] + np.arange(TAPS) + 1
    np.add.at(wave, np.clip(index, 0, len(wave) - 1), taps)
    # The table's centre tap is number TAPS // 2 - 1, and the index above starts one late.
    return wave[TAPS // 2 : TAPS // 2 + len(rate)]
