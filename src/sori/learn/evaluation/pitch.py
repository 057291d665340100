"""Pitch: does the melody follow the reference?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from sori.audio.resample import resample
from sori.core.audio import Audio
from sori.learn.evaluation.clips import Take
from sori.learn.evaluation.distortion import HOP_SECONDS, Alignment, align_audio
from sori.learn.evaluation.judges import require

SAMPLE_RATE = 16_000
# Speech: from a low male voice to an excited child; wider bands invite octave errors.
F_MIN_HZ, F_MAX_HZ = 60.0, 500.0
VOICED_CONFIDENCE = 0.5  # the detector is calibrated so that this is the border


@dataclass(frozen=True)
class Melody:
    """F0 in Hz and whether the voice sounds, at equal steps."""

    f0_hz: Float[np.ndarray, " T"]
    is_voiced: Bool[np.ndarray, " T"]


def compare_melodies(heard: Melody, wanted: Melody) -> dict[str, float]:
    """Compare two melodies frame by frame.

    The error of F0 is counted where both voices sound, in cents (1200 to the octave), so that a
    high voice is judged as a low one is:

        sqrt(mean (1200 log2(f / f'))^2)
    """
    both = heard.is_voiced & wanted.is_voiced
    disagree = int((heard.is_voiced != wanted.is_voiced).sum())
    scores = {"voicing_errors": float(disagree), "voicing_frames": float(len(both))}
    if not both.any():
        return scores
    cents = 1200 * np.log2(heard.f0_hz[both] / wanted.f0_hz[both])
    return scores | {"f0_cents": float(np.sqrt(np.mean(cents**2)))}


def warp(heard: Melody, wanted: Melody, path: Alignment) -> tuple[Melody, Melody]:
    """Lay two melodies along an alignment of their recordings."""

    def follow(melody: Melody, frames: np.ndarray) -> Melody:
        # Both count hops of one length, but may round the end of a recording differently.
        inside = np.minimum(frames, len(melody.f0_hz) - 1)
        return Melody(melody.f0_hz[inside], melody.is_voiced[inside])

    return follow(heard, path.first), follow(wanted, path.second)


class SwiftF0:
    """Finds F0 with the network of the package swift-f0, and compares it with the reference."""

    def __init__(self, threads: int = 1):
        package = require("swift_f0", "F0", "pip install swift-f0")
        self.detector = package.SwiftF0(threads=threads)

    def melody(self, audio: Audio) -> Melody:
        """Return the melody at the frames of the spectrogram."""
        samples = resample(audio, SAMPLE_RATE).samples
        found = self.detector.detect(samples, SAMPLE_RATE, F_MIN_HZ, F_MAX_HZ)
        times = HOP_SECONDS * (np.arange(max(1, round(audio.seconds / HOP_SECONDS))) + 0.5)
        nearest = np.abs(found.timestamps[None] - times[:, None]).argmin(axis=1)
        return Melody(found.pitch_hz[nearest], found.confidence[nearest] >= VOICED_CONFIDENCE)

    def hear(self, take: Take) -> dict[str, float]:
        if take.reference is None:
            return {}
        path, _ = align_audio(take.audio, take.reference)
        return compare_melodies(*warp(self.melody(take.audio), self.melody(take.reference), path))
