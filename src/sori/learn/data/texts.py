"""Sentences as phonemes alone, for models that learn from text without sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from sori.core.errors import SoriError
from sori.core.files import write_text
from sori.learn.data.batches import WHOLE, Part, pad
from sori.learn.data.corpora import is_held_out, read_corpus
from sori.text.frontend import FrontEnd

FILE = "phonemes.txt"


@runtime_checkable
class Symbols(Protocol):
    """What the data must know of a model's config: its symbols, by their ids."""

    @property
    def symbols(self) -> str: ...


def phonemised(folder: Path, cache: Path) -> list[str]:
    """What our front end reads in the texts of a corpus, a sentence each; kept in `cache`.

    Raises:
        SoriError: the corpus is unreadable, or holds no sentence.
    """
    kept = cache / FILE
    if not kept.is_file():
        front_end = FrontEnd("us")
        found = [
            sentence.phonemes
            for utterance in read_corpus(folder)
            for sentence in front_end.sentences(utterance.text)
        ]
        cache.mkdir(parents=True, exist_ok=True)
        write_text(kept, "\n".join(found) + "\n")
    return kept.read_text(encoding="utf-8").splitlines()


class Texts:
    """Batches of sentences of like length; the same step gives the same batch.

    Args (of the constructor):
        size: sentences in a batch.
        held_out: whether these are the sentences that no training sees.
    """

    def __init__(
        self,
        sentences: Sequence[str],
        batch: type,
        config: Symbols,
        size: int,
        held_out: bool = False,
    ):
        self.batch, self.size = batch, size
        self.id_of = {letter: index for index, letter in enumerate(config.symbols)}
        # Sorting by length keeps padding small; the order of batches is random.
        self.sentences = sorted({s for s in sentences if is_held_out(s) == held_out}, key=key)
        if not self.sentences:
            raise SoriError("the texts hold no sentence to learn from")

    @property
    def per_pass(self) -> int:
        """Batches that show every sentence once."""
        return max(len(self.sentences) // self.size, 1)

    def chosen(self, step: int) -> list[str]:
        """The sentences of a step."""
        random = np.random.default_rng(step // self.per_pass)
        order, offset = random.permutation(self.per_pass), random.integers(self.size)
        # The offset moves the borders between batches from pass to pass.
        first = int(order[step % self.per_pass]) * self.size + int(offset)
        return self.sentences[first : first + self.size] or self.sentences[:1]

    def at(self, step: int, part: Part = WHOLE) -> Any:
        """The batch of a step."""
        return self.collate(part.of(self.chosen(step)))

    def share(self, step: int, part: Part) -> float:
        """How much of the step's phonemes lies in the part."""
        return part.share([len(sentence) for sentence in self.chosen(step)])

    def names(self, step: int) -> list[str]:
        """The sentences of a step."""
        return self.chosen(step)

    def example(self) -> Any:
        """A batch of the sentence of middle length."""
        return self.collate([self.sentences[len(self.sentences) // 2]])

    def collate(self, sentences: Sequence[str]) -> Any:
        """Number phonemes, silence at both ends, and pad; unknown letters are left out."""
        rows = [
            torch.tensor([0, *(self.id_of[c] for c in sentence if c in self.id_of), 0])
            for sentence in sentences
        ]
        return self.batch(ids=pad(rows), ids_len=torch.tensor([len(row) for row in rows]))


def key(sentence: str) -> tuple[int, str]:
    return len(sentence), sentence
