"""An utterance: one spoken piece of a text, with the time of every word and phoneme."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from sori.core.audio import Audio
from sori.speak.pieces import SOUNDS, has_sound

# The space between letters that are read one by one, as in "U S": one word in phonemes.
INITIALS = re.compile(r"(?<=\b[A-Z]) (?=[A-Z]\b)")


@dataclass(frozen=True)
class Timing:
    """When a word or a phoneme sounds, in seconds from the start of its utterance."""

    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Utterance:
    """A sentence, or the part of one that fits a run of the voice.

    Its audio begins with the pause that parts it from the utterance before. An utterance of which
    nothing could be spoken has no samples and names everything in `skipped`.
    """

    audio: Audio
    text: str
    phonemes: str = ""
    skipped: tuple[str, ...] = ()
    symbols: tuple[Timing, ...] = ()
    words: tuple[Timing, ...] = ()


def symbol_timings(symbols: str, ends: np.ndarray, sample_rate: int) -> tuple[Timing, ...]:
    """Times of the symbols whose last samples follow the first of `ends`, where they start."""
    seconds = [float(end) / sample_rate for end in ends]
    return tuple(
        Timing(symbol, start, end)
        for symbol, (start, end) in zip(symbols, pairwise(seconds), strict=True)
    )


def word_labels(spoken: str, phonemes: str) -> list[str]:
    """Spellings of the words in `phonemes`, or their phonemes where the numbers differ."""
    words = [word for word in spoken.split() if any(letter.isalnum() for letter in word)]
    sounds = [group for group in phonemes.split() if has_sound(group)]
    for labels in (words, INITIALS.sub("", " ".join(words)).split()):
        if len(labels) == len(sounds):
            return labels
    return sounds


def word_timings(symbols: Sequence[Timing], labels: Iterator[str]) -> tuple[Timing, ...]:
    """Times of the words that spaces part; each takes the next label."""
    words: list[Timing] = []
    starts_word = True
    for timing in symbols:
        if timing.label == " ":
            starts_word = True
        elif timing.label in SOUNDS and starts_word:
            words.append(replace(timing, label=next(labels, "")))
            starts_word = False
        elif timing.label in SOUNDS:
            words[-1] = replace(words[-1], end_seconds=timing.end_seconds)
    return tuple(words)
