"""A voice: one file that speaks."""

import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from sori.audio.level import soft_limit
from sori.audio.watermark import mark
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.speak.card import SILENCE, Card, read_card
from sori.speak.catalogue import find
from sori.speak.edges import rest_between, trim_edges
from sori.speak.graph import Graph, Speaks
from sori.speak.manner import PITCHES, SPEEDS, Manner
from sori.speak.pieces import LONGEST, SOUNDS, pieces
from sori.speak.speakers import mix
from sori.speak.utterance import Utterance, symbol_timings, word_labels, word_timings
from sori.text.delivery import Delivery
from sori.text.frontend import FrontEnd, NothingSpokenError, Sentence
from sori.text.ssml import Part, is_ssml, parts

LINE_PAUSE_SECONDS = 0.35
EMPTY = "the text is empty; give at least one word"


class Voice:
    """A loaded voice file. Threads may share one: speaking changes nothing in it.

    Raises:
        SoriError: the file is missing, damaged, foreign or of another format.
    """

    def __init__(self, path: Path, lexicon: Path | None = None, threads: int | None = None):
        if threads is not None and threads < 1:
            raise SoriError(f"threads {threads} is out of range; give 1 or more")
        self.path = path
        card = read_card(path)
        self.set_up(card, Graph(path, card, threads), lexicon)

    @classmethod
    def of(
        cls,
        card: Card,
        graph: Speaks,
        path: Path,
        lexicon: Path | None = None,
        longest: int = LONGEST,
    ) -> "Voice":
        """A voice of anything else that speaks ids, `longest` of them in one run.

        Args:
            path: where that lies.
        """
        voice = cls.__new__(cls)
        voice.path = path
        voice.set_up(card, graph, lexicon, longest)
        return voice

    def set_up(
        self, card: Card, graph: Speaks, lexicon: Path | None, longest: int = LONGEST
    ) -> None:
        self.card = card
        self.longest = longest
        self.graph = graph
        self.lexicon = lexicon
        self.id_of = {symbol: number for number, symbol in enumerate(card.symbols)}
        self.front_ends: dict[str, FrontEnd] = {}
        self.lock = threading.Lock()

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers, for `speaker=`; several can be mixed as in `a(2)+b(1)`."""
        return tuple(speaker.name for speaker in self.card.speakers)

    def say(
        self,
        text: str,
        speaker: str | None = None,
        speed: float = 1.0,
        pitch: float = 1.0,
        energy: float = 1.0,
        seed: int = 0,
    ) -> Audio:
        """The whole text as one sound; a warning names what could not be spoken.

        Args:
            speaker: one of `speakers`, or a mix such as `a(2)+b(1)`.
            speed: 0.25 to 4; twice the speed takes half the time.
            pitch: 0.5 to 2; factor of the voice's own pitch.
            energy: 0.5 to 2; factor of the voice's own energy.
            seed: of the noise in the voice; the same seed gives the same samples.

        Raises:
            SoriError: there is nothing to speak, or an option is out of range.
        """
        manner = Manner(speaker, speed, pitch, energy, seed)
        return self.join(self.speak(self.read(text, speaker), manner))

    def say_phonemes(
        self,
        phonemes: str,
        speaker: str | None = None,
        speed: float = 1.0,
        pitch: float = 1.0,
        energy: float = 1.0,
        seed: int = 0,
    ) -> Audio:
        """Phonemes, one sentence a line, as one sound; see `say`."""
        manner = Manner(speaker, speed, pitch, energy, seed)
        return self.join(self.speak(self.read_phonemes(phonemes), manner))

    def stream(
        self,
        text: str,
        speaker: str | None = None,
        speed: float = 1.0,
        pitch: float = 1.0,
        energy: float = 1.0,
        seed: int = 0,
    ) -> Iterator[Audio]:
        """The text piece by piece, each as soon as it is made; see `say`.

        A long first sentence is cut at an early comma, so that the first piece comes sooner.
        Played one after the other the pieces are the whole text, pauses included.
        """
        manner = Manner(speaker, speed, pitch, energy, seed)
        utterances = self.speak(self.read(text, speaker), manner, prompt=True)
        return audible(utterances)

    def read(self, text: str, speaker: str | None = None) -> Iterator[Sentence]:
        """Sentences of a text, or of SSML if it begins with `<speak`, in the accent of a speaker.

        Raises:
            SoriError: the text is empty, or SSML that cannot be read.
        """
        if not text.strip():
            raise SoriError(EMPTY)
        if is_ssml(text):
            return self.read_parts(parts(text), speaker)
        return self.front_end(mix(self.card, speaker).accent).sentences(text)

    def read_parts(self, said: Sequence[Part], speaker: str | None) -> Iterator[Sentence]:
        """Sentences of parts of marked text, each read in the accent of its own speaker."""
        readers = [self.front_end(mix(self.card, part.speaker or speaker).accent) for part in said]
        return sentences_of(said, readers)

    def read_phonemes(self, phonemes: str) -> Iterator[Sentence]:
        """Sentences of a text in phonemes, one a line; a sign the voice lacks is an error."""
        if not phonemes.strip():
            raise SoriError(EMPTY)
        strange = sorted(set("".join(phonemes.split())) - set(self.card.symbols[1:]))
        if strange:
            known = "".join(self.card.symbols[1:])
            raise SoriError(
                f"{self.card.name} has no phoneme {' or '.join(map(repr, strange))}; "
                f"it knows {known}"
            )
        lines = (" ".join(line.split()) for line in phonemes.splitlines())
        return (
            Sentence(
                text=line,
                spoken=line,
                phonemes=line,
                pause_seconds=LINE_PAUSE_SECONDS,
                skipped=(),
                paragraph=number,
            )
            for number, line in enumerate(lines)
            if line
        )

    def speak(
        self, sentences: Iterable[Sentence], manner: Manner, prompt: bool = False
    ) -> Iterator[Utterance]:
        """Speak sentences one by one, as they are asked for.

        Args:
            prompt: cut a long first sentence early, so that its beginning comes sooner.

        Raises:
            SoriError: the speaker is not known; at the end, if nothing could be spoken.
        """
        mix(self.card, manner.speaker)
        return self.utterances(sentences, manner, prompt)

    def utterances(
        self, sentences: Iterable[Sentence], manner: Manner, prompt: bool
    ) -> Iterator[Utterance]:
        rest_seconds = 0.0
        begun = False
        position = 0  # samples spoken so far: pieces marked in step bear one mark
        skipped: list[str] = []
        for sentence in sentences:
            delivery = sentence.delivery
            way = delivered(manner, delivery)
            if delivery.break_seconds is not None:
                rest_seconds = rest_between(delivery.break_seconds)
            phonemes, strange = self.known(sentence.phonemes)
            unread = (*sentence.skipped, *strange)
            skipped += unread
            starts = prompt and not begun
            cut = list(pieces(phonemes, sentence.pause_seconds, starts, self.longest))
            labels = iter(word_labels(sentence.spoken, phonemes))
            if not cut:
                # A break that nothing follows.
                silence = 0.0 if sentence.phonemes else rest_seconds
                yield Utterance(self.silence(silence), sentence.text, skipped=unread)
            for piece in cut:
                made = self.utter(piece.phonemes, way, rest_seconds, delivery.gain_db)
                words = word_timings(made.symbols, labels)
                audio = self.marked(made.audio, position)
                position += len(audio.samples)
                yield replace(made, audio=audio, text=sentence.text, skipped=unread, words=words)
                rest_seconds = rest_between(piece.pause_seconds / way.speed)
                begun, unread = True, ()
        if not begun:
            raise NothingSpokenError(nothing_spoken(skipped))

    def utter(
        self, phonemes: str, manner: Manner, rest_seconds: float, gain_db: float = 0.0
    ) -> Utterance:
        """One run of the voice, trimmed, limited, and led by a rest."""
        weights = mix(self.card, manner.speaker).weights
        ids = [0, *(self.id_of[phoneme] for phoneme in phonemes), 0]
        wave, durations = self.graph.run(ids, weights, manner)
        quiet = [symbol not in SOUNDS for symbol in f"{SILENCE}{phonemes}{SILENCE}"]
        trimmed = trim_edges(
            Audio(wave, self.card.sample_rate),
            int(durations[: quiet.index(False)].sum()),
            int(durations[len(quiet) - quiet[::-1].index(False) :].sum()),
        )
        rest = self.silence(rest_seconds).samples
        louder = trimmed.samples * np.float32(10.0 ** (gain_db / 20.0))
        samples = np.concatenate([rest, soft_limit(louder)])
        ends = np.cumsum(durations[:-1]) - trimmed.cut + len(rest)
        return Utterance(
            Audio(samples, self.card.sample_rate),
            text=phonemes,
            phonemes=phonemes,
            symbols=symbol_timings(
                phonemes, ends.clip(len(rest), len(samples)), self.card.sample_rate
            ),
        )

    def marked(self, audio: Audio, position: int) -> Audio:
        """The sound as this voice may give it away: cloned voices mark what they speak."""
        if not self.card.watermark:
            return audio
        samples = soft_limit(mark(audio.samples, audio.sample_rate, position))
        return Audio(samples, audio.sample_rate)

    def known(self, phonemes: str) -> tuple[str, tuple[str, ...]]:
        """The phonemes that the voice has, and the names of those that it lacks."""
        strange = sorted(set(phonemes) - self.id_of.keys() - {" "})
        known = "".join(symbol for symbol in phonemes if symbol in self.id_of)
        return known, tuple(f"/{symbol}/" for symbol in strange)

    def silence(self, seconds: float) -> Audio:
        samples = np.zeros(round(seconds * self.card.sample_rate), np.float32)
        return Audio(samples, self.card.sample_rate)

    def join(self, utterances: Iterable[Utterance]) -> Audio:
        samples: list[np.ndarray] = []
        for utterance in utterances:
            warn_of_skipped(utterance, frames=4)
            samples.append(utterance.audio.samples)
        return Audio(np.concatenate(samples), self.card.sample_rate)

    def front_end(self, accent: str) -> FrontEnd:
        with self.lock:
            if accent not in self.front_ends:
                self.front_ends[accent] = FrontEnd(accent, self.lexicon)
            return self.front_ends[accent]


def sentences_of(said: Sequence[Part], readers: Sequence[FrontEnd]) -> Iterator[Sentence]:
    """Sentences of marked text; a part of which nothing can be spoken is passed over.

    Raises:
        SoriError: nothing can be spoken of any of them.
    """
    nothing: NothingSpokenError | None = None
    begun = False
    for part, reader in zip(said, readers, strict=True):
        try:
            for sentence in reader.marked_sentences(part.text):
                begun = True
                yield replace(sentence, delivery=replace(sentence.delivery, speaker=part.speaker))
        except NothingSpokenError as error:
            nothing = error
    if not begun:
        raise nothing or SoriError(EMPTY)


def delivered(manner: Manner, delivery: Delivery) -> Manner:
    """The manner of a stretch; where the two together pass a limit, the limit."""
    return replace(
        manner,
        speaker=delivery.speaker or manner.speaker,
        speed=float(np.clip(manner.speed * delivery.speed, *SPEEDS)),
        pitch=float(np.clip(manner.pitch * delivery.pitch, *PITCHES)),
    )


def audible(utterances: Iterable[Utterance]) -> Iterator[Audio]:
    for utterance in utterances:
        warn_of_skipped(utterance, frames=3)
        if len(utterance.audio.samples):
            yield utterance.audio


def warn_of_skipped(utterance: Utterance, frames: int) -> None:
    """Warn at the line of the caller's caller, `frames` up, which gave the text."""
    if utterance.skipped:
        warnings.warn(f"skipped {', '.join(utterance.skipped)}", stacklevel=frames)


def nothing_spoken(skipped: Sequence[str]) -> str:
    what = f" ({', '.join(dict.fromkeys(skipped))} was skipped)" if skipped else ""
    return f"nothing in the text can be spoken{what}; give at least one word"


def load(
    voice: str | Path | None = None, lexicon: Path | None = None, threads: int | None = None
) -> Voice:
    """A voice by name or by the path of its file; without one, the voice in the package.

    Args:
        lexicon: a file of the user's own pronunciations.
        threads: processors to use; by default those at hand, four at most.

    Raises:
        SoriError: there is no such voice, or its file cannot be used.
    """
    return Voice(find(voice), lexicon, threads)


loaded = lru_cache(maxsize=2)(load)


def say(
    text: str,
    voice: str | Path | None = None,
    speaker: str | None = None,
    speed: float = 1.0,
    pitch: float = 1.0,
    energy: float = 1.0,
) -> Audio:
    """Speak with a voice that stays loaded for the next call; see `Voice.say`."""
    return loaded(voice).say(text, speaker, speed, pitch, energy)
