"""Readers for addresses of the net, telephone numbers, tags, codes made of letters and digits."""

import re

from sori.text.numbers import below_hundred, cardinal, one_by_one
from sori.text.scanner import Place, Rule
from sori.text.tokens import spelled
from sori.text.wordlist import word_set

_TOP = "com|org|net|edu|gov|mil|info|io|ai|dev|app|co|uk|us|ca|de|fr|it|es|nl|eu|au|jp|kr|tv|me"
_SPELLED_TOP = word_set("uk us ca de fr es nl eu au jp kr tv io ai edu")
SIGNS = {
    ".": "dot",
    "@": "at",
    "/": "slash",
    "-": "dash",
    "_": "underscore",
    ":": "colon",
    "+": "plus",
    "?": "question mark",
    "=": "equals",
    "&": "and",
    "#": "hash",
    "%": "percent",
    "~": "tilde",
}
_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9]")
_CAMEL = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_VOWEL = re.compile("[aeiouy]")
_GROUP = re.compile("[A-Za-z]+|[0-9]+")


def read_address(found: re.Match[str], place: Place) -> str:
    """Read an e-mail or web address, its signs by name."""
    text = found[0].rstrip(".,;:!?)'\"")
    for scheme in ("https://", "http://"):
        text = text.removeprefix(scheme)
    dropped = found[0].rstrip("/")[len(found[0].rstrip(".,;:!?)'\"")) :]
    tail = f" {dropped[0]}" if dropped and dropped[0] in ".,;:!?" else ""
    pieces = _PIECE.findall(text.rstrip("/"))
    words = [
        _address_piece(piece, index == len(pieces) - 1 or pieces[index + 1] in "./", place)
        for index, piece in enumerate(pieces)
    ]
    return " ".join(words) + tail


def _address_piece(piece: str, is_top: bool, place: Place) -> str:
    if piece.isdigit():
        return cardinal(piece) if len(piece) < 3 else one_by_one(piece)
    if not piece.isalpha():
        return SIGNS.get(piece, "")
    lower = piece.lower()
    if lower == "www":
        return "double-u double-u double-u"
    if (is_top and lower in _SPELLED_TOP) or len(lower) == 1:
        return spelled(piece.upper())
    if len(lower) <= 4 and (not place.knows(lower) or not _VOWEL.search(lower)):
        return spelled(piece.upper())
    return lower


def read_tag(found: re.Match[str], place: Place) -> str | None:
    """Read "#ThrowbackThursday" and "@sori_dev", word by word."""
    sign = "hashtag" if found[1] == "#" else "at"
    words = []
    for piece in found[2].split("_"):
        for part in _CAMEL.findall(piece):
            known = len(part) > 3 or not part.isupper()
            words.append(cardinal(part) if part.isdigit() else part if known else spelled(part))
    return " ".join([sign, *words])


def read_numbered(found: re.Match[str], place: Place) -> str:
    """Read "#5" as number five."""
    return f"number {cardinal(found[1])}"


_YEARS = re.compile("[12][0-9]{3}[ -][12][0-9]{3}")


def read_telephone(found: re.Match[str], place: Place) -> str | None:
    """Read a telephone number digit by digit, with a pause between its groups."""
    text = found[0]
    groups = re.findall("[0-9]+", text)
    spaced = " " in text and not {"-", ".", "("} & set(text)
    if _YEARS.fullmatch(text) or (spaced and text[0] not in "+0"):
        return None
    if not 7 <= sum(map(len, groups)) <= 15:
        return None
    zero = "oh"
    words = " , ".join(_digits(group, zero) for group in groups)
    return ("plus " if text[0] == "+" else "") + words


def _digits(group: str, zero: str) -> str:
    if group == "800":
        return "eight hundred"
    return one_by_one(group, zero)


def read_code(found: re.Match[str], place: Place) -> str:
    """Read "B2B", "MP3", "COVID-19", "A303": letters spelled, digits in small groups."""
    words = []
    for part in _GROUP.findall(found[0]):
        if part.isdigit():
            words.append(code_number(part))
        elif part.isupper() and (len(part) < 4 or not place.knows(part)):
            words.append(spelled(part))
        elif len(part) == 1 or part.islower() and not place.knows(part):
            words.append(spelled(part.upper()))
        else:
            words.append(part)
    return " ".join(words)


def code_number(digits: str) -> str:
    """Read the digits of a code: 19, 303 (three oh three), 747 (seven forty-seven), 1080."""
    if digits[0] == "0" or len(digits) > 4:
        return one_by_one(digits, "oh")
    if len(digits) < 3 or int(digits) % 100 == 0:
        return cardinal(digits)
    head, tail = digits[:-2], int(digits[-2:])
    return f"{cardinal(head)} {'oh ' if tail < 10 else ''}{below_hundred(tail)}"


RULES = (
    Rule(r"[A-Za-z0-9][A-Za-z0-9._+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", read_address),
    Rule(r"https?://[^\s<>\"]+|www\.[^\s<>\"]+", read_address),
    Rule(
        rf"(?<![A-Za-z0-9.])[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?:{_TOP})(?![A-Za-z0-9])(?:/[^\s<>\"]*)?",
        read_address,
    ),
    Rule(r"(?<![A-Za-z0-9])([#@])([A-Za-z][A-Za-z0-9_]*)", read_tag),
    Rule(r"#\s?([0-9]+)", read_numbered),
    Rule(
        r"(?<![0-9])(?:\+[0-9]{1,3}[ .-]?)?(?:\([0-9]{2,5}\)[ .-]?)?"
        r"(?:1-)?[0-9]{2,5}(?:[ .-][0-9]{2,5}){1,4}(?![0-9,.%:/]*[0-9%])",
        read_telephone,
    ),
)
CODES = (
    Rule(
        r"(?<![A-Za-z0-9])(?=[A-Za-z0-9-]*[A-Za-z])(?=[A-Za-z0-9-]*[0-9])"
        r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*",
        read_code,
    ),
)
