"""The rules for sentences that hold more than letters and punctuation, in their order."""

from sori.text import addresses, dates, quantities, symbols, words
from sori.text.inline import RULES as INLINE
from sori.text.scanner import Scanner

SCANNER = Scanner((
    *INLINE,
    *symbols.SPECIAL,
    *addresses.RULES[:5],
    *dates.RULES,
    *addresses.RULES[5:],
    *quantities.RULES[:-1],
    *addresses.CODES,
    *quantities.RULES[-1:],
    *words.RULES,
    *symbols.RULES,
))
