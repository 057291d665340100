"""Speakers: by name, or mixed, as in `anna(2)+ben(1)`."""

import difflib
import re
from collections.abc import Iterable, Mapping
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
    """Read a speaker's name or a mix of several; None is the voice's default speaker.

    The weights are those of the graph's speakers: who is a mix in the card is none of them.
    """
    mixes = {speaker.name: speaker.mix for speaker in card.speakers if speaker.mix}
    weights = weights_of(card, card.default_speaker if wanted is None else wanted, mixes)
    heaviest = card.people[int(weights.argmax())]
    return Mix(weights, heaviest.accent)


def weights_of(card: Card, wanted: str, mixes: Mapping[str, str]) -> np.ndarray:
    """Weights of the graph's speakers, summing to 1; a mix is made of those alone."""
    places = {speaker.name: number for number, speaker in enumerate(card.people)}
    weights = np.zeros(len(places), np.float32)
    for part in wanted.split("+"):
        matched = PART.fullmatch(part)
        if matched is None:
            raise SoriError(f"cannot read the speaker {wanted!r}; write NAME, or NAME(2)+NAME(1)")
        name = matched.group(1)
        amount = 1.0 if matched.group(2) is None else float(matched.group(2))
        if name in mixes:
            weights += amount * weights_of(card, mixes[name], {})
        elif name in places:
            weights[places[name]] += amount
        else:
            raise SoriError(unknown("speaker", name, [*places, *mixes]))
    if not weights.sum():
        raise SoriError(f"every weight of the speaker {wanted!r} is 0; give one a weight above 0")
    return weights / weights.sum()


def unknown(noun: str, given: str, names: Iterable[str]) -> str:
    """Say that a name is not known, which are, and which one was perhaps meant."""
    names = list(names)
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(given.lower(), lower, n=1, cutoff=0.5)
    meant = f", perhaps {lower[close[0]]}" if close else ""
    return f"there is no {noun} {given!r}{meant}; choose one of: {', '.join(names) or 'none'}"
