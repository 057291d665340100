"""Numbers in roman letters: after a name a rank, after "chapter" a number."""

import re

from sori.text.numbers import cardinal, ordinal
from sori.text.scanner import Place, next_word
from sori.text.tokens import spelled
from sori.text.wordlist import word_set

_CANONICAL = re.compile("M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
# "Chapter IV" is chapter four.
COUNTED = word_set(
    "chapter part volume book act scene section article appendix table figure phase stage level "
    "title war bowl apollo division class type psalm canto verse page grade mark fantasy saturn "
    "titan rocky number no lesson unit exercise plate letter sonata symphony opus tier zone "
    "amendment"
)
# "Henry V" is Henry the fifth, though one letter could be an initial or a pronoun.
_RULERS = word_set(
    "henry louis edward george charles james william richard elizabeth mary john paul pius "
    "benedict leo gregory innocent clement urban francis catherine peter alexander nicholas "
    "frederick philip ferdinand napoleon ramesses ptolemy darius xerxes otto constantine ivan "
    "christian gustav gustavus haakon harald olaf umberto emmanuel wilhelm leopold baldwin robert "
    "alfonso pedro manuel selim mehmed murad thutmose amenhotep seti pope king queen emperor "
    "tsar stephen edmund rudolf matthias sigismund casimir boniface celestine adrian "
    "victoria anne joseph franz albert rainier carlos juan felipe"
)
_VERBS = word_set(
    "am was have had think know would will could can should shall do did don't didn't want like "
    "love hope believe suppose guess mean said say saw see went never always just also"
)


def value_of(letters: str) -> int:
    """Return the value of a number in roman letters, 0 if the letters are not one."""
    if not letters or not _CANONICAL.fullmatch(letters):
        return 0
    values = [_VALUES[letter] for letter in letters]
    following = [*values[1:], 0]
    return sum(-v if v < n else v for v, n in zip(values, following, strict=True))


def as_roman(found: re.Match[str], place: Place) -> str | None:
    """Read capitals as a number where their neighbours say so, or return None."""
    letters = found[0]
    value = value_of(letters)
    if not value:
        return None
    before, behind = place.previous().lower(), next_word(found)
    if before in COUNTED:
        return cardinal(value)
    if behind.lower() in ("century", "centuries", "dynasty"):
        return ordinal(value)
    plain = set(letters) <= set("IVX") and len(letters) > 1
    if before in _RULERS and behind.lower() not in _VERBS and value < 40:
        return f"the {ordinal(value)}"
    if plain and behind.lower() in ("drip", "fluids", "line", "bag", "therapy"):
        return spelled(letters)
    if plain and place.follows_capital() and before.isalpha():
        return f"the {ordinal(value)}"
    if plain or len(letters) > 4:
        return cardinal(value)
    return None
