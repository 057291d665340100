"""Sup-phonemes: runs of phonemes that often stand together, as byte-pair encoding finds them.

Every phoneme of a word has, beside its own id, that of the sup-phoneme that it lies in. Ids are
those of `SYMBOLS` for single letters, then the merges in the order in which they were learned.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units",
section 3.2, arXiv:1508.07909; of phonemes, Zhang et al. 2022, "Mixed-Phoneme BERT",
arXiv:2203.17190.
"""

from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from itertools import groupby, pairwise
from pathlib import Path

from sori.text.phonemes import CONSONANTS, STRESS, SYMBOLS, VOWELS

MERGES = Path(__file__).parent / "data" / "sup-phonemes.txt"
IN_WORDS = frozenset(VOWELS + CONSONANTS + STRESS)  # nothing else is merged

Pair = tuple[str, str]


@cache
def learned_merges() -> tuple[Pair, ...]:
    """The merges that come with the package, most frequent pair first."""
    lines = MERGES.read_text(encoding="utf-8").splitlines()
    return tuple((first, second) for first, second in (line.split(" ") for line in lines))


def merge(parts: list[str], pair: Pair) -> list[str]:
    """Join every place where the two follow each other, from left to right."""
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return joined


class SupPhonemes:
    """Cuts phoneme strings by the first `count` of some merges.

    Raises:
        ValueError: there are not so many.
    """

    def __init__(self, count: int, merges: tuple[Pair, ...] | None = None):
        known = learned_merges() if merges is None else merges
        if not 0 <= count <= len(known):
            raise ValueError(f"{count} sup-phonemes were asked for, {len(known)} are known")
        self.ranks: Mapping[Pair, int] = {pair: rank for rank, pair in enumerate(known[:count])}
        self.cut_word = cache(self.cut_anew)

    @cached_property
    def ids_of(self) -> Mapping[str, int]:
        """Ids of single letters, then of merges; two merges may spell the same."""
        merged = {a + b: len(SYMBOLS) + rank for (a, b), rank in self.ranks.items()}
        return merged | {letter: index for index, letter in enumerate(SYMBOLS)}

    def __len__(self) -> int:
        return len(SYMBOLS) + len(self.ranks)

    def cut_anew(self, word: str) -> tuple[str, ...]:
        parts = list(word)
        while pairs := [pair for pair in pairwise(parts) if pair in self.ranks]:
            parts = merge(parts, min(pairs, key=self.ranks.__getitem__))
        return tuple(parts)

    def cut(self, phonemes: str) -> list[str]:
        """The sup-phonemes of a string, which they spell when joined."""
        parts: list[str] = []
        for is_word, group in groupby(phonemes, key=IN_WORDS.__contains__):
            letters = "".join(group)
            parts += self.cut_word(letters) if is_word else letters
        return parts

    def ids(self, phonemes: str) -> list[int]:
        """For every phoneme, the id of the sup-phoneme that it lies in; 0 where none is known."""
        return [self.ids_of.get(part, 0) for part in self.cut(phonemes) for _ in part]


def learn_merges(words: Mapping[str, int], count: int) -> Iterable[Pair]:
    """Byte-pair encoding: join the most frequent pair, and so on.

    Args:
        words: phonemes of words, and how often each occurs.
    """
    cuts = {word: list(word) for word in words}
    counts: dict[Pair, int] = {}
    places: dict[Pair, set[str]] = {}

    def note(word: str, sign: int) -> None:
        for pair in pairwise(cuts[word]):
            counts[pair] = counts.get(pair, 0) + sign * words[word]
            places.setdefault(pair, set()).add(word)

    for word in cuts:
        note(word, 1)
    for _ in range(count):
        # Equal counts are settled by spelling, so that the same words give the same merges.
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            return
        yield best
        for word in places.pop(best):
            note(word, -1)
            cuts[word] = merge(cuts[word], best)
            note(word, 1)
        counts.pop(best, None)
