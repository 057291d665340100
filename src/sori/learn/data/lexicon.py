"""Words with their readings, as batches for the network that reads unknown words.

The words are those of the packed lexicons that ship with the package, so nothing else is needed
to train. Words of one lemma are all in the training part or all in the held-out part.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from sori.text.lexicon import DATA, PackedLexicon

HELD_OUT_SHARE = 10  # one lemma in ten
_WORD = re.compile("[a-z]+(?:'[a-z]+)?")
_ENDING = re.compile(
    r"('s|s'|ings?|ed|e?s|ies|ied|ier|iest|ers?|est|ly|ness|ment|ments|able|ably|ful|less)$"
)


@runtime_checkable
class Alphabets(Protocol):
    """What the data must know of a model's config: its letters and symbols, by their ids."""

    @property
    def letters(self) -> str: ...
    @property
    def symbols(self) -> str: ...
    @property
    def accents(self) -> tuple[str, ...]: ...
    @property
    def slots(self) -> int: ...


@dataclass(frozen=True)
class Pronounced:
    """One word in one accent."""

    word: str
    phonemes: str
    accent: str


def read_words(accents: Sequence[str]) -> list[Pronounced]:
    """Read the ordinary words and names of the packed lexicons; initials are left out."""
    found = []
    for accent in accents:
        for word, readings in PackedLexicon(DATA / f"lexicon-{accent}.bin").items():
            if _WORD.fullmatch(word.lower()) and not word[1:].isupper():
                found.append(Pronounced(word.lower(), readings[""], accent))
    return sorted(set(found), key=lambda w: (w.word, w.accent, w.phonemes))


def lemma(word: str) -> str:
    """Return what inflected forms of a word share, roughly: at least four letters of its start."""
    stem = word
    while (shorter := _ENDING.sub("", stem)) != stem and len(shorter) >= 3:
        stem = shorter
    return stem.rstrip("eiy")[:8] or word


def is_held_out(word: str) -> bool:
    """Return whether a word's lemma belongs to the part that no training sees."""
    digest = hashlib.sha256(lemma(word).encode()).digest()
    return digest[0] * 256 + digest[1] < 65536 // HELD_OUT_SHARE


class LexiconSource:
    """Batches of words of like length; the same step gives the same batch."""

    def __init__(self, words: Sequence[Pronounced], batch: type, config: Alphabets, size: int):
        self.batch = batch
        self.config = config
        self.size = size
        # Sorting by length keeps padding small; the order of batches is random.
        self.words = sorted(
            (w for w in words if not is_held_out(w.word) and self._fits(w)),
            key=lambda w: (len(w.word), hashlib.sha256(w.word.encode()).digest()),
        )

    def _fits(self, word: Pronounced) -> bool:
        return len(word.phonemes) <= self.config.slots * len(word.word)

    def at(self, step: int) -> Any:
        """Return the batch of a step."""
        per_pass = max(len(self.words) // self.size, 1)
        order = np.random.default_rng(step // per_pass).permutation(per_pass)
        # The offset moves the borders between batches from pass to pass.
        offset = (step // per_pass * 37) % self.size
        first = int(order[step % per_pass]) * self.size + offset
        words = self.words[first : first + self.size] or self.words[:1]
        return make_batch(self.batch, words, self.config)

    def complete(self, config: Any) -> Any:
        """Return the config unchanged: the words add nothing to it."""
        return config

    def notes(self) -> dict[str, Any]:
        """Return what a checkpoint should remember of the data."""
        return {"corpora": ["lexicon"], "words": len(self.words)}


def make_batch(batch: type, words: Sequence[Pronounced], config: Alphabets) -> Any:
    """Number letters and phonemes and pad them."""
    letters = [[config.letters.index(c) for c in w.word] for w in words]
    phonemes = [[config.symbols.index(c) for c in w.phonemes] for w in words]
    return batch(
        letters=_padded(letters),
        letters_len=torch.tensor([len(row) for row in letters]),
        accent=torch.tensor([config.accents.index(w.accent) for w in words]),
        phonemes=_padded(phonemes),
        phonemes_len=torch.tensor([len(row) for row in phonemes]),
    )


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    table = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for row, ids in zip(table, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return table
