"""Unicode to the few characters that the readers know; what cannot be spoken is named."""

import re
import unicodedata
from typing import NamedTuple

from sori.text.wordlist import word_list

# Characters outside ASCII that some reader speaks or that shape the sentence.
KEPT = "£€¥₹¢°²³×÷±−≈≤≥≠√∞µ…–—№§‰©®™→"
_PLAIN = {
    "’": "'",
    "‘": "'",
    "ʼ": "'",
    "‛": "'",
    "`": "'",
    "´": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "‟": '"',
    "«": '"',
    "»": '"',
    "‹": '"',
    "›": '"',
    "‐": "-",
    "‑": "-",
    "‒": "–",
    "―": "—",
    "⁃": "-",
    "•": " ",
    "·": " ",
    "‧": "",
    "¿": "",
    "¡": "",
    "º": "°",
    "˚": "°",
    "℃": "°C",
    "℉": "°F",
    "μ": "µ",
    "∙": "×",
    "⋅": "×",
    "⁄": "/",
    "∕": "/",
    "€": "€",
    "ß": "ss",
    "ẞ": "SS",
    "ø": "o",
    "Ø": "O",
    "æ": "ae",
    "Æ": "Ae",
    "œ": "oe",
    "Œ": "Oe",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "th",
    "Ð": "Th",
    "þ": "th",
    "Þ": "Th",
    "ı": "i",
    "ħ": "h",
    "Ħ": "H",
    "\u2028": " ",
    "\u2029": " ",
    "\x85": " ",
}
_GREEK = word_list(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "sigma sigma tau upsilon phi chi psi omega"
)
_GREEK_NAME = {chr(base + i): name for base in (0x391, 0x3B1) for i, name in enumerate(_GREEK)} | {
    "µ": "micro"
}
_LONE_GREEK = re.compile("(?<![\u0370-\u03ff])[\u0391-\u03c9](?![\u0370-\u03ff])")
_FRACTION = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
_PLAIN_TEXT = re.compile(r"[\t\n\r\f\v -~]*")
# Characters without a sound or a shape of their own: joiners, marks of direction, variants.
_SILENT = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\ufe0e\ufe0f")


class Tidy(NamedTuple):
    """A text in known characters, and the names of those that were dropped."""

    text: str
    skipped: tuple[str, ...]


def tidy(text: str) -> Tidy:
    """Rewrite a text in ASCII and the symbols of `KEPT`."""
    if _PLAIN_TEXT.fullmatch(text):
        return Tidy(text, ())
    text = _LONE_GREEK.sub(lambda found: f" {_GREEK_NAME.get(found[0], found[0])} ", text)
    text = _FRACTION.sub(" ", text)
    out: list[str] = []
    skipped: dict[str, None] = {}
    for character in text:
        known = _known(character)
        if known is None:
            skipped[name_of(character)] = None
            known = " "
        out.append(known)
    return Tidy("".join(out), tuple(skipped))


def _known(character: str) -> str | None:
    """Return what a character is rewritten to, or None if nobody can speak it."""
    if character in "\t\n\r\f\v":
        return " "
    if " " <= character <= "~" and character != "`":
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    if character in KEPT:
        return character
    if character in _SILENT or unicodedata.category(character) in ("Mn", "Me"):
        return ""
    if unicodedata.category(character) == "Zs":
        return " "
    plain = unicodedata.normalize("NFKD", character)
    plain = "".join(_PLAIN.get(c, c) for c in plain if unicodedata.category(c) != "Mn")
    if plain and all(" " <= c <= "~" or c in KEPT for c in plain):
        return plain
    return None


def name_of(character: str) -> str:
    """Name a character for people: itself if it can be shown, and what Unicode calls it."""
    name = unicodedata.name(character, "").lower() or f"U+{ord(character):04X}"
    return f"{character} ({name})" if character.isprintable() else name
