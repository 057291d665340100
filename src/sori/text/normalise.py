"""Text as written to the words that are spoken, token by token.

A sentence is scanned once, left to right. At each place the first rule whose pattern fits reads
the piece; rules for numbers and symbols are compiled only when a sentence holds one of those.
"""

import re
from collections.abc import Callable

from sori.text.numbers import cardinal, decimal
from sori.text.tidy import tidy
from sori.text.tokens import Kind, Token, of_reading, spelled
from sori.text.words import ABBREVIATIONS

_PIECE = re.compile(
    r"(?P<money>\$[0-9]+(?:\.[0-9]{2})?)"
    r"|(?P<number>[0-9][0-9,]*(?:\.[0-9]+)?)"
    r"|(?P<word>[A-Za-z]+(?:['-][A-Za-z]+)*'?\.?)"
    r"|(?P<mark>[.,;:!?…]+|[—–]|--+|[()\"])"
    r"|(?P<other>\S)"
)


def normalise(sentence: str, knows: Callable[[str], bool], accent: str) -> list[Token]:
    """Return the tokens of a sentence in the order in which they are spoken."""
    clean = tidy(sentence)
    text = clean.text
    letters = [c for c in text if c.isalpha()]
    if letters and all(c.isupper() for c in letters) and len(letters) > 8:
        text = text.lower()
    tokens: list[Token] = []
    for found in _PIECE.finditer(text):
        tokens += _read(found, knows)
    return tokens


def _read(found: re.Match[str], knows: Callable[[str], bool]) -> list[Token]:
    text = found[0]
    match found.lastgroup:
        case "money":
            whole, _, cents = text[1:].partition(".")
            reading = f"{cardinal(whole)} dollars" + (f" and {cardinal(cents)} cents" if cents else "")
            return of_reading(reading, text)
        case "number":
            return of_reading(decimal(text.replace(",", "")), text)
        case "word":
            return _word(text, knows)
        case "mark":
            mark = text[0]
            mark = {"…": ",", "—": ",", "–": ",", "-": ",", "(": ",", ")": ",", '"': ""}.get(mark, mark)
            return [Token(Kind.MARK, mark, text)] if mark else []
    return []


def _word(text: str, knows: Callable[[str], bool]) -> list[Token]:
    dot = text.endswith(".")
    word = text.rstrip(".")
    if (word.lower() in ABBREVIATIONS and dot) or word in ("Mr", "Mrs", "Dr"):
        return of_reading(ABBREVIATIONS[word.lower()], text)
    tokens: list[Token]
    if len(word) == 1 and dot and word.isupper():
        return [Token(Kind.LETTERS, word, text)]
    if word.isupper() and len(word) > 1 and not knows(word):
        tokens = of_reading(spelled(word), word)
    else:
        tokens = [Token(Kind.WORD, word, word)]
    if dot:
        tokens.append(Token(Kind.MARK, ".", "."))
    return tokens
