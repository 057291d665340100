"""Where a sentence ends."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sori.text.words import ABBREVIATIONS

_END = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s|$)""")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LAST_WORD = re.compile(r"([A-Za-z.]+)\.$")


class Passage(NamedTuple):
    """A sentence as written, and the number of its paragraph."""

    text: str
    paragraph: int
    is_last: bool  # of its paragraph


def split(text: str) -> Iterator[Passage]:
    """Yield the sentences of a text one by one."""
    for number, paragraph in enumerate(_paragraphs(text)):
        waiting = None
        for sentence in _sentences(paragraph):
            if waiting is not None:
                yield Passage(waiting, number, False)
            waiting = sentence
        if waiting is not None:
            yield Passage(waiting, number, True)


def _paragraphs(text: str) -> Iterator[str]:
    start = 0
    for gap in _PARAGRAPH.finditer(text):
        if part := text[start : gap.start()].strip():
            yield part
        start = gap.end()
    if part := text[start:].strip():
        yield part


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(paragraph):
        if end[0] == "." and _is_abbreviation(paragraph[max(start, end.end() - 20) : end.end()]):
            continue
        if part := paragraph[start : end.end()].strip():
            yield part
        start = end.end()
    if part := paragraph[start:].strip():
        yield part


def _is_abbreviation(tail: str) -> bool:
    found = _LAST_WORD.search(tail)
    if not found:
        return False
    word = found[1].lower()
    return word in ABBREVIATIONS or len(word) == 1 or "." in word
