"""`sori say`: from an order to a file, standard output or the speakers."""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from sori.app.extras import learning_half
from sori.app.players import open_player
from sori.audio.files import AudioWriter, to_pcm16, writable_format
from sori.core.errors import SoriError
from sori.speak.manner import Manner
from sori.speak.utterance import Utterance
from sori.speak.voice import Voice, load

DEFAULT_OUT = Path("speech.wav")
STANDARD_OUTPUT = Path("-")
SYSTEMS = ("voice", "cascade", "tortoise")


@dataclass(frozen=True)
class Order:
    """What to say, how, and where the sound goes; no place at all means the default file."""

    text: str
    is_phonemes: bool
    out: Path | None
    play: bool
    manner: Manner


@dataclass(frozen=True)
class Zeroshot:
    """Whom TorToise shall sound like, and how hard it shall try.

    What is None is left to the preset.
    """

    networks: Path | None = None
    reference: tuple[str, ...] = ()
    preset: str | None = None
    candidates: int | None = None
    steps: int | None = None
    guidance: float | None = None
    voice_share: float | None = None
    sampler: str | None = None
    precision: str | None = None
    save_latents: Path | None = None
    verify: bool = False

    @classmethod
    def given(cls, **options: Any) -> "Zeroshot | None":
        """What was given of it, or None."""
        some = {f.name: options[f.name] for f in fields(cls) if options[f.name] != f.default}
        return cls(**some) if some else None

    def __str__(self) -> str:
        """The first option that was given."""
        names = (f.name for f in fields(self) if getattr(self, f.name) != f.default)
        return "--" + next(names, "networks").replace("_", "-")


@dataclass(frozen=True)
class Source:
    """What speaks: a voice's file, an acoustic model and a vocoder (a cascade), or TorToise.

    `system` says which, and may be left to what else is given.
    """

    voice: str | None
    lexicon: Path | None
    threads: int | None
    system: str | None = None
    acoustic: Path | None = None
    vocoder: Path | None = None
    tortoise: Zeroshot | None = None

    def open(self, seed: int = 0) -> Voice:
        """Load it; `seed` draws the voice where that is random.

        Raises:
            SoriError: there is no such system, or a part of it is missing or unusable.
        """
        networks = self.acoustic is not None or self.vocoder is not None
        zeroshot = self.tortoise is not None
        system = self.system or ("cascade" if networks else "tortoise" if zeroshot else "voice")
        if system not in SYSTEMS:
            raise SoriError(f"there is no system {system!r}; choose one of: {', '.join(SYSTEMS)}")
        if zeroshot and system != "tortoise":
            raise SoriError(f"{self.tortoise} belongs to TorToise; add --system tortoise")
        if system == "tortoise":
            with learning_half():
                from sori.app.tortoise import tortoise_voice

                return tortoise_voice(self.tortoise or Zeroshot(), seed, self.lexicon)
        if system == "cascade":
            with learning_half():
                from sori.app.cascade import cascade_voice

                return cascade_voice(self.acoustic, self.vocoder, self.lexicon)
        if networks:
            raise SoriError("a voice brings its own networks; leave out --acoustic and --vocoder")
        return load(self.voice, self.lexicon, self.threads)


class Sink(Protocol):
    """Takes samples as they are made."""

    def write(self, samples: np.ndarray) -> None: ...


class RawSink:
    """Raw little-endian 16-bit samples on a byte stream."""

    def __init__(self, stream: IO[bytes]):
        self.stream = stream

    def write(self, samples: np.ndarray) -> None:
        self.stream.write(to_pcm16(samples).tobytes())
        self.stream.flush()


def speak_order(order: Order, source: Source) -> str:
    """Carry out an order; return the line that tells the user what was done."""
    out = order.out or (None if order.play else DEFAULT_OUT)
    if out is not None and out != STANDARD_OUTPUT:
        writable_format(out)  # a wrong name is told before a voice is loaded
    speaker = source.open(order.manner.seed)
    started = time.perf_counter()
    seconds = 0.0
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        for utterance in spoken(speaker, order):
            # The sinks open late: a text without a word to say leaves no file and no player.
            if not sinks:
                sinks += open_sinks(stack, order, out, speaker.card.sample_rate)
            for sink in sinks:
                sink.write(utterance.audio.samples)
            seconds += utterance.audio.seconds
        spent = time.perf_counter() - started
    return report(order, out, seconds, spent, speaker.card.sample_rate)


def open_sinks(
    stack: contextlib.ExitStack, order: Order, out: Path | None, sample_rate: int
) -> Iterator[Sink]:
    if out == STANDARD_OUTPUT:
        yield RawSink(sys.stdout.buffer)
    elif out is not None:
        writer = AudioWriter(out, sample_rate)
        stack.callback(writer.discard)  # an interruption may come before `with` has taken hold
        yield stack.enter_context(writer)
    if order.play:
        yield RawSink(stack.enter_context(open_player(sample_rate)))


def spoken(voice: Voice, order: Order) -> Iterator[Utterance]:
    """Utterances with sound, naming on standard error what was skipped."""
    if order.is_phonemes:
        sentences = voice.read_phonemes(order.text)
    else:
        sentences = voice.read(order.text, order.manner.speaker)
    is_heard_live = order.play or order.out == STANDARD_OUTPUT
    for utterance in voice.speak(sentences, order.manner, prompt=is_heard_live):
        if utterance.skipped:
            print(f"sori: skipped {', '.join(utterance.skipped)}", file=sys.stderr)
        if len(utterance.audio.samples):
            yield utterance


def report(order: Order, out: Path | None, seconds: float, spent: float, sample_rate: int) -> str:
    """Where the sound went, how long it is, and how many times faster than speech it was made."""
    places = ["played"] if order.play else []
    if out == STANDARD_OUTPUT:
        places.append(f"wrote raw 16-bit mono at {sample_rate} Hz")
    elif out is not None:
        places.append(f"wrote {out}")
    factor = seconds / spent if spent else float("inf")
    return (
        f"{' and '.join(places)}: {seconds:.2f} s of speech in {spent:.2f} s, "
        f"{factor:.1f} x real time"
    )
