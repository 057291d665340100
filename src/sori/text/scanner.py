"""Reads a text from left to right with a list of rules: at each place the first that fits."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sori.text.numbers import with_and
from sori.text.tokens import Token, of_reading


@dataclass
class Place:
    """What a reader may look at besides its match."""

    accent: str
    knows: Callable[[str], bool]  # whether the dictionaries hold a word, in any case
    knows_exactly: Callable[[str], bool]  # whether they hold it written just so
    tokens: list[Token] = field(default_factory=list)  # read so far

    def previous(self) -> str:
        """Return the last spoken word, as spoken; "" at the start or after a mark."""
        return self.tokens[-1].spoken if self.tokens else ""

    def follows_capital(self) -> bool:
        """Return whether the last piece of the text was written with a capital."""
        return bool(self.tokens) and self.tokens[-1].written[:1].isupper()


Reader = Callable[[re.Match[str], Place], str | list[Token] | None]


class Rule(NamedTuple):
    """A pattern and who reads it. A reader that answers None leaves the place to later rules."""

    pattern: str
    read: Reader


class Scanner:
    """Applies rules. One joint pattern finds the candidates, so plain text costs one match."""

    def __init__(self, rules: Sequence[Rule]):
        self._rules = [(re.compile(rule.pattern), rule.read) for rule in rules]
        joint = "|".join(
            f"(?P<r{i}>{re.sub(r'[(][?]P<[a-z_]+>', '(?:', rule.pattern)})"
            for i, rule in enumerate(rules)
        )
        self._joint = re.compile(joint)

    def scan(self, text: str, place: Place) -> None:
        """Append the tokens of a text to those of the place. What no rule reads is passed over."""
        at = 0
        while found := self._joint.search(text, at):
            index = int(found.lastgroup[1:]) if found.lastgroup else 0
            at = self._read(text, found.start(), index, place)

    def _read(self, text: str, start: int, index: int, place: Place) -> int:
        """Let the rules from `index` on read the piece at `start`; return where it ends."""
        for pattern, read in self._rules[index:]:
            found = pattern.match(text, start)
            answer = read(found, place) if found else None
            if found and answer is not None:
                if isinstance(answer, str):
                    words = with_and(answer) if place.accent == "gb" else answer
                    answer = of_reading(words, found[0])
                place.tokens += answer
                return max(found.end(), start + 1)
        return start + 1


def after(found: re.Match[str]) -> str:
    """Return a little of the text behind a match."""
    return found.string[found.end() : found.end() + 40]


def next_word(found: re.Match[str]) -> str:
    """Return the word behind a match, or "" if something else stands there."""
    word = _NEXT_WORD.match(found.string, found.end())
    return word[1] if word else ""


_NEXT_WORD = re.compile(r"\s+\"?([A-Za-z][A-Za-z'-]*)")
