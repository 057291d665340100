"""Text as written to the words that are spoken, token by token.

A sentence is scanned once, left to right. At each place the first rule whose pattern fits reads
the piece; rules for numbers and symbols are compiled only when a sentence holds one of those.
"""

import re
from collections.abc import Callable

from sori.text import delivery, words
from sori.text.numbers import with_and
from sori.text.roman import COUNTED, value_of
from sori.text.scanner import Place, Scanner
from sori.text.tidy import tidy
from sori.text.tokens import Kind, Token, of_reading

_PLAIN = Scanner(words.RULES)
_NOT_PLAIN = re.compile(r"[^A-Za-z\s.,;:!?…—–()\"'-]|[a-z]\.[a-z]|(?<=\s)-(?=\s)|\[")
_KEPT = re.compile(rf"\[[^\]\[]*\]\(/[^/)]*/\)|{delivery.MARK}")
_LETTERS = re.compile("[A-Za-z]+")


def normalise(
    sentence: str, knows: Callable[[str], bool], knows_exactly: Callable[[str], bool], accent: str
) -> list[Token]:
    """Return the tokens of a sentence in the order in which they are spoken."""
    place = Place(accent, knows, knows_exactly)
    at = 0
    # What a user wrote as phonemes, and marks, are kept from every other rule.
    for found in _KEPT.finditer(sentence):
        _read(sentence[at : found.start()], place)
        if found[0].startswith(delivery.OPEN):
            place.tokens += _marked(found[0][1:-1], accent)
        else:
            _scanner(found[0]).scan(found[0], place)
        at = found.end()
    _read(sentence[at:], place)
    return place.tokens


def _read(text: str, place: Place) -> None:
    clean = tidy(text)
    plain = lowered(clean.text) if is_shouted(clean.text) else clean.text
    _scanner(plain).scan(plain, place)
    place.tokens += [Token(Kind.SKIPPED, name, name) for name in clean.skipped]


def _marked(code: str, accent: str) -> list[Token]:
    """Return the tokens that a mark stands for."""
    if delivery.is_turn(code):
        return [Token(Kind.TURN, "", "", code)]
    from sori.text.sayas import read_as  # most texts have no use for it

    kind, form, content = delivery.read_of(code)
    reading = read_as(kind, form, content, accent)
    return of_reading(with_and(reading) if accent == "gb" else reading, content)


def _scanner(text: str) -> Scanner:
    if not _NOT_PLAIN.search(text):
        return _PLAIN
    # Compiling these rules takes longer than speaking a plain sentence's front end.
    from sori.text.figures import SCANNER

    return SCANNER


def is_shouted(text: str) -> bool:
    """Return whether a text is all capitals and more than a name or a few initials."""
    if not text.isupper():
        return False
    found = _LETTERS.findall(text)
    return len(found) > 2 or (len(found) == 2 and min(map(len, found)) > 3)


def lowered(text: str) -> str:
    """Write shouted text in small letters, but for "I" and numbers in roman letters."""
    previous = ""
    pieces = []
    at = 0
    for found in _LETTERS.finditer(text):
        word = found[0]
        roman = value_of(word) and (
            previous.lower() in COUNTED or (len(word) > 1 and set(word) <= set("IVX"))
        )
        pieces += [text[at : found.start()], word if roman or word == "I" else word.lower()]
        previous, at = word, found.end()
    return "".join([*pieces, text[at:]])
