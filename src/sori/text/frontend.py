"""Text to what a voice reads: sentences with phonemes, one at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sori.core.errors import SoriError
from sori.text.homographs import choose
from sori.text.lexicon import read_user_lexicon
from sori.text.normalise import normalise
from sori.text.phonemes import ACCENTS
from sori.text.pronunciation import Pronouncer, Reading
from sori.text.sentences import Passage, split
from sori.text.tokens import Kind, Token
from sori.text.weakforms import in_phrase


@dataclass(frozen=True)
class Sentence:
    """One sentence, ready for a voice."""

    text: str  # as written
    spoken: str  # after normalisation, words only
    phonemes: str  # what the voice reads
    pause_seconds: float  # silence after it
    skipped: tuple[str, ...]  # what could not be spoken, named for the user
    paragraph: int


class FrontEnd:
    """Reads English text in one accent, "us" or "gb"."""

    def __init__(self, accent: str = "us", lexicon: Path | None = None):
        if accent not in ACCENTS:
            raise SoriError(f"accent '{accent}' is unknown; use one of {', '.join(ACCENTS)}")
        self._accent = accent
        user = read_user_lexicon(lexicon, accent) if lexicon else {}
        self._pronouncer = Pronouncer(accent, user, self._guess)

    def sentences(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of a text, each as soon as it is read.

        Raises:
            SoriError: the text holds nothing that can be spoken.
        """
        for passage in split(text):
            yield self._sentence(passage)

    def _guess(self, word: str) -> str:
        return "".join(self._pronouncer.letter(c) for c in word if c.isalpha())

    def _sentence(self, passage: Passage) -> Sentence:
        tokens = normalise(passage.text, self._pronouncer.knows, self._accent)
        phonemes = self._phonemes(tokens)
        spoken = " ".join(t.spoken for t in tokens if t.kind in (Kind.WORD, Kind.LETTERS))
        pause = 0.65 if passage.is_last else 0.3
        return Sentence(passage.text, spoken, phonemes, pause, (), passage.paragraph)

    def _phonemes(self, tokens: list[Token]) -> str:
        """Join readings from the last word to the first: a word's form depends on the next."""
        pieces: list[str] = []
        following = ""
        for index in range(len(tokens) - 1, -1, -1):
            token = tokens[index]
            if token.kind is Kind.MARK:
                if not pieces or not pieces[-1][0] in ".,;:!?":
                    pieces.append(token.spoken)
                following = ""
                continue
            reading = self._reading(tokens, index, following)
            if not reading.phonemes:
                continue
            gap = " " if pieces and not pieces[-1][0] in ".,;:!?" else ""
            if pieces and not gap and index < len(tokens) - 1 and len(pieces) > 1:
                pieces[-1] += " "
            pieces.append(reading.phonemes + gap)
            following = reading.phonemes
        text = "".join(reversed(pieces)).strip(" ,;:")
        return text if text.endswith((".", "!", "?")) or not text else text + "."

    def _reading(self, tokens: list[Token], index: int, following: str) -> Reading:
        token = tokens[index]
        if token.kind is Kind.LETTERS:
            return Reading(self._spell(token.spoken), "letters")
        readings, source = self._pronouncer.readings(token.spoken)
        before = tokens[index - 1].spoken.lower() if index else ""
        after = tokens[index + 1].spoken if following else ""
        phonemes = readings[choose(readings, before, after)]
        if following:
            phonemes = in_phrase(token.spoken, phonemes, following, self._accent)
        return Reading(phonemes, source)

    def _spell(self, letters: str) -> str:
        names = [self._pronouncer.letter(c) for c in letters if c.isalpha()]
        return "".join([n.replace("ˈ", "ˌ") for n in names[:-1]] + names[-1:])
