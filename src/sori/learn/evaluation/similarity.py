"""Speaker similarity: does it sound like the same person?"""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sori.audio.resample import resample
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.evaluation.clips import Take
from sori.learn.evaluation.judges import require

SAMPLE_RATE = 16_000
INSTALL = "pip install --no-deps Resemblyzer==0.1.4 && pip install librosa webrtcvad-wheels"


def cosine(one: Float[np.ndarray, " D"], other: Float[np.ndarray, " D"]) -> float:
    """Return the cosine of the angle between two vectors."""
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def centroid(embeddings: Sequence[Float[np.ndarray, " D"]]) -> Float[np.ndarray, " D"]:
    """Return the mean of vectors scaled to length one: one speaker from several recordings."""
    return np.mean([vector / np.linalg.norm(vector) for vector in embeddings], axis=0)


class Resemblyzer:
    """Compares a recording with recordings of the speaker it should sound like.

    Source: Wan et al. 2018, "Generalized end-to-end loss for speaker verification",
    arXiv:1710.10467.
    """

    def __init__(self, recordings: Sequence[Audio]):
        """Load the encoder and learn the speaker from recordings."""
        if not recordings:
            raise SoriError("speaker similarity needs at least one recording of the speaker")
        with warnings.catch_warnings():
            # It imports a name that scipy has moved and says so on every import.
            warnings.simplefilter("ignore")
            self.package = require("resemblyzer", "Resemblyzer", INSTALL)
        self.encoder = self.package.VoiceEncoder("cpu", verbose=False)
        self.speaker = centroid([self.embed(recording) for recording in recordings])

    def embed(self, audio: Audio) -> Float[np.ndarray, " D"]:
        """Return the 256 numbers that stand for who speaks."""
        samples = self.package.preprocess_wav(resample(audio, SAMPLE_RATE).samples)
        return self.encoder.embed_utterance(samples)

    def hear(self, take: Take) -> dict[str, float]:
        return {"similarity": cosine(self.embed(take.audio), self.speaker)}
