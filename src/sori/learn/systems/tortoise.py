"""TorToise: a text and a few recordings to speech, by drawing, ranking and diffusion.

An autoregressive network draws candidates of speech codes, CLVP ranks them, a diffusion decoder
draws the mel of the best one from the states that its codes were drawn from, a vocoder makes the
wave.

Source: Betker 2023, "Better speech synthesis through scaling", section 4, arXiv:2305.07243; presets
as in its author's program.
Deviations: the states are those of the drawing, so no second pass makes them and no codes of
silence stand behind the last; the decoder takes as many steps of a second-order solver as are
heard to be enough, and the published number only where another sampler is asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.mel import require_same
from sori.learn.models.clvp import CLVP
from sori.learn.models.tortoise_ar import Drawn, TortoiseAR, calm_end
from sori.learn.models.tortoise_diffusion import SAMPLERS, Guidance, TortoiseDiffusion
from sori.learn.nn.drawing import Sampling
from sori.learn.systems.denoising import GraphDenoiser
from sori.learn.systems.speakers import Heard
from sori.learn.systems.vocoding import GRIFFIN_LIM, Sound, Vocoder, load_vocoder

WEIGHTS, GRAPH = "model.safetensors", "model.onnx"
HEARD_FRAMES = 400  # of every recording, by the decoder; 4.3 s as published
# Stage, how much of it is done, and of how much.
Tell = Callable[[str, int, int], None]


class Preset(NamedTuple):
    """What it costs.

    published_steps: of the ancestral sampler, and of DDIM.
    steps: of the solver.
    guidance: strength at the last step; 0 asks the decoder half as much.
    """

    candidates: int
    published_steps: int
    steps: int
    guidance: float


PRESETS = {
    "ultra_fast": Preset(16, 30, 10, 0.0),
    "fast": Preset(96, 80, 20, 2.0),
    "standard": Preset(256, 200, 40, 2.0),
    "high_quality": Preset(256, 400, 80, 2.0),
}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Effort:
    """How much work a sentence is worth.

    Args:
        guidance: how far beyond what it learned the decoder follows text and voice.
        ramped: whether guidance grows from almost nothing to all of it.
        batch: candidates drawn together.
        voice_share: of CVVP's judgement in the ranking, the rest is CLVP's.

    Raises:
        SoriError: a number is out of range.
    """

    candidates: int
    steps: int
    guidance: float
    sampler: str = "solver"
    ramped: bool = True
    batch: int = 48
    voice_share: float = 0.0

    def __post_init__(self) -> None:
        for name in ("candidates", "steps", "batch"):
            if getattr(self, name) < 1:
                raise SoriError(f"{name} {getattr(self, name)} is out of range; give 1 or more")
        if not 0 <= self.voice_share <= 1:
            raise SoriError(f"voice_share {self.voice_share:g} is out of range; give 0 to 1")
        if self.sampler not in SAMPLERS:
            raise SoriError(
                f"there is no sampler {self.sampler!r}; choose one of: {', '.join(SAMPLERS)}"
            )

    @classmethod
    def of(cls, preset: str, sampler: str = "solver", **changes: Any) -> "Effort":
        """A preset, with changes that are not None.

        Raises:
            SoriError: no preset has that name, or a number is out of range.
        """
        if preset not in PRESETS:
            raise SoriError(f"there is no preset {preset!r}; choose one of: {', '.join(PRESETS)}")
        chosen = PRESETS[preset]
        steps = chosen.steps if sampler == "solver" else chosen.published_steps
        effort = cls(chosen.candidates, steps, chosen.guidance, sampler)
        return replace(effort, **{k: v for k, v in changes.items() if v is not None})


class Said(NamedTuple):
    """A sentence with what it was made of.

    scores: of all R candidates, the higher the better.
    best: number of the candidate that was spoken.
    """

    wave: Float[np.ndarray, " S"]
    mel: Float[Tensor, "1 M T"]
    drawn: Drawn
    scores: Float[Tensor, " R"]
    best: int


class TorToise:
    """The networks of a folder: `autoregression`, `clvp`, `diffusion` and `vocoder`.

    Each is a folder with `model.safetensors`, as `sori train` and `sori import` leave it, and in
    fp32 the decoder is asked through `model.onnx`, if `sori export-decoder` left one. Without a
    vocoder, Griffin-Lim makes the wave; without `clvp`, a single candidate can be drawn; `cvvp` is
    asked where `Effort.voice_share` wants it.

    Raises:
        SoriError: a network is missing, is another one, or two of them do not fit.
    """

    def __init__(self, folder: Path, precision: str = "fp32"):
        if precision not in PRECISIONS:
            raise SoriError(f"there is no precision {precision!r}; choose fp32 or bf16")
        if not folder.is_dir():
            raise SoriError(f"there is no folder {folder}; give that of TorToise's networks")
        self.folder = folder
        kind = PRECISIONS[precision]
        self.reader: TortoiseAR = network(folder, "autoregression", TortoiseAR).to(kind)
        self.decoder: TortoiseDiffusion = network(folder, "diffusion", TortoiseDiffusion).to(kind)
        if precision == "fp32":
            self.decoder.twin = twin_of(folder / "diffusion")
        self.judge: Any = optional(folder, "clvp", kind)
        self.voice_judge: Any = optional(folder, "cvvp", kind)
        self.vocoder = vocoder_of(folder, self.decoder)
        self.kind = kind
        self.check()

    def check(self) -> None:
        """Refuse networks that do not speak of the same things."""
        reader, decoder = self.reader.config, self.decoder.config
        if decoder.latent_width != reader.width or decoder.codes != reader.codes:
            raise SoriError(
                f"the networks of {self.folder} do not fit: autoregression has {reader.codes} "
                f"codes and width {reader.width}, diffusion {decoder.codes} and "
                f"{decoder.latent_width}"
            )
        if self.judge is not None and (
            self.judge.config.codes != reader.codes or self.judge.config.symbols != reader.symbols
        ):
            raise SoriError(f"clvp of {self.folder} has other codes or symbols than autoregression")

    @torch.no_grad()
    def hear(self, clips: Sequence[Audio]) -> Heard:
        """The voice of recordings, as both networks hear it.

        Raises:
            SoriError: there is none, or one cannot be used.
        """
        reader, decoder = self.reader, self.decoder
        return Heard.of(
            clips,
            (reader.mel_spec, reader.config.reference_frames, reader.hear),
            (decoder.mel_spec, HEARD_FRAMES, decoder.hear),
            self.kind,
        )

    @torch.no_grad()
    def speak(
        self, ids: Int[Tensor, " N"], voice: Heard, effort: Effort, seed: int, tell: Tell
    ) -> Said:
        """Say one sentence.

        Raises:
            SoriError: the text is longer than the position table.
        """
        drawn = self.draw(ids, voice, effort, seed, tell)
        scores = self.rank(ids, drawn, voice, effort, tell)
        best = int(scores.argmax())
        mel = self.decode(self.latents_of(drawn, best), voice, effort, seed, tell)
        return Said(self.vocode(mel, seed, tell), mel, drawn, scores, best)

    def draw(
        self, ids: Int[Tensor, " N"], voice: Heard, effort: Effort, seed: int, tell: Tell
    ) -> Drawn:
        """Candidates of a sentence."""
        manner = Sampling(repetition=self.reader.config.repetition, batch=effort.batch)
        return self.reader.sample(
            ids[None],
            voice.reader.to(self.kind),
            effort.candidates,
            seed,
            manner,
            lambda done, total: tell("codes", done, total),
        )

    def rank(
        self, ids: Int[Tensor, " N"], drawn: Drawn, voice: Heard, effort: Effort, tell: Tell
    ) -> Float[Tensor, " R"]:
        """How good each candidate is. One that found no end or is empty comes after all others.

        Raises:
            SoriError: there are several, and no CLVP or, where it is wanted, no CVVP to choose.
        """
        count = len(drawn.codes)
        tell("ranking", 0, count)
        scores = torch.zeros(count)
        if count > 1:
            scores = (1 - effort.voice_share) * self.fitness(ids, drawn)
        if count > 1 and effort.voice_share:
            scores = scores + effort.voice_share * self.likeness(drawn, voice)
        tell("ranking", count, count)
        worse = ~drawn.finished | (drawn.lengths == 0)
        return scores - worse.float() * (1 + scores.max() - scores.min())

    def fitness(self, ids: Int[Tensor, " N"], drawn: Drawn) -> Float[Tensor, " R"]:
        """How well candidates fit the text."""
        if self.judge is None:
            raise SoriError(f"{self.folder} has no clvp to choose among candidates; draw 1")
        judge: CLVP = self.judge
        return judge.score(ids[None], drawn.codes, drawn.lengths).float()

    def likeness(self, drawn: Drawn, voice: Heard) -> Float[Tensor, " R"]:
        """How well candidates fit the voice."""
        if self.voice_judge is None or voice.sound is None:
            raise SoriError(f"{self.folder} has no cvvp, or the voice no recording, to compare")
        return self.voice_judge.score(voice.sound, drawn.codes, drawn.lengths).float()

    def latents_of(self, drawn: Drawn, number: int) -> Float[Tensor, "1 K D"]:
        """The states of a candidate up to its end, or to a silence that is too long.

        Raises:
            SoriError: it has no code at all.
        """
        codes = drawn.codes[number, : drawn.lengths[number]]
        end = calm_end(codes, int(self.reader.silence))
        if not end:
            raise SoriError("the networks said nothing; try another seed or more candidates")
        return drawn.latents[number : number + 1, :end]

    def decode(
        self, latents: Float[Tensor, "1 K D"], voice: Heard, effort: Effort, seed: int, tell: Tell
    ) -> Float[Tensor, "1 M T"]:
        """The mel of a candidate.

        Raises:
            SoriError: more steps are wanted than were learned.
        """
        decoder = self.decoder
        if effort.steps > decoder.config.steps:
            raise SoriError(f"{effort.steps} steps; the decoder learned {decoder.config.steps}")
        condition = decoder.condition(decoder.from_latents(latents), voice.decoder.to(self.kind))
        torch.manual_seed(seed)
        return decoder.sample(
            condition,
            effort.steps,
            effort.sampler,
            Guidance(effort.guidance, effort.ramped),
            tell=lambda done, total: tell("mel", done, total),
        )

    def vocode(self, mel: Float[Tensor, "1 M T"], seed: int, tell: Tell) -> Float[np.ndarray, " S"]:
        """The wave of a mel. A vocoder that needs F0 gets that of a draft by Griffin-Lim."""
        tell("wave", 0, 1)
        sound = Sound(mel[0].float().T.numpy(), None)
        if self.vocoder.wants_f0:
            draft = load_vocoder(GRIFFIN_LIM, self.vocoder.spec)
            heard = self.vocoder.hear(draft.speak(sound, seed))
            sound = sound._replace(f0=heard.f0)
        wave = self.vocoder.speak(sound, seed).samples
        tell("wave", 1, 1)
        return wave


def network(folder: Path, name: str, kind: type) -> Any:
    """A trained network of the folder.

    Raises:
        SoriError: it is missing, unusable or another one.
    """
    path = folder / name / WEIGHTS
    if not path.is_file():
        raise SoriError(f"{folder} has no {name}/{WEIGHTS}; train it, or import published weights")
    found = registry.load(path)
    if not isinstance(found, kind):
        raise SoriError(f"{path} holds a {type(found).__name__}, not a {kind.__name__}")
    return found


def optional(folder: Path, name: str, kind: torch.dtype) -> Any:
    """A network that may be missing."""
    path = folder / name / WEIGHTS
    return registry.load(path).to(kind) if path.is_file() else None


def twin_of(folder: Path) -> GraphDenoiser | None:
    """The exported graph of a decoder, if there is one.

    Raises:
        SoriError: it is unusable, or of other weights.
    """
    path = folder / GRAPH
    return GraphDenoiser(path, folder / WEIGHTS) if path.is_file() else None


def vocoder_of(folder: Path, decoder: TortoiseDiffusion) -> Vocoder:
    """The vocoder of the folder, or Griffin-Lim.

    Raises:
        SoriError: it is unusable, or means something else by a mel.
    """
    path = folder / "vocoder" / WEIGHTS
    vocoder = load_vocoder(str(path) if path.is_file() else GRIFFIN_LIM, decoder.mel_spec)
    try:
        require_same(decoder.mel_spec, vocoder.spec)
    except ValueError as error:
        raise SoriError(f"diffusion does not fit {path}: {error}") from error
    return vocoder
