"""Text to what a voice reads: sentences with phonemes, one at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sori.core.errors import SoriError
from sori.text.delivery import OPEN, Delivery, plain
from sori.text.homographs import choose
from sori.text.lexicon import read_user_lexicon
from sori.text.network import LetterReader
from sori.text.normalise import normalise
from sori.text.phonemes import ACCENTS, common_letters, to_ipa
from sori.text.phrases import Piece, Stretch, join, phrases, stretches
from sori.text.pronunciation import Pronouncer
from sori.text.sentences import Passage, split
from sori.text.ssml import is_ssml, parts
from sori.text.tokens import Kind, Token
from sori.text.weakforms import in_phrase

PAUSE_SECONDS = {".": 0.32, "!": 0.32, "?": 0.32, ":": 0.25, ";": 0.22, ",": 0.12, "": 0.0}
PARAGRAPH_SECONDS = 0.65


@dataclass(frozen=True)
class Sentence:
    """One sentence, ready for a voice."""

    text: str  # as written
    spoken: str  # after normalisation, words only
    phonemes: str  # what the voice reads
    pause_seconds: float  # silence after it
    skipped: tuple[str, ...]  # what could not be spoken, named for the user
    paragraph: int
    delivery: Delivery = Delivery()


class NothingSpokenError(SoriError):
    """A text holds nothing that can be spoken."""


class WordStep(NamedTuple):
    """How one word came to its phonemes."""

    written: str
    spoken: str
    phonemes: str
    source: str  # user, lexicon, morphology, network, letters, inline


class Step(NamedTuple):
    """One step from text to phonemes, for people."""

    name: str
    value: str
    words: tuple[WordStep, ...] = ()


class FrontEnd:
    """Reads English text in one accent, "us" or "gb"."""

    def __init__(self, accent: str = "us", lexicon: Path | None = None):
        if accent not in ACCENTS:
            raise SoriError(f"accent '{accent}' is unknown; use one of {', '.join(ACCENTS)}")
        self._accent = accent
        user = read_user_lexicon(lexicon, accent) if lexicon else {}
        self._pronouncer = Pronouncer(accent, user, LetterReader(accent))

    def sentences(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of a text, each as soon as it is read.

        Raises:
            SoriError: the text holds nothing that can be spoken.
        """
        return self.marked_sentences(plain(text))

    def marked_sentences(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of a text that may hold marks of its delivery; see `sentences`."""
        for sentence, _ in self._read(text):
            yield sentence

    def explain(self, text: str) -> list[Step]:
        """Return every step from text, or SSML, to phonemes.

        Raises:
            SoriError: the text holds nothing that can be spoken.
        """
        steps = []
        marked = [part.text for part in parts(text)] if is_ssml(text) else [plain(text)]
        for sentence, pieces in chain.from_iterable(map(self._read, marked)):
            words = tuple(
                WordStep(p.token.written, p.token.spoken, p.phonemes, p.source)
                for p in pieces
                if p.source
            )
            steps += [
                Step("text", sentence.text),
                Step("spoken", sentence.spoken),
                Step("words", " ".join(w.phonemes for w in words), words),
                Step("phonemes", sentence.phonemes),
                Step("ipa", to_ipa(sentence.phonemes)),
            ]
            if sentence.skipped:
                steps.append(Step("skipped", ", ".join(sentence.skipped)))
        return steps

    def _read(self, text: str) -> Iterator[tuple[Sentence, list[Piece]]]:
        """Yield sentences with their pieces; what was skipped is reported with the one before."""
        skipped: dict[str, None] = {}
        waiting: tuple[Sentence, list[Piece]] | None = None
        delivery = Delivery()
        for passage in split(text):
            pieces = self._pieces(passage.text)
            here = dict.fromkeys(p.token.spoken for p in pieces if p.token.kind is Kind.SKIPPED)
            said, delivery = stretches(pieces, delivery)
            if not said:
                skipped |= here
                continue
            if waiting:
                yield _reporting(waiting, skipped)
                skipped = {}
            *before, waiting = self._sentences(passage, said)
            skipped |= here
            yield from before
        if waiting is None:
            raise NothingSpokenError(_nothing(text, tuple(skipped)))
        yield _reporting(waiting, skipped)
        if delivery.break_seconds is not None:
            yield Sentence("", "", "", 0.0, (), waiting[0].paragraph, delivery), []

    def _sentences(
        self, passage: Passage, said: list[Stretch]
    ) -> Iterator[tuple[Sentence, list[Piece]]]:
        """Yield a passage as one sentence, or as several if a voice could not say it in one run."""
        for number, (delivery, pieces) in enumerate(said, start=1):
            for phrase, is_last in phrases(pieces):
                ends = is_last and number == len(said)
                final = "." if ends and not passage.is_cut else ","
                if is_last and not ends:
                    final = _last_mark(phrase)
                phonemes = join(phrase, final)
                pause = PAUSE_SECONDS.get(phonemes[-1:], 0.0)
                if ends and passage.ends_paragraph:
                    pause = PARAGRAPH_SECONDS
                spoken = " ".join(p.token.spoken for p in phrase if p.source)
                is_whole = ends and number == 1 and len(phrase) == len(pieces)
                written = (
                    passage.text if is_whole and OPEN not in passage.text else _written(phrase)
                )
                sentence = Sentence(
                    written, spoken, phonemes, pause, (), passage.paragraph, delivery
                )
                yield sentence, phrase
                delivery = replace(delivery, break_seconds=None)

    def _pieces(self, text: str) -> list[Piece]:
        """Read every word, from the last to the first: a word's form depends on the next."""
        pronouncer = self._pronouncer
        tokens = normalise(text, pronouncer.knows, pronouncer.knows_exactly, self._accent)
        words = [token.spoken.lower() for token in tokens if token.kind is not Kind.TURN]
        pieces: list[Piece] = []
        following = ""
        index = len(words)
        for token in reversed(tokens):
            if token.kind is Kind.TURN:  # a word's neighbours are those that it would have without
                pieces.append(Piece(token, "", ""))
                continue
            index -= 1
            piece = self._piece(token, words, index, following)
            pieces.append(piece)
            following = piece.phonemes if piece.source else ""
        pieces.reverse()
        return pieces

    def _piece(self, token: Token, words: list[str], index: int, following: str) -> Piece:
        match token.kind:
            case Kind.MARK | Kind.SKIPPED:
                return Piece(token, "", "")
            case Kind.PHONEMES:
                return Piece(token, common_letters(token.phonemes, self._accent), "inline")
            case Kind.LETTERS:
                return Piece(token, self._pronouncer.spell(token.spoken), "letters")
        readings, source = self._pronouncer.readings(token.spoken)
        phonemes = readings[""]
        if len(readings) > 1:
            phonemes = readings[choose(readings, words, index, token.written)]
        if following and source != "user":
            phonemes = in_phrase(token.spoken, phonemes, following, self._accent)
        return Piece(token, phonemes, source if phonemes else "")


def _reporting(
    read: tuple[Sentence, list[Piece]], skipped: dict[str, None]
) -> tuple[Sentence, list[Piece]]:
    sentence, pieces = read
    return replace(sentence, skipped=tuple(skipped)), pieces


def _last_mark(pieces: list[Piece]) -> str:
    token = pieces[-1].token
    return token.spoken if token.kind is Kind.MARK else ""


def _written(pieces: list[Piece]) -> str:
    return " ".join(piece.token.written for piece in pieces if piece.token.written)


def _nothing(text: str, skipped: tuple[str, ...]) -> str:
    """Say why a text cannot be spoken."""
    if not text.strip():
        return "the text is empty; give at least one word"
    named = f" ({', '.join(skipped[:5])}{', ...' if len(skipped) > 5 else ''})" if skipped else ""
    return f"the text holds nothing that can be spoken{named}; give at least one English word"
