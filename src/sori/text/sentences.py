"""Where a sentence ends, and where one that is too long for a voice may be cut."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sori.text.delivery import END, MARK
from sori.text.wordlist import word_set
from sori.text.words import ABBREVIATIONS, COUNTED, TITLES

LONGEST_CHARACTERS = 1200  # a passage beyond this is cut before anything else is done with it

# A run of final marks is matched only from its start, or a megabyte of dots would take forever.
_END = re.compile(r"""(?<![.!?…。！？])(?:[.!?…]++["'”’»)\]]*+(?=\s|$)|[。！？]++)""")
_PARAGRAPH = re.compile(r"\n[ \t\r]*\n\s*")
_SHORT_LINE = re.compile(r"(?:^|(?<=\n))([^\n]{1,44})\n(?=[ \t]*(?:[A-Z0-9\"“‘'(]|[-*•] ))")
_LAST_WORD = re.compile(r"(?:^|[\s(\"'“‘\[-])((?:[A-Za-z]+\.)*[A-Za-z]+)\.$")
_CUT = (
    re.compile(r"[.;:!?…][\"'”’)]*\s"),
    re.compile(r"[,—–][\"'”’)]*\s"),
    re.compile(r"\s(?=(?:and|but|or|nor|that|which|who|because|while|when|where|if|so|for)\s)"),
    re.compile(r"\s"),
)
# A capital behind an abbreviation is mostly a name; these words are not names.
_OPENERS = word_set(
    "the a an he she it they we i you this that these those his her its their our my your in on at "
    "but and or so if when while as after before for from to there here then what who how why "
    "where one some many most all no not only however although because since until with by"
)
_UNITS = word_set("in ft lb lbs oz mi yd min sec hr hrs gal sq approx max mm cm km kg")
_NEXT = re.compile(rf"\s*(?:{MARK})*[\"'“‘(\[]*([A-Za-z]+|[0-9])?")


class Passage(NamedTuple):
    """A sentence as written, and the number of its paragraph."""

    text: str
    paragraph: int
    ends_paragraph: bool
    is_cut: bool = False  # whether the sentence goes on in the next passage


def split(text: str) -> Iterator[Passage]:
    """Yield the sentences of a text one by one."""
    for number, paragraph in enumerate(_paragraphs(text)):
        waiting = None
        for part, is_cut in _bounded(_sentences(paragraph)):
            if waiting is not None:
                yield waiting
            waiting = Passage(part, number, False, is_cut)
        if waiting is not None:
            yield waiting._replace(ends_paragraph=True)


def _paragraphs(text: str) -> Iterator[str]:
    start = 0
    for gap in _PARAGRAPH.finditer(text):
        if part := text[start : gap.start()].strip():
            yield part
        start = gap.end()
    if part := text[start:].strip():
        yield part


def _sentences(paragraph: str) -> Iterator[str]:
    """Yield the sentences of a paragraph; a short line before a capital ends one, as in a list."""
    start = 0
    ends = {line.end() for line in _SHORT_LINE.finditer(paragraph)} if "\n" in paragraph else set()
    ends |= {end.end() for end in _END.finditer(paragraph) if _is_end(paragraph, start, end)}
    for told in paragraph.split(END)[:-1]:
        start += len(told) + 1
        ends.add(start)
    start = 0
    for end in [*sorted(ends), len(paragraph)]:
        if part := paragraph[start:end].replace(END, " ").strip():
            yield part
        start = end


def _is_end(paragraph: str, start: int, end: re.Match[str]) -> bool:
    marks = end[0]
    found = _NEXT.match(paragraph, end.end())
    following = (found[1] or "") if found else ""
    if not following:
        return True
    closed = marks[-1] not in ".!?…。！？"
    if "!" in marks or "?" in marks:
        return not (closed and following.islower())
    if marks[:1] == "…" or marks.startswith(".."):
        return not following.islower()
    if closed:
        return not following.islower()
    tail = _LAST_WORD.search(paragraph, max(start, end.end() - 24), end.end())
    if tail:
        return _ends_after(tail[1], following)
    # "3." at the head of a line numbers what follows.
    return not re.fullmatch(r"\s*[0-9]{1,3}\.", paragraph[max(start, end.end() - 8) : end.end()])


def _ends_after(word: str, following: str) -> bool:
    """Return whether a sentence ends between a word with a full stop and the next word."""
    lower = word.lower()
    opens = following.lower() in _OPENERS and following[0].isupper()
    if "." in word or lower in ABBREVIATIONS or (lower == "st" and word[0].isupper()):
        if word.islower() and lower in ("mar", "jun", "sun", "fri", "wed", "mon"):
            return True
        return opens
    if lower in TITLES and (word[0].isupper() or lower in ("mr", "mrs", "dr")):
        return False
    if lower in COUNTED and (following.isdigit() or re.fullmatch("[IVXLC]+", following)):
        return False
    if len(word) == 1 and word.isupper() and word != "I":
        return opens
    if lower in _UNITS or len(word) == 1:
        return following[0].isupper()
    return True


def _bounded(sentences: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Cut sentences of more than `LONGEST_CHARACTERS`; say of each part whether it was cut."""
    for sentence in sentences:
        start = 0
        while len(sentence) - start > LONGEST_CHARACTERS:
            end = _best_cut(sentence, start, start + LONGEST_CHARACTERS)
            yield sentence[start:end].strip(), True
            start = end
        yield sentence[start:].strip(), False


def _best_cut(text: str, start: int, limit: int) -> int:
    """Return where to cut: the last place of the best kind in the second half of the window."""
    for kind in _CUT:
        if places := [found.end() for found in kind.finditer(text, (start + limit) // 2, limit)]:
            return places[-1]
    return limit
