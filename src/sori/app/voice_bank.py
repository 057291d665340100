"""The voices of a server: found by names that clients send, loaded once, few at a time."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from sori.core.errors import SoriError
from sori.speak.card import Card, read_card
from sori.speak.catalogue import files, find
from sori.speak.speakers import PART, mix, unknown
from sori.speak.voice import Voice

MOST_LOADED = 3
# Names that programs written for OpenAI's service send; they mean the default voice.
ANY_MODEL = ("sori", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
ANY_SPEAKER = "default"


class Casting(NamedTuple):
    """Which voice file speaks, and as whom; None is its default speaker."""

    voice: str
    speaker: str | None


class VoiceBank:
    """Voice files by name. A client's words only choose among names, never make a path."""

    def __init__(
        self, default: str | None = None, lexicon: Path | None = None, threads: int | None = None
    ):
        self.paths = dict(files())
        path = find(default)
        if path not in self.paths.values():
            self.paths[path.stem] = path
        self.default = next(name for name, each in self.paths.items() if each == path)
        self.lexicon = lexicon
        self.threads = threads
        self.lock = threading.Lock()
        self.loaded: OrderedDict[str, Voice] = OrderedDict()
        self.cards = self.read_cards()
        # The front end reads the lexicon: its faults are told now, not to the first client.
        self.voice(self.default).front_end(mix(self.cards[self.default], None).accent)

    def read_cards(self) -> dict[str, Card]:
        """Cards by name, the default first; a damaged file other than the default is left out."""
        cards = {self.default: read_card(self.paths[self.default])}
        for name, path in self.paths.items():
            try:
                cards.setdefault(name, read_card(path))
            except SoriError:
                continue
        return cards

    def cast(self, model: str, voice: str) -> Casting:
        """Read the model and the voice of a request.

        Args:
            model: a voice file's name, or one of ANY_MODEL.
            voice: a voice file's name, a speaker, a mix of one file's speakers, or "default".

        Raises:
            KeyError: there is no such model.
            SoriError: there is no such voice.
        """
        names = [self.default, *self.cards] if model in ANY_MODEL else [model]
        if names[0] not in self.cards:
            raise KeyError(model)
        if voice == ANY_SPEAKER:
            return Casting(names[0], None)
        if voice in names:
            return Casting(voice, None)
        for name in names:
            if self.is_of(name, voice):
                mix(self.cards[name], voice)
                return Casting(name, voice)
        known = [speaker.name for name in names for speaker in self.cards[name].speakers]
        raise SoriError(unknown("voice", voice[:80], dict.fromkeys([*known, *names])))

    def is_of(self, name: str, voice: str) -> bool:
        """Whether a speaker, or the first of a mix, is of this voice file."""
        first = PART.fullmatch(voice.split("+")[0])
        speakers = {speaker.name for speaker in self.cards[name].speakers}
        return first is not None and first.group(1) in speakers

    def knows(self, name: str) -> bool:
        """Whether a voice file or a speaker has this name, or it stands for one."""
        taken = {*self.cards, *ANY_MODEL, ANY_SPEAKER}
        return name in taken or any(self.is_of(voice, name) for voice in self.cards)

    def add(self, path: Path) -> None:
        """Take in another voice file.

        Raises:
            SoriError: it is damaged.
        """
        card = read_card(path)
        with self.lock:
            self.paths[path.stem] = path
            # Other threads may be going through the old ones.
            self.cards = {**self.cards, path.stem: card}
            self.loaded.pop(path.stem, None)

    def voice(self, name: str) -> Voice:
        """A voice, loaded when it is first asked for; the one longest unused makes room."""
        with self.lock:
            if name not in self.loaded:
                self.loaded[name] = Voice(self.paths[name], self.lexicon, self.threads)
            self.loaded.move_to_end(name)
            if len(self.loaded) > MOST_LOADED:
                oldest = next(each for each in self.loaded if each != self.default)
                del self.loaded[oldest]
            return self.loaded[name]
