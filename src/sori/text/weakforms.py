"""How small words sound in running speech: "the" before a vowel, "to" before a consonant.

The strong or dictionary form stands at the end of a phrase, the weak form inside it. The forms are
those that the teachers of our voices were trained on: US "of" is ʌv and "and" is ænd even inside.
"""

from sori.text.phonemes import VOWELS

# word: (before a consonant, before a vowel); used only when another word follows at once.
_BOTH = {
    "the": ("ðə", "ði"),
    "a": ("ə", "ə"),
    "an": ("ən", "ən"),
    "to": ("tə", "tʊ"),
    "into": ("ˌɪntʊ", "ˌɪntʊ"),
    "onto": ("ˌɔntʊ", "ˌɔntʊ"),
    "i": ("I", "I"),
    "than": ("ðən", "ðən"),
    "any": ("ˌɛni", "ˌɛni"),
    "about": ("əbˌWt", "əbˌWt"),
    "without": ("wɪðˌWt", "wɪðˌWt"),
    "within": ("wɪðˌɪn", "wɪðˌɪn"),
    "being": ("bˌiɪŋ", "bˌiɪŋ"),
    "thirteen": ("θˈɜɹtin", "θˈɜɹtin"),
    "fifteen": ("fˈɪftin", "fˈɪftin"),
    "sixteen": ("sˈɪkstin", "sˈɪkstin"),
    "seventeen": ("sˈɛvəntˌin", "sˈɛvəntˌin"),
    "eighteen": ("ˈAtin", "ˈAtin"),
    "nineteen": ("nˈIntin", "nˈIntin"),
}
_US = {
    "fourteen": ("fˈɔɹtin", "fˈɔɹtin"),
    "upon": ("əpˌɑn", "əpˌɑn"),
    "before": ("bəfˌɔɹ", "bəfˌɔɹ"),
    "between": ("bətwˌin", "bətwˌin"),
    "under": ("ˌʌndəɹ", "ˌʌndəɹ"),
    "over": ("ˌOvəɹ", "ˌOvəɹ"),
    "our": ("ˌWəɹ", "ˌWəɹ"),
    "your": ("jʊɹ", "jʊɹ"),
}
_GB = {
    "onto": ("ˌɒntʊ", "ˌɒntʊ"),
    "fourteen": ("fˈɔtin", "fˈɔtin"),
    "upon": ("əpˌɒn", "əpˌɒn"),
    "before": ("bɪfˌɔ", "bɪfˌɔɹ"),
    "between": ("bɪtwˌin", "bɪtwˌin"),
    "under": ("ˌʌndə", "ˌʌndəɹ"),
    "over": ("ˌQvə", "ˌQvəɹ"),
    "our": ("ˌWə", "ˌWəɹ"),
}
FORMS = {"us": _BOTH | _US, "gb": _BOTH | _GB}

# A vowel after which British spelling's final r is spoken when the next word opens with a vowel.
_LINKING = ("ə", "ɔ", "ɑ")


def begins_with_vowel(phonemes: str) -> bool:
    """Return whether the first sound, stress marks aside, is a vowel."""
    return bool(phonemes) and phonemes.lstrip("ˈˌ")[:1] in VOWELS


def in_phrase(word: str, phonemes: str, following: str, accent: str) -> str:
    """Return how a word sounds before the phonemes of the next word of its phrase."""
    vowel_next = begins_with_vowel(following)
    if form := FORMS[accent].get(word.lower()):
        return form[vowel_next]
    if accent == "gb" and vowel_next and _ends_in_r(word) and phonemes.endswith(_LINKING):
        return phonemes + "ɹ"
    return phonemes


def _ends_in_r(word: str) -> bool:
    return word.lower().endswith(("r", "re"))
