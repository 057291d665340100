"""Readings of inflected words from the reading of their stem: plural, past, -ing, -ly and so on."""

import re
from collections.abc import Callable

# A word and the part of speech it must be ("V", or "" for any) to its reading.
Lookup = Callable[[str, str], str | None]

_HISS = "szʃʒʧʤ"
_UNVOICED = "ptkfθ"
_TAPPED = re.compile("(?<=[AIOWYiuæɑɔəɛɪʊʌɹ])t$")
_PREFIXES = {
    "us": {
        "un": "ʌn",
        "non": "nˌɑn",
        "re": "ɹˌi",
        "over": "ˌOvəɹ",
        "under": "ˌʌndəɹ",
        "mis": "mɪs",
    },
    "gb": {"un": "ʌn", "non": "nˌɒn", "re": "ɹˌi", "over": "ˌQvə", "under": "ˌʌndə", "mis": "mɪs"},
}
_WEAK_I = {"us": "ᵻ", "gb": "ɪ"}


def derive(word: str, accent: str, lookup: Lookup) -> str | None:
    """Return the reading of an inflected or prefixed word, or None if no stem is known."""
    for rule in (_possessive, _plural, _past, _gerund, _adverb, _suffixed):
        if phonemes := rule(word, accent, lookup):
            return phonemes
    return None


def derive_prefixed(word: str, accent: str, lookup: Lookup) -> str | None:
    """Return the reading of "un-", "re-", "over-" and the like before a known word."""
    for prefix, phonemes in _PREFIXES[accent].items():
        rest = word[len(prefix) :]
        if word.startswith(prefix) and len(rest) > 3 and (stem := lookup(rest, "")):
            return phonemes + stem
    return None


def derive_compound(word: str, lookup: Lookup) -> str | None:
    """Return the reading of two known words written as one, the first one stressed."""
    best = None
    for cut in range(3, len(word) - 2):
        left, right = lookup(word[:cut], ""), lookup(word[cut:], "")
        if left and right:
            balance = min(cut, len(word) - cut)
            if best is None or balance > best[0]:
                best = (balance, left + right.replace("ˈ", "ˌ"))
    return best[1] if best else None


def plural_ending(stem: str, accent: str) -> str:
    """Return how -s sounds after a stem: kisses, cats, dogs."""
    if stem[-1] in _HISS:
        return _WEAK_I[accent] + "z"
    return "s" if stem[-1] in _UNVOICED else "z"


def past_ending(stem: str, accent: str) -> str:
    """Return how -ed sounds after a stem: wanted, missed, played."""
    if stem[-1] in "tdT":
        return _WEAK_I[accent] + "d"
    return "t" if stem[-1] in _UNVOICED + "sʃʧ" else "d"


def tapped(stem: str, accent: str) -> str:
    """Return the stem as it sounds before an unstressed vowel: American t becomes a tap."""
    return _TAPPED.sub("T", stem) if accent == "us" else stem


def _linked(stem: str, spelling: str, accent: str) -> str:
    """Return the stem with the r that British English speaks only before a vowel."""
    if accent == "gb" and spelling.rstrip("e").endswith("r") and stem[-1] in "əɔɑ":
        return stem + "ɹ"
    return tapped(stem, accent)


def _possessive(word: str, accent: str, lookup: Lookup) -> str | None:
    if word.endswith("'s"):
        stem = lookup(word[:-2], "")
        return stem + plural_ending(stem, accent) if stem else None
    if word.endswith("s'"):
        return lookup(word[:-1], "")
    return None


def _plural(word: str, accent: str, lookup: Lookup) -> str | None:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "'s", "us", "is")):
        return None
    stems = [word[:-1]]
    if word.endswith("ies"):
        stems.append(word[:-3] + "y")
    if word.endswith("es") and word[-3] in "shxzoc":
        stems.append(word[:-2])
    stem = _first(stems, "", lookup)
    return stem + plural_ending(stem, accent) if stem else None


def _past(word: str, accent: str, lookup: Lookup) -> str | None:
    if len(word) < 5 or not word.endswith("ed"):
        return None
    stems = [word[:-1], word[:-2]]
    if word.endswith("ied"):
        stems = [word[:-3] + "y"]
    if len(word) > 5 and word[-3] == word[-4]:
        stems = [word[:-2], word[:-3]]
    stem = _first(stems, "V", lookup)
    if not stem:
        return None
    ending = past_ending(stem, accent)
    return (tapped(stem, accent) if len(ending) == 2 else stem) + ending


def _gerund(word: str, accent: str, lookup: Lookup) -> str | None:
    if len(word) < 6 or not word.endswith("ing"):
        return None
    base = word[:-3]
    stems = [base + "e", base]
    if base[-1] == base[-2]:
        stems = [base, base[:-1]]
    for spelling in stems:
        if stem := lookup(spelling, "V"):
            return _linked(stem, spelling, accent) + "ɪŋ"
    return None


def _adverb(word: str, accent: str, lookup: Lookup) -> str | None:
    if len(word) < 6 or not word.endswith("ly"):
        return None
    if word.endswith("ily") and (stem := lookup(word[:-3] + "y", "")):
        return stem[:-1] + "əli"
    if stem := lookup(word[:-2], ""):
        return stem[:-1] + "li" if stem[-1] == "l" else stem + "li"
    return None


def _suffixed(word: str, accent: str, lookup: Lookup) -> str | None:
    for suffix, phonemes in (("ness", "nəs"), ("less", "ləs"), ("ful", "fəl"), ("ment", "mənt")):
        base = word.removesuffix(suffix)
        if 2 < len(base) < len(word) and (stem := lookup(base, "")):
            return stem + phonemes
    return None


def _first(stems: list[str], part: str, lookup: Lookup) -> str | None:
    return next((stem for spelling in stems if (stem := lookup(spelling, part))), None)
