"""The phoneme inventory: one character per phoneme, and its reading in plain IPA.

A phoneme string is what the front end hands to a voice: phonemes, stress marks before the vowel,
spaces between words, punctuation where the voice should pause or turn its pitch. Diphthongs and
affricates are one character each, because a voice gives a duration to every character.

The alphabet coincides with the one that misaki (hexgrad, Apache-2.0) defines for Kokoro, so a
voice can be distilled from that teacher without translating labels.
"""

import re

PAUSES = '.,;:!?—…"()“”'
STRESS = "ˈˌ"
VOWELS = "AIOQWYaiouæɐɑɒɔəɚɛɜɪʊʌᵊᵻ"
CONSONANTS = "bdfhjklmnpstvwzðŋɡɹɾTʃʒʤʧθʔ"
ACCENTS = ("us", "gb")

# One-character letters that stand for two IPA symbols; everything else is IPA as it is.
IPA_OF_LETTER = {
    "A": "eɪ",
    "I": "aɪ",
    "O": "oʊ",
    "Q": "əʊ",
    "W": "aʊ",
    "Y": "ɔɪ",
    "T": "ɾ",
    "ʤ": "dʒ",
    "ʧ": "tʃ",
    "ᵊ": "ə",
    "ᵻ": "ɪ",
}

# What people and dictionaries also write. Longest spellings first, so "tʃ" wins over "t".
LETTER_OF_SPELLING = {
    "t͡ʃ": "ʧ",
    "d͡ʒ": "ʤ",
    "tʃ": "ʧ",
    "dʒ": "ʤ",
    "eɪ": "A",
    "aɪ": "I",
    "oʊ": "O",
    "əʊ": "Q",
    "aʊ": "W",
    "ɔɪ": "Y",
    "ɝ": "ɜɹ",
    "ɫ": "l",
    "n̩": "ən",
    "l̩": "əl",
    "m̩": "əm",
    "r": "ɹ",
    "g": "ɡ",
    "e": "ɛ",
    "ɨ": "ᵻ",
    "ʍ": "w",
    "x": "k",
    "'": "ˈ",
    "͡": "",
    ".": "",
}

# The voices' training labels hold 43 letters per accent; a letter outside that set would reach a
# voice that never heard it. Each pair below rewrites a rare letter into the label's own writing.
_COMMON_LETTERS = {
    "us": (
        ("ɾ", "T"),
        ("ʔ", "t"),
        ("ᵊ", "ə"),
        ("ɚ", "əɹ"),
        ("ˈɐ", "ˈʌ"),
        ("ɐ", "ə"),
        ("ː", ""),
        ("Q", "O"),
        ("ɒ", "ɑ"),
        ("a", "æ"),
    ),
    "gb": (
        ("ɾ", "t"),
        ("T", "t"),
        ("ʔ", "t"),
        ("ᵊ", "ə"),
        ("ᵻ", "ɪ"),
        ("ɚ", "ə"),
        ("ˈɐ", "ˈʌ"),
        ("ɐ", "ə"),
        ("ɛː", "Aə"),
        ("ɪə", "iə"),
        ("ː", ""),
        ("O", "Q"),
        ("æ", "a"),
    ),
}
_BARE = {"us": (("o", "ɔ"),), "gb": (("o", "ɔ"),)}
_LETTERS = frozenset(VOWELS + CONSONANTS + STRESS + "ː")
_SPELLING = re.compile("|".join(map(re.escape, LETTER_OF_SPELLING)))
_BARE_NURSE = re.compile("ɜː?(?!ɹ)")


def to_ipa(phonemes: str) -> str:
    """Spell a phoneme string in plain IPA, for people."""
    return "".join(IPA_OF_LETTER.get(letter, letter) for letter in phonemes)


def from_ipa(spelling: str) -> str:
    """Write our letters or plain IPA in our letters; letters that are neither stay as they are."""
    return _SPELLING.sub(lambda found: LETTER_OF_SPELLING[found[0]], spelling)


def unknown_letters(phonemes: str) -> str:
    """Return the characters of a phoneme string that no voice can read, each once."""
    return "".join(
        dict.fromkeys(c for c in phonemes if c not in _LETTERS and c not in PAUSES + " ")
    )


def common_letters(phonemes: str, accent: str) -> str:
    """Rewrite rare letters into those that the voices of this accent were trained on.

    US: ɾ→T, ʔ→t, ᵊ→ə, ɚ→əɹ, ɐ→ə, Q→O, ɒ→ɑ, a→æ. GB: ɾ T ʔ→t, ᵊ→ə, ᵻ→ɪ, ɛː→Aə, ɪə→iə, O→Q, æ→a;
    length marks go, the vowel of "nurse" is ɜɹ in both.
    """
    phonemes = _BARE_NURSE.sub("ɜɹ", phonemes)
    for rare, common in _COMMON_LETTERS[accent] + _BARE[accent]:
        if rare in phonemes:
            phonemes = phonemes.replace(rare, common)
    return phonemes


# Ids of a voice that is trained from here on; a trained voice carries its own list. `_` is silence.
SYMBOLS = "_ " + PAUSES + STRESS + VOWELS + CONSONANTS
