"""Which reading of a word that has several: by what stands before and after it."""

from sori.text.lexicon import Readings

_NOUN_BEFORE = frozenset("a an the this that these those my your his her its our their no some any each every of in on at for with by from".split())
_VERB_BEFORE = frozenset("to i you we they who will would can could shall should may might must not don't didn't doesn't won't can't cannot let's please".split())


def choose(readings: Readings, words: list[str], index: int, written: str) -> str:
    """Return the tag of the reading that fits a word among its neighbours."""
    before = words[index - 1] if index else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    if before in _NOUN_BEFORE and "N" in readings:
        return "N"
    if before in _VERB_BEFORE and "V" in readings:
        return "V"
    return "F" if after in ("", ",", ".", ";", ":", "!", "?") and "F" in readings else ""
