"""Distortion: how far a recording is from another one of the same sentence."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.fft import dct

from sori.audio.resample import resample
from sori.core.audio import Audio
from sori.learn.evaluation.clips import Take
from sori.learn.evaluation.judges import require
from sori.learn.mel import MelSpec, MelSpectrogram

SAMPLE_RATE = 16_000
HOP_SECONDS = 0.01
# 16 kHz holds all that the mel of any voice here is compared on, and all that STOI and PESQ hear.
SPEC = MelSpec(
    sample_rate=SAMPLE_RATE,
    fft_samples=1024,
    window_samples=400,
    hop_samples=round(HOP_SECONDS * SAMPLE_RATE),
    bins=40,
    f_max_hz=8000.0,
    # About 36 dB below LEVEL: softer than that it is the room that differs, not the speech.
    floor=5e-4,
)
LEVEL = 0.05  # root mean square that recordings are brought to before their spectra are compared
ORDER = 13  # cepstra 1 to 13 hold the shape of the spectrum; 0 is its level
# STOI and PESQ compare sample with sample, which means nothing once the timing differs.
SAME_TIMING_SECONDS = 0.05


class Alignment(NamedTuple):
    """Which frame of one sequence goes with which frame of the other."""

    first: Int[np.ndarray, " L"]
    second: Int[np.ndarray, " L"]


def mel_cepstra(log_mel: Float[np.ndarray, "T M"], order: int = ORDER) -> Float[np.ndarray, "T C"]:
    """Return cepstra 1 to `order` of a log-mel spectrogram in natural logs.

        c_d = 2/M  sum_k L_k cos(pi d (k + 1/2) / M)

    With this factor L_k - c_0 = sum_d c_d cos(...), as for the coefficients of a mel-cepstral
    filter, for which the decibels of `cepstral_distances` are defined.
    """
    return np.asarray(dct(log_mel, type=2, axis=1))[:, 1 : order + 1] / log_mel.shape[1]


def cepstral_distances(
    first: Float[np.ndarray, "T1 C"], second: Float[np.ndarray, "T2 C"]
) -> Float[np.ndarray, "T1 T2"]:
    """Return the distance of each frame of one to each frame of the other, in decibels.

        10 / ln 10  sqrt(2 sum_d (c_d - c'_d)^2)

    Source: Kubichek 1993, "Mel-cepstral distance measure for objective speech quality assessment".
    """
    # |a - b|^2 = |a|^2 + |b|^2 - 2ab; rounding can leave a hair less than zero.
    crossed = first @ second.T
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None] - 2 * crossed
    return 10 / np.log(10) * np.sqrt(2 * np.maximum(squares, 0))


def align(distances: Float[np.ndarray, "T1 T2"]) -> Alignment:
    """Return the cheapest monotonic path through a matrix of distances, by time warping.

        D[i, j] = d[i, j] + min(D[i-1, j-1], D[i-1, j], D[i, j-1])

    All cells of one anti-diagonal depend only on the two before it, so each is one numpy step.

    Source: Sakoe & Chiba 1978, "Dynamic programming algorithm optimization for spoken word
    recognition".
    """
    rows, columns = distances.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        best = np.minimum(total[i, j], np.minimum(total[i, j + 1], total[i + 1, j]))
        total[i + 1, j + 1] = distances[i, j] + best
    return trace_back(total)


def trace_back(total: Float[np.ndarray, "T1_1 T2_1"]) -> Alignment:
    """Follow the cheapest predecessors from the last cell to the first."""
    i, j = total.shape[0] - 1, total.shape[1] - 1
    steps = [(i - 1, j - 1)]
    while i > 1 or j > 1:
        choices = (total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
        back_i, back_j = ((1, 1), (1, 0), (0, 1))[int(np.argmin(choices))]
        i, j = i - back_i, j - back_j
        steps.append((i - 1, j - 1))
    path = np.array(steps[::-1])
    return Alignment(path[:, 0], path[:, 1])


def log_mel(audio: Audio) -> Float[np.ndarray, "T M"]:
    """Return the log-mel spectrogram on which cepstra and alignments are computed."""
    samples = resample(audio, SAMPLE_RATE).samples.astype(np.float64)
    loudness = np.sqrt(np.mean(samples**2))
    levelled = samples * (LEVEL / loudness if loudness else 1.0)
    padded = np.pad(levelled, (0, max(0, SPEC.fft_samples - len(samples))))
    with torch.inference_mode():
        wave = torch.from_numpy(padded.astype(np.float32))[None]
        return MelSpectrogram(SPEC)(wave)[0].numpy().T.astype(np.float64)


def align_audio(first: Audio, second: Audio) -> tuple[Alignment, float]:
    """Return the alignment of two recordings and their mean mel-cepstral distance in decibels."""
    distances = cepstral_distances(mel_cepstra(log_mel(first)), mel_cepstra(log_mel(second)))
    path = align(distances)
    return path, float(distances[path.first, path.second].mean())


def level_difference_db(audio: Audio, reference: Audio) -> float:
    """Return by how many decibels the energies of two recordings differ, loud or quiet alike."""
    energies = [
        float(np.sum(sound.samples.astype(np.float64) ** 2)) for sound in (audio, reference)
    ]
    if min(energies) == 0.0:
        return float("inf") if max(energies) else 0.0
    return abs(10 * np.log10(energies[0] / energies[1]))


class Distortion:
    """Compares a recording with its reference after warping one onto the other in time."""

    def hear(self, take: Take) -> dict[str, float]:
        if take.reference is None:
            return {}
        _, mcd_db = align_audio(take.audio, take.reference)
        energy_db = level_difference_db(take.audio, take.reference)
        return {"mcd_db": mcd_db} | ({"energy_db": energy_db} if np.isfinite(energy_db) else {})


class Fidelity:
    """STOI and PESQ, for recordings that keep the timing of their reference.

    Sources: Taal et al. 2011, "An algorithm for intelligibility prediction of time-frequency
    weighted noisy speech"; ITU-T P.862.2 (wide band).
    """

    def __init__(self) -> None:
        self.stoi = require("pystoi", "STOI", "pip install pystoi").stoi
        self.pesq = require("pesq", "PESQ", "pip install pesq (needs a C compiler)")

    def hear(self, take: Take) -> dict[str, float]:
        reference = take.reference
        if reference is None or abs(take.audio.seconds - reference.seconds) > SAME_TIMING_SECONDS:
            return {}
        heard = resample(take.audio, SAMPLE_RATE).samples
        wanted = resample(reference, SAMPLE_RATE).samples
        shared = min(len(heard), len(wanted))
        heard, wanted = heard[:shared], wanted[:shared]
        try:
            score = float(self.pesq.pesq(SAMPLE_RATE, wanted, heard, "wb"))
        except self.pesq.NoUtterancesError:
            return {"stoi": float(self.stoi(wanted, heard, SAMPLE_RATE))}
        return {"stoi": float(self.stoi(wanted, heard, SAMPLE_RATE)), "pesq": score}
