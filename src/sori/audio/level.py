"""Level: how loud a sound is, and keeping it from clipping."""

import numpy as np

from sori.core.audio import Audio

KNEE = 0.85
BLOCK_SECONDS = 0.4
# Blocks overlap by three quarters.
STEP_SECONDS = 0.1
ABSOLUTE_GATE = -70.0
RELATIVE_GATE = -10.0


def soft_limit(samples: np.ndarray, knee: float = KNEE) -> np.ndarray:
    """The same wave up to `knee`; what is above it bends towards 1 and never reaches it.

        y = x                                           |x| <= k
        y = sign(x) (k + (1 - k) tanh((|x| - k) / (1 - k)))   otherwise

    It needs no look ahead and no memory, so a stream and a whole file are limited alike.
    """
    magnitude = np.abs(samples)
    if magnitude.max(initial=0.0) <= knee:
        return samples
    bent = knee + (1.0 - knee) * np.tanh((magnitude - knee) / (1.0 - knee))
    limited = np.where(magnitude > knee, np.copysign(bent, samples), samples)
    return limited.astype(samples.dtype, copy=False)


def loudness(audio: Audio) -> float:
    """Integrated loudness in LUFS; minus infinity where nothing passes the gate.

    Source: ITU-R BS.1770-4, annex 1: K-weighting, 400 ms blocks, gates at -70 LUFS and at 10 LU
    under the mean of what passed.
    Deviation: the weighting is applied to the power spectrum of each block, which needs no
    recursive filter and agrees within 0.1 LU.
    """
    size = round(BLOCK_SECONDS * audio.sample_rate)
    step = round(STEP_SECONDS * audio.sample_rate)
    samples = audio.samples.astype(np.float64)
    if len(samples) < size:
        samples = np.pad(samples, (0, size - len(samples)))
    weight = k_weighting(np.fft.rfftfreq(size, 1.0 / audio.sample_rate))
    # Parseval: both halves of the spectrum hold the power, the mean of a block is over its size.
    weight *= 2.0 / size**2
    starts = range(0, len(samples) - size + 1, step)
    power = np.array([
        weight @ np.abs(np.fft.rfft(samples[start : start + size])) ** 2 for start in starts
    ])
    passed = power[to_lufs(power) > ABSOLUTE_GATE]
    if not passed.size:
        return -np.inf
    gate = to_lufs(passed.mean(keepdims=True)) + RELATIVE_GATE
    return float(to_lufs(passed[to_lufs(passed) > gate].mean(keepdims=True))[0])


def to_lufs(power: np.ndarray) -> np.ndarray:
    return -0.691 + 10.0 * np.log10(np.maximum(power, 1e-12))


def k_weighting(frequency_hz: np.ndarray) -> np.ndarray:
    """Squared magnitude of the two filters of BS.1770 at any rate.

    The standard tabulates coefficients at 48 kHz; these are their responses at 48 kHz.
    """
    shelf = (
        (1.53512485958697, -2.69169618940638, 1.19839281085285),
        (1.0, -1.69065929318241, 0.73248077421585),
    )
    high_pass = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
    delay = np.exp(-2j * np.pi * np.minimum(frequency_hz, 24000.0) / 48000.0)
    response = np.ones_like(frequency_hz)
    for above, below in (shelf, high_pass):
        ratio = np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay)
        response = response * np.abs(ratio) ** 2
    return response
