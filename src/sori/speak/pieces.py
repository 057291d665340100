"""Sentences cut into pieces that one run of a voice can speak."""

from collections.abc import Iterator
from typing import NamedTuple

from sori.text.phonemes import CONSONANTS, PAUSES, VOWELS

CLAUSE_ENDS = ",;:—…)”"
SOUNDS = frozenset(VOWELS + CONSONANTS)
SPACE_PAUSE_SECONDS = 0.06
# Phonemes. Some sixteen seconds, as long as the sentences that voices learn from: beyond it they
# guess, and memory grows.
LONGEST = 240
# Phonemes. The first piece of a stream is what a listener waits for; a clause of less than the
# minimum sounds cut off rather than phrased.
FIRST_SHORTEST, FIRST_LONGEST = 12, 60


class Piece(NamedTuple):
    """Phonemes for one run, and the silence that follows when more of the sentence comes."""

    phonemes: str
    pause_seconds: float


def has_sound(phonemes: str) -> bool:
    return not SOUNDS.isdisjoint(phonemes)


def pieces(
    phonemes: str, pause_seconds: float, starts_stream: bool, longest: int = LONGEST
) -> Iterator[Piece]:
    """Cut a sentence where a speaker would breathe, and only where it is too long for one run.

    The first sentence of a stream is also cut at an early clause, if it has one, because the
    listener is waiting for it.
    """
    rest = phonemes.strip()
    if starts_stream and len(rest) > FIRST_LONGEST:
        cut = clause_end(rest, FIRST_SHORTEST, FIRST_LONGEST)
        if cut and has_sound(rest[cut:]):
            yield Piece(rest[:cut].strip(), clause_pause(rest[cut - 1]))
            rest = rest[cut:].strip()
    while len(rest) > longest:
        cut = clause_end(rest, longest // 3, longest) or last_space(rest, longest) or longest
        head = rest[:cut].strip()
        if has_sound(head):
            yield Piece(head, clause_pause(head[-1]))
        rest = rest[cut:].strip()
    if has_sound(rest):
        yield Piece(rest, pause_seconds)


def clause_end(phonemes: str, shortest: int, longest: int) -> int:
    """Where the last clause that fits ends, or 0."""
    ends = [
        at + 1
        for at in range(shortest, longest)
        if phonemes[at] in CLAUSE_ENDS and phonemes[at + 1 : at + 2] in (" ", "")
    ]
    return ends[-1] if ends else 0


def last_space(phonemes: str, longest: int) -> int:
    """Where the last word that fits ends, or 0."""
    return phonemes.rfind(" ", 0, longest) + 1


def clause_pause(last: str) -> float:
    """Seconds of silence after a piece that ends inside a sentence."""
    if last in ";:—…":
        return 0.22
    return 0.14 if last in PAUSES else SPACE_PAUSE_SECONDS
