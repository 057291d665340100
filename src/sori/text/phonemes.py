"""The phoneme inventory: one character per phoneme, and its reading in plain IPA.

A phoneme string is what the front end hands to a voice: phonemes, stress marks before the vowel,
spaces between words, punctuation where the voice should pause or turn its pitch. Diphthongs and
affricates are one character each, because a voice gives a duration to every character.

The alphabet coincides with the one that misaki (hexgrad, Apache-2.0) defines for Kokoro, so a
voice can be distilled from that teacher without translating labels.
"""

PAUSES = '.,;:!?—…"()“”'
STRESS = "ˈˌ"
VOWELS = "AIOQWYaiouæɐɑɒɔəɚɛɜɪʊʌᵊᵻ"
CONSONANTS = "bdfhjklmnpstvwzðŋɡɹɾTʃʒʤʧθʔ"

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


def to_ipa(phonemes: str) -> str:
    """Spell a phoneme string in plain IPA, for people."""
    return "".join(IPA_OF_LETTER.get(letter, letter) for letter in phonemes)
