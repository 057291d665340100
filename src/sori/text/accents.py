"""American readings spoken the British way, for names that only the American dictionaries hold."""

import re

_VOWEL = "[ˈˌ]?[AIOQWYaiuæɑɒɔəɛɜɪʊʌ]"
_RULES = tuple((re.compile(pattern), british) for pattern, british in (
    (f"(?<=[ɑɔə])ɹ(?!{_VOWEL})", ""),
    (f"(?<!A)ɛɹ(?!{_VOWEL})", "Aə"),
    (f"ɪɹ(?!{_VOWEL})", "iə"),
    (f"ʊɹ(?!{_VOWEL})", "ʊə"),
    ("T", "t"),
    ("O", "Q"),
    ("æ", "a"),
    ("ᵻ", "ɪ"),
))  # fmt: skip
_LOT = re.compile("ɑ(?!ɹ|$)")
_CLOTH = re.compile("ɔ(?=[fsθŋɡ])")


def british(phonemes: str, word: str) -> str:
    """Return a British reading of an American one.

    r is dropped unless a vowel follows, the tap is a t, and the vowels of "lot" and "cloth" are ɒ
    where the spelling has an o.
    """
    if "o" in word.lower():
        phonemes = _CLOTH.sub("ɒ", _LOT.sub("ɒ", phonemes))
    for pattern, letters in _RULES:
        phonemes = pattern.sub(letters, phonemes)
    return phonemes
