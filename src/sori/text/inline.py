"""Phonemes that a user writes into the text: `[word](/phonemes/)`."""

import re

from sori.core.errors import SoriError
from sori.text.phonemes import from_ipa, unknown_letters
from sori.text.scanner import Place, Rule
from sori.text.tokens import Kind, Token

LONGEST_WORD = 200  # phonemes


def checked(spelling: str) -> str:
    """Return phonemes in our letters.

    Raises:
        SoriError: a character is neither one of our letters nor plain IPA.
    """
    phonemes = from_ipa(spelling.strip())
    if unknown := unknown_letters(phonemes):
        raise SoriError(
            f"'{unknown}' in /{spelling}/ is no phoneme; write IPA for English, as in "
            "[data](/dˈeɪtə/)"
        )
    if len(phonemes) > LONGEST_WORD:
        raise SoriError(
            f"/{spelling[:20]}.../ has {len(phonemes)} phonemes, more than {LONGEST_WORD} for one "
            "word; write it as several"
        )
    return phonemes


def read_inline(found: re.Match[str], place: Place) -> list[Token]:
    """Read `[word](/phonemes/)`."""
    phonemes = checked(found[2])
    return [Token(Kind.PHONEMES, found[1], found[0], phonemes)] if phonemes.strip() else []


RULES = (Rule(r"\[([^\]\[]*)\]\(/([^/)]*)/\)", read_inline),)
