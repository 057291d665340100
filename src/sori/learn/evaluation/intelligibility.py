"""Intelligibility: how many words and characters a speech recogniser gets wrong."""

import sys
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from sori.audio.resample import resample
from sori.learn.evaluation.clips import Take
from sori.learn.evaluation.judges import require

SAMPLE_RATE = 16_000
# Whisper drops a word that starts with the first sample; real recordings have room around them.
PAD_SECONDS = 0.3


def count_edits(reference: Sequence[Hashable], heard: Sequence[Hashable]) -> int:
    """Return the fewest insertions, deletions and replacements that turn one into the other.

        d[i, j] = min(d[i-1, j] + 1, d[i, j-1] + 1, d[i-1, j-1] + [a_i != b_j])

    Source: Wagner & Fischer 1974, "The string-to-string correction problem".
    """
    above = list(range(len(heard) + 1))
    for row, wanted in enumerate(reference, start=1):
        current = [row]
        for column, got in enumerate(heard, start=1):
            replaced = above[column - 1] + (wanted != got)
            current.append(min(above[column] + 1, current[-1] + 1, replaced))
        above = current
    return above[-1]


def error_counts(reference: str, heard: str) -> dict[str, int]:
    """Count word and character errors, and what they are a share of.

    Both texts must be normalised. Rates over many sentences are ratios of these sums, not means
    of ratios, so that a short sentence weighs no more than its words.
    """
    return {
        "word_errors": count_edits(reference.split(), heard.split()),
        "words": len(reference.split()),
        "character_errors": count_edits(reference, heard),
        "characters": len(reference),
    }


def local_whisper() -> str:
    """Return the folder with Whisper's weights that the set-up of the judges filled, or a name."""
    folder = Path(sys.prefix) / "share" / "sori" / "whisper-base"
    return str(folder) if (folder / "model.bin").is_file() else "base"


class Whisper:
    """Writes down what it hears with Whisper and compares it with what should have been said.

    Source: Radford et al. 2022, "Robust speech recognition via large-scale weak supervision",
    arXiv:2212.04356; int8 on CTranslate2.
    """

    def __init__(self, model: str | None = None, threads: int = 1):
        """Load the recogniser.

        Args:
            model: a name known to faster-whisper, or a folder; by default the local `base`.
        """
        install = "pip install 'sori[eval]'"
        whisper = require("faster_whisper", "Whisper", install)
        normalizer = require("whisper_normalizer.english", "Whisper", install)
        self.model = whisper.WhisperModel(
            model or local_whisper(), device="cpu", compute_type="int8", cpu_threads=threads
        )
        self.normalise: Callable[[str], str] = normalizer.EnglishTextNormalizer()

    def transcribe(self, samples: np.ndarray) -> str:
        """Write down 16 kHz samples.

        One temperature, zero: the ladder of temperatures that Whisper climbs by default draws at
        random, and a judge must give the same verdict twice.
        """
        room = round(PAD_SECONDS * SAMPLE_RATE)
        segments, _ = self.model.transcribe(
            np.pad(samples, room).astype(np.float32),
            language="en",
            temperature=0.0,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)

    def hear(self, take: Take) -> dict[str, int | str]:
        if take.text is None:
            return {}
        heard = self.transcribe(resample(take.audio, SAMPLE_RATE).samples)
        return {"heard": heard} | error_counts(self.normalise(take.text), self.normalise(heard))
