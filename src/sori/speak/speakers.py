"""Speakers: by name, or mixed, as in `anna(2)+ben(1)`."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sori.core.errors import SoriError
from sori.speak.card import Card

PART = re.compile(r"\s*([^()+]+?)\s*(?:\(\s*([0-9]*\.?[0-9]+)\s*\))?\s*")


@dataclass(frozen=True)
class Mix:
    """Weights of a voice's speakers, summing to 1, and the accent of the heaviest."""

    weights: np.ndarray
    accent: str


def mix(card: Card, wanted: str | None) -> Mix:
    """Read a speaker's name or a mix of several; None is the voice's default speaker."""
    names = [speaker.name for speaker in card.speakers]
    weights = np.zeros(len(names), np.float32)
    for part in [card.default_speaker] if wanted is None else wanted.split("+"):
        matched = PART.fullmatch(part)
        if matched is None:
            raise SoriError(f"cannot read the speaker {wanted!r}; write NAME, or NAME(2)+NAME(1)")
        name, weight = matched.group(1), matched.group(2)
        if name not in names:
            raise SoriError(unknown("speaker", name, names))
        weights[names.index(name)] += 1.0 if weight is None else float(weight)
    if not weights.sum():
        raise SoriError(f"every weight of the speaker {wanted!r} is 0; give one a weight above 0")
    heaviest = card.speakers[int(weights.argmax())]
    return Mix(weights / weights.sum(), heaviest.accent)


def unknown(noun: str, given: str, names: Iterable[str]) -> str:
    """Say that a name is not known, which are, and which one was perhaps meant."""
    names = list(names)
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(given.lower(), lower, n=1, cutoff=0.5)
    meant = f", perhaps {lower[close[0]]}" if close else ""
    return f"there is no {noun} {given!r}{meant}; choose one of: {', '.join(names) or 'none'}"
