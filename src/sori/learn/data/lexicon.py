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

from sori.learn.data.batches import WHOLE, Part
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


class Words:
    """Batches of words of like length; the same step gives the same batch.

    Args (of the constructor):
        size: words in a batch.
        held_out: whether these are the words that no training sees.
    """

    def __init__(
        self,
        words: Sequence[Pronounced],
        batch: type,
        config: Alphabets,
        size: int,
        held_out: bool = False,
    ):
        self.batch = batch
        self.config = config
        self.size = size
        # Sorting by length keeps padding small; the order of batches is random.
        self.words = sorted(
            (w for w in words if is_held_out(w.word) == held_out and self._fits(w)),
            key=lambda w: (len(w.word), hashlib.sha256(w.word.encode()).digest()),
        )

    def _fits(self, word: Pronounced) -> bool:
        return len(word.phonemes) <= self.config.slots * len(word.word)

    @property
    def per_pass(self) -> int:
        """Batches that show every word once."""
        return max(len(self.words) // self.size, 1)

    def chosen(self, step: int) -> list[Pronounced]:
        """Return the words of a step."""
        order = np.random.default_rng(step // self.per_pass).permutation(self.per_pass)
        # The offset moves the borders between batches from pass to pass.
        offset = (step // self.per_pass * 37) % self.size
        first = int(order[step % self.per_pass]) * self.size + offset
        return self.words[first : first + self.size] or self.words[:1]

    def at(self, step: int, part: Part = WHOLE) -> Any:
        """Return the batch of a step."""
        return make_batch(self.batch, part.of(self.chosen(step)), self.config)

    def share(self, step: int, part: Part) -> float:
        """Return how many of the step's letters lie in the part."""
        return part.share([len(word.word) for word in self.chosen(step)])

    def names(self, step: int) -> list[str]:
        """Return the spellings of a step's words."""
        return [word.word for word in self.chosen(step)]

    def example(self) -> Any:
        """Return a batch of the longest word."""
        return make_batch(self.batch, self.words[-1:], self.config)


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
