"""TorToise as a voice: whom it shall sound like comes from recordings, not from a card."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sori.app.extras import needing
from sori.app.progress import progress_bar
from sori.app.speaking import Zeroshot
from sori.audio.files import writable_place
from sori.audio.silence import sound_span
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.speak.card import Card, Speaker
from sori.speak.graph import Speaks, Spoken
from sori.speak.manner import Manner
from sori.speak.pieces import LONGEST, SOUNDS
from sori.speak.voice import Voice
from sori.text.frontend import FrontEnd

if TYPE_CHECKING:
    from sori.learn.systems.speakers import Heard
    from sori.learn.systems.tortoise import Effort, Tell, TorToise

TRIES = 4
# Of phonemes that a recogniser heard differently. Its own errors stay below it; a repeated or
# dropped word of a sentence of ten does not.
MOST_WRONG = 0.15
STAGES = ("codes", "ranking", "mel", "wave")
SPEAKER = "reference"


class Networks:
    """The system as the speaking half knows it: ids in, a wave and durations out."""

    def __init__(self, system: "TorToise", voice: "Heard", effort: "Effort"):
        self.system, self.voice, self.effort = system, voice, effort

    @property
    def sample_rate(self) -> int:
        return self.system.vocoder.spec.sample_rate

    def run(self, ids: list[int], weights: np.ndarray, manner: Manner) -> Spoken:
        """Speak ids, silence at both ends.

        The networks do not say when each was spoken: what is not silence is dealt out evenly.

        Raises:
            SoriError: the manner asks for what the networks cannot do.
        """
        import torch

        factors = {"speed": manner.speed, "pitch": manner.pitch, "energy": manner.energy}
        changed = [name for name, factor in factors.items() if factor != 1]
        if changed:
            raise SoriError(f"TorToise takes {changed[0]} from the recordings; leave it at 1")
        with bars() as tell:
            said = self.system.speak(torch.tensor(ids), self.voice, self.effort, manner.seed, tell)
        if not said.drawn.finished[said.best]:
            print("sori: no candidate found an end; the best is cut off", file=sys.stderr)
        start, stop = sound_span(Audio(said.wave, self.sample_rate))
        ends = np.linspace(start, stop, len(ids) - 1).astype(int)
        return Spoken(said.wave, np.diff([0, *ends, len(said.wave)]))


class Verified:
    """Has what was spoken recognised, and speaks again with the next seed where words fail.

    Phonemes are compared, so that spelling does not matter.
    """

    def __init__(self, speaks: Speaks, card: Card, recognise: Callable[[Audio], str]):
        self.speaks, self.card, self.recognise = speaks, card, recognise
        self.front_end = FrontEnd("us")

    def run(self, ids: list[int], weights: np.ndarray, manner: Manner) -> Spoken:
        """Speak ids as often as it takes, at most `TRIES` times, and give the best."""
        wanted = sounds("".join(self.card.symbols[number] for number in ids))
        takes: list[tuple[float, Spoken]] = []
        for turn in range(TRIES):
            take = self.speaks.run(ids, weights, replace(manner, seed=manner.seed + turn))
            takes.append((self.errors(take, wanted), take))
            if takes[-1][0] <= MOST_WRONG:
                break
            doing = "the next seed is tried" if turn + 1 < TRIES else "the best of all is kept"
            print(
                f"sori: seed {manner.seed + turn}: {takes[-1][0]:.0%} of the sounds were heard "
                f"wrong; {doing}",
                file=sys.stderr,
            )
        return min(takes, key=lambda take: take[0])[1]

    def errors(self, take: Spoken, wanted: str) -> float:
        """Sounds that are missing, strange or too many, as a share of those that are wanted."""
        from sori.learn.evaluation.intelligibility import count_edits

        heard = ""
        with contextlib.suppress(SoriError):  # what was recognised may hold no word at all
            text = self.recognise(Audio(take.wave, self.card.sample_rate))
            heard = "".join(s.phonemes for s in self.front_end.sentences(text))
        return count_edits(wanted, sounds(heard)) / max(len(wanted), 1)


def sounds(phonemes: str) -> str:
    """Vowels and consonants alone."""
    return "".join(letter for letter in phonemes if letter in SOUNDS)


def tortoise_voice(request: Zeroshot, seed: int, lexicon: Path | None) -> Voice:
    """A voice of the networks and recordings that were named. It marks what it speaks.

    Raises:
        SoriError: a network, a recording or an option is missing or unusable.
    """
    if request.networks is None:
        raise SoriError("TorToise needs its networks; give --networks DIR")
    from sori.learn.systems.speakers import Speakers
    from sori.learn.systems.tortoise import Effort, TorToise

    effort = Effort.of(
        request.preset or "fast",
        request.sampler or "solver",
        candidates=request.candidates,
        steps=request.steps,
        guidance=request.guidance,
        voice_share=request.voice_share,
    )
    if request.save_latents is not None:
        if request.save_latents.suffix != ".safetensors":
            raise SoriError(f"{request.save_latents} must end in .safetensors")
        writable_place(request.save_latents)
    system = TorToise(request.networks, request.precision or "fp32")
    voice = Speakers(system, request.networks / "voices").find(request.reference, seed)
    if request.save_latents is not None:
        voice.save(request.save_latents)
    config = system.reader.config
    card = Card(
        name=str(request.networks),
        language="en",
        licence="",
        sample_rate=system.vocoder.spec.sample_rate,
        symbols=tuple(config.symbols),
        speakers=(Speaker(SPEAKER),),
        default_speaker=SPEAKER,
        synthesis={"kind": "tortoise"},
        frame_samples=system.vocoder.spec.hop_samples,
        watermark=True,
    )
    speaks: Speaks = Networks(system, voice, effort)
    if request.verify:
        speaks = Verified(speaks, card, recogniser())
    longest = min(LONGEST, config.text_limit - 2)  # silence at both ends
    return Voice.of(card, speaks, request.networks, lexicon, longest)


def recogniser() -> Callable[[Audio], str]:
    """Writes down what it hears.

    Raises:
        SoriError: it is not installed.
    """
    with needing("eval", "--verify"):
        from sori.audio.resample import resample
        from sori.learn.evaluation.intelligibility import SAMPLE_RATE, Whisper

        whisper = Whisper()
    return lambda audio: whisper.transcribe(resample(audio, SAMPLE_RATE).samples)


@contextlib.contextmanager
def bars() -> Iterator["Tell"]:
    """A bar for each stage, with the time left, one after the other."""
    with contextlib.ExitStack() as stack:
        stage, bar = "", None

        def tell(name: str, done: int, total: int) -> None:
            nonlocal stage, bar
            if name != stage:
                stack.close()
                stage = name
                deed = f"{name} ({STAGES.index(name) + 1} of {len(STAGES)})"
                bar = stack.enter_context(progress_bar(deed))
            assert bar is not None
            bar(done, total)

        yield tell
