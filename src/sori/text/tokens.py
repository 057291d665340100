"""What normalisation yields: the pieces of a sentence as they are to be spoken."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a token is turned into phonemes."""

    WORD = "word"  # looked up
    LETTERS = "letters"  # spelled, letter by letter
    MARK = "mark"  # a pause or a tune
    PHONEMES = "phonemes"  # given by the user
    SKIPPED = "skipped"  # cannot be spoken
    TURN = "turn"  # from here on the text is delivered in another way


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a sentence; `written` stands with the first of the words that speak it."""

    kind: Kind
    spoken: str
    written: str
    phonemes: str = ""


# Separates letters that are to be spelled from words, inside the strings that readers return. Text
# from a user never holds it: tidying maps every such dot to a full stop or a space.
LONGEST_SPELLED = 12  # letters read in one breath
SPELL = "\x00"


def spelled(letters: str) -> str:
    """Mark letters as to be spelled, for a reader's answer."""
    return SPELL + letters


def of_reading(reading: str, written: str) -> list[Token]:
    """Turn a reader's answer, words and marks between spaces, into tokens."""
    tokens = []
    for piece in reading.split():
        if piece[0] == SPELL:
            letters = piece[1:]
            cuts = range(0, len(letters), LONGEST_SPELLED)
            parts = [letters[i : i + LONGEST_SPELLED] for i in cuts]
            tokens += [Token(Kind.LETTERS, _spaced(part), written) for part in parts]
        elif piece in ",.;:!?":
            tokens.append(Token(Kind.MARK, piece, written))
        else:
            tokens.append(Token(Kind.WORD, piece, written))
        written = ""
    return tokens


def _spaced(letters: str) -> str:
    """Write letters apart, a plural's s with the last one: "M Ps"."""
    capitals = letters.rstrip("s")
    return " ".join(capitals) + letters[len(capitals) :]
