"""A word's phonemes: the user's dictionary, then ours, then morphology, then the network."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sori.text.accents import british
from sori.text.lexicon import DATA, PackedLexicon, Readings
from sori.text.morphology import derive, derive_compound, derive_prefixed, plural_ending
from sori.text.wordlist import word_set

# "ninety-nine" is read part by part: dictionaries list some such numbers, but not evenly.
_TENS = word_set("twenty thirty forty fifty sixty seventy eighty ninety")
REMEMBERED_WORDS = 50_000  # a server must not grow with every new word


class Reading(NamedTuple):
    """The phonemes of a word and where they come from."""

    phonemes: str
    source: str  # user, lexicon, morphology, network, letters, inline


class Pronouncer:
    """Finds readings for one accent; remembers the words it has met."""

    def __init__(self, accent: str, user: Mapping[str, str], guess: Callable[[str], str]):
        self._accent = accent
        self._user = user
        self._guess = guess
        self._lexicon = PackedLexicon(DATA / f"lexicon-{accent}.bin")
        self._other: Pronouncer | None = None
        self._known: dict[str, tuple[Readings, str]] = {}

    def readings(self, word: str) -> tuple[Readings, str]:
        """Return a word's readings by tag and their source."""
        known = self._known
        found = known.get(word)
        if found is None:
            found = self._find(word)
            # A fresh table instead of clearing one: another thread may be reading the old.
            if len(known) >= REMEMBERED_WORDS:
                self._known = known = {}
            known[word] = found
        return found

    def spell(self, letters: str) -> str:
        """Return the names of letters as one word, stressed on the last: "B B C", "M Ps"."""
        names = [
            (self._lexicon.get(letter) or {"": ""})[""] for letter in letters if letter.isupper()
        ]
        if not names:
            return ""
        word = "".join(name.replace("ˈ", "ˌ") for name in names[:-1]) + names[-1]
        return word + plural_ending(word, self._accent) if letters.endswith("s") else word

    def knows(self, word: str) -> bool:
        """Return whether the dictionaries hold this word, in any case of its letters."""
        return word.lower() in self._user or self._in_lexicon(word) is not None

    def knows_exactly(self, word: str) -> bool:
        """Return whether the dictionaries hold this word, written just so."""
        return word in self._user or self._lexicon.get(word) is not None

    def _find(self, word: str) -> tuple[Readings, str]:
        for spelling in (word, word.lower()):
            if spelling in self._user:
                return {"": self._user[spelling]}, "user"
        if "-" in word and word.partition("-")[0] in _TENS:
            return self._hyphenated(word), "lexicon"
        if found := self._in_lexicon(word):
            return found, "lexicon"
        lower = word.lower().strip("'") or word
        if "-" in lower:
            return self._hyphenated(lower), "morphology"
        if found := self._derived(lower):
            return self._by_part(lower, found), "morphology"
        if found := self._american(word):
            return {"": found}, "lexicon"
        return {"": self._guess(lower)}, "network"

    def _in_lexicon(self, word: str) -> Readings | None:
        lower = word.lower()
        for spelling in dict.fromkeys((word, lower, lower.capitalize(), lower.upper())):
            if found := self._lexicon.get(spelling):
                return found
        return None

    def _ordinary(self, word: str, part: str) -> str | None:
        found = self._in_lexicon(word)
        return found.get(part, found[""]) if found else None

    def _derived(self, word: str) -> str | None:
        if found := derive(word, self._accent, self._stem):
            return found
        if found := derive_prefixed(word, self._accent, self._stem):
            return found
        return derive_compound(word, self._ordinary)

    def _stem(self, word: str, part: str) -> str | None:
        """Return a stem's reading; a stem may itself be an inflection ("learnedness")."""
        return self._ordinary(word, part) or derive(word, self._accent, self._ordinary)

    def _by_part(self, word: str, ordinary: str) -> Readings:
        """Return a derived word's readings by part of speech: "conflicts" is noun and verb."""
        if not word.endswith("s"):
            return {"": ordinary}
        readings: dict[str, str] = {"": ordinary}
        for part in "NV":
            found = derive(word, self._accent, lambda stem, _, p=part: self._ordinary(stem, p))
            if found and found != ordinary:
                readings[part] = found
        return readings

    def _american(self, word: str) -> str | None:
        """Return a British reading of a name that only the American dictionaries hold."""
        if self._accent == "us":
            return None
        if self._other is None:
            self._other = Pronouncer("us", {}, lambda _: "")
        readings, _ = self._other.readings(word)
        return british(readings[""], word)

    def _hyphenated(self, word: str) -> Readings:
        parts = [part for part in word.split("-") if part]
        return {"": "".join(self.readings(part)[0][""] for part in parts)}
