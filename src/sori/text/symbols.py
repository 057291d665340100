"""Readers for single signs."""

import re

from sori.text.scanner import Place, Rule
from sori.text.tokens import Kind, Token, spelled

NAMES = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "@": "at",
    "#": "hash",
    "%": "percent",
    "°": "degrees",
    "*": "",
    "/": "slash",
    "\\": "backslash",
    "<": "less than",
    ">": "greater than",
    "~": "about",
    "^": "to the power of",
    "_": "",
    "|": "",
    "{": "",
    "}": "",
    "[": "",
    "]": "",
    "`": "",
    "$": "dollars",
    "£": "pounds",
    "€": "euros",
    "¥": "yen",
    "₹": "rupees",
    "¢": "cents",
    "×": "times",
    "÷": "divided by",
    "±": "plus or minus",
    "−": "minus",
    "≈": "approximately equals",
    "≤": "is less than or equal to",
    "≥": "is greater than or equal to",
    "≠": "does not equal",
    "√": "the square root of",
    "∞": "infinity",
    "µ": "micro",
    "№": "number",
    "§": "section",
    "©": "copyright",
    "®": "",
    "™": "",
    "²": "squared",
    "³": "cubed",
    "‰": "per mille",
    "→": ",",
    "-": "",
    "'": "",
}


_SLASHED = {
    "and/or": "and or",
    "w/o": "without",
    "w/": "with",
    "24/7": "twenty-four seven",
    "9/11": "nine eleven",
}


def read_sign(found: re.Match[str], place: Place) -> str | list[Token]:
    """Read a sign by its name; signs of layout are silent."""
    name = NAMES.get(found[0][0])
    if name is None:
        return [Token(Kind.SKIPPED, found[0], found[0])]
    return name or []


def read_either(found: re.Match[str], place: Place) -> str | None:
    """Read "and/or", "w/", "w/o", "24/7", "9/11"."""
    return _SLASHED[found[0].lower()]


def read_slash(found: re.Match[str], place: Place) -> list[Token]:
    """Read a slash between words as a short pause."""
    return [Token(Kind.MARK, ",", found[0])]


def read_minus(found: re.Match[str], place: Place) -> str:
    """Read the dash of a subtraction."""
    return "minus"


def read_initials(found: re.Match[str], place: Place) -> str:
    """Read "AT&T" and "R&D"."""
    return f"{spelled(found[1])} and {spelled(found[2])}"


SPECIAL = (
    Rule(r"(?<![A-Za-z])([A-Z]{1,3})&([A-Z]{1,3})(?![A-Za-z])", read_initials),
    Rule(
        r"(?<![A-Za-z0-9])(?:(?i:and/or|w/o)(?![A-Za-z])|[wW]/(?=\s)|(?:24/7|9/11)(?![0-9/]))",
        read_either,
    ),
    Rule(r"(?<=[0-9A-Za-z)]\s)[-−](?=\s[0-9])", read_minus),
)
RULES = (
    Rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", read_slash),
    Rule(r"\S", read_sign),
)
