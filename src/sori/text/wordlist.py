"""Lists of words, written as one string between spaces."""


def word_list(words: str) -> list[str]:
    """Return the words of a string in order."""
    return words.split()


def word_set(words: str) -> frozenset[str]:
    """Return the words of a string as a set."""
    return frozenset(words.split())
