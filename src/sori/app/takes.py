"""A take: the sound of one sentence of a book, with its captions, as the bytes of one file."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sori.app.captions import Cue, Word
from sori.audio.encoder import encoder
from sori.core.errors import SoriError
from sori.speak.manner import Manner
from sori.speak.voice import Voice
from sori.text.frontend import PAUSE_SECONDS, NothingSpokenError

# Changes when the same sentence would be kept in another form.
FORM = 3


@dataclass(frozen=True)
class Booth:
    """Where takes are made: what everybody who speaks a part of the book must know.

    Args:
        threads: processors for one sentence. The last bits of a voice's sound depend on it, so it
            stays the same however many sentences are made at a time.
    """

    voice: Path
    lexicon: Path | None
    manner: Manner
    threads: int = 1

    def identity(self) -> str:
        """Tells two booths apart that could speak the same text in different ways."""
        files = [self.voice] if self.lexicon is None else [self.voice, self.lexicon]
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        return json.dumps([FORM, *digests, asdict(self.manner), self.threads])


class Take(NamedTuple):
    """A sentence's sound, and its captions from the sentence's start."""

    samples: np.ndarray
    cues: tuple[Cue, ...]
    pause_seconds: float  # the silence that its last mark asks for
    leads: bool  # whether a silence that the text asked for stands in front
    skipped: str  # why nothing of it could be spoken


@cache
def narrator(booth: Booth) -> "Narrator":
    """Who speaks in a booth; every process has one."""
    return Narrator(booth)


def record(booth: Booth, text: str) -> bytes:
    """Speak a sentence, or a paragraph of SSML; the bytes of a take."""
    speaking = narrator(booth)
    return packed(speaking.take(text), speaking.voice.card.sample_rate)


class Narrator:
    """A voice in a booth."""

    def __init__(self, booth: Booth):
        self.manner = booth.manner
        self.voice = Voice(booth.voice, booth.lexicon, booth.threads)
        # The mark of a cloned voice runs through a whole file, and a take knows not where it will
        # stand; who joins the takes puts it in.
        self.voice.card = replace(self.voice.card, watermark=False)

    def take(self, text: str) -> Take:
        try:
            sentences = list(self.voice.read(text, self.manner.speaker))
        except SoriError as error:  # a line of signs, as between two scenes
            return silent(error)
        try:
            made = list(self.voice.speak(sentences, self.manner))
        except NothingSpokenError as error:
            return silent(error)
        cues: list[Cue] = []
        seconds = 0.0
        for utterance in made:
            words = [
                Word(w.label, seconds + w.start_seconds, seconds + w.end_seconds)
                for w in utterance.words
            ]
            seconds += utterance.audio.seconds
            if words:
                said = " ".join(word.text for word in words)
                cues.append(Cue(said, words[0].start, words[-1].end, tuple(words)))
        samples = np.concatenate([utterance.audio.samples for utterance in made])
        pause = PAUSE_SECONDS.get(sentences[-1].phonemes[-1:], 0.0)
        leads = sentences[0].delivery.break_seconds is not None
        return Take(samples, tuple(cues), pause, leads, "")


def silent(error: SoriError) -> Take:
    return Take(np.zeros(0, np.float32), (), 0.0, False, str(error))


def packed(take: Take, sample_rate: int) -> bytes:
    """A line that tells everything but the sound, then the sound as flac."""
    told = take._asdict() | {"samples": len(take.samples), "cues": [asdict(c) for c in take.cues]}
    head = json.dumps(told).encode() + b"\n"
    if not len(take.samples):
        return head
    encoding = encoder("flac", sample_rate)
    return head + encoding.push(take.samples) + encoding.finish()


def unpacked(data: bytes) -> Take:
    """A take out of its bytes."""
    import soundfile

    head, _, flac = data.partition(b"\n")
    told = json.loads(head)
    samples = np.zeros(0, np.float32)
    if told["samples"]:
        samples = soundfile.read(io.BytesIO(flac), dtype="float32")[0]
    cues = tuple(
        Cue(cue["text"], cue["start"], cue["end"], tuple(Word(**word) for word in cue["words"]))
        for cue in told["cues"]
    )
    return Take(samples, cues, told["pause_seconds"], told["leads"], told["skipped"])


def skipped_in(data: bytes) -> str:
    """Why nothing of a take could be spoken, without reading its sound."""
    return json.loads(data.partition(b"\n")[0])["skipped"]
