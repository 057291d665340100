"""Voices that are heard, not learned: folders of recordings, and what networks heard in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sori.audio.files import read, reason
from sori.audio.resample import resample
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.checkpoint import read_tensors, write_tensors
from sori.learn.data import features
from sori.learn.mel import MelSpec

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
LATENTS = ".safetensors"
RANDOM = "random"
FORMAT = "tortoise-voice-1"
# A voice is not in a second; a clip of minutes is no example sentence but a book by mistake.
LEAST_SECONDS, MOST_SECONDS = 2.0, 600.0
SILENT = 1e-4  # root mean square, 80 dB below full scale
# Mels, how many frames of every clip, and what listens to them.
Ear = tuple[MelSpec, int, Callable[[Sequence[Tensor]], Tensor]]


@dataclass(frozen=True)
class Heard:
    """A voice, as the autoregressive network and the decoder heard it.

    Args:
        sound: a scaled mel of the first recording, for CVVP; None where only latents were kept.
    """

    reader: Float[Tensor, "1 D"]
    decoder: Float[Tensor, "1 E"]
    sound: Float[Tensor, "1 M T"] | None = None

    @classmethod
    def of(cls, clips: Sequence[Audio], reader: Ear, decoder: Ear, kind: torch.dtype) -> "Heard":
        """Listen to recordings with both networks."""
        heard = []
        for spec, frames, hear in (reader, decoder):
            mels = [mel_of(clip, spec)[:, :, :frames] for clip in clips]
            heard.append(hear([mel.to(kind) for mel in mels]).float())
        return cls(heard[0], heard[1], mel_of(clips[0], reader[0])[:, :, : reader[1]])

    def save(self, path: Path) -> None:
        """Keep the latents in one file.

        Raises:
            SoriError: it cannot be written.
        """
        tensors = {"autoregression": self.reader, "diffusion": self.decoder}
        write_tensors(path, tensors, {"format": FORMAT})


def load_heard(path: Path, widths: tuple[int, int]) -> Heard:
    """Latents that were kept.

    Args:
        widths: those that the networks have.

    Raises:
        SoriError: the file is none of latents, or of other networks.
    """
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT:
        raise SoriError(f"{path} holds no voice of TorToise; --save-latents writes such a file")
    found = tuple(tensors[name].shape[1] for name in ("autoregression", "diffusion"))
    if found != widths:
        raise SoriError(f"{path} is of networks of widths {found}, and these have {widths}")
    return Heard(tensors["autoregression"], tensors["diffusion"])


def mixed(voices: Sequence[Heard], shares: Sequence[float]) -> Heard:
    """A voice between voices."""
    reader = torch.stack([s * v.reader for s, v in zip(shares, voices, strict=True)]).sum(dim=0)
    decoder = torch.stack([s * v.decoder for s, v in zip(shares, voices, strict=True)]).sum(dim=0)
    return Heard(reader, decoder, voices[0].sound)


class Speakers:
    """Finds voices by name.

    A name is a folder of recordings, a file of latents, or either of these in the folder `voices`
    of the networks. `a&b` is halfway between two, `random` somewhere among all of `voices`.
    """

    def __init__(self, system: Any, voices: Path):
        self.system = system
        self.voices = voices

    def find(self, names: Sequence[str], seed: int) -> Heard:
        """The voice of names, all of which count alike.

        Raises:
            SoriError: there is none, or one cannot be used.
        """
        single = [part.strip() for name in names for part in name.split("&")]
        if not single:
            raise SoriError("TorToise needs a voice; give --reference DIR, or --reference random")
        found = [self.random(seed) if name == RANDOM else self.one(name) for name in single]
        return mixed(found, [1 / len(found)] * len(found))

    def one(self, name: str) -> Heard:
        """The voice of one folder or file."""
        places = (Path(name), self.voices / name, self.voices / f"{name}{LATENTS}")
        path = next((place for place in places if name and place.exists()), None)
        if path is None:
            known = ", ".join(self.names()) or "none"
            raise SoriError(
                f"there is no folder {name!r} of recordings; {self.voices} has: {known}"
            )
        if path.suffix == LATENTS:
            widths = (self.system.reader.config.width, 2 * self.system.decoder.config.width)
            return load_heard(path, widths)
        return self.system.hear(clips_of(path))

    def names(self) -> list[str]:
        """The voices that come with the networks."""
        if not self.voices.is_dir():
            return []
        places = self.voices.iterdir()
        return sorted(p.stem for p in places if p.is_dir() or p.suffix == LATENTS)

    def random(self, seed: int) -> Heard:
        """A mix of all voices that come with the networks, in shares that the seed draws."""
        names = self.names()
        if not names:
            raise SoriError(f"a random voice is a mix of those in {self.voices}, and there is none")
        shares = np.random.default_rng(seed).dirichlet([0.5] * len(names))
        return mixed([self.one(name) for name in names], shares.tolist())


def clips_of(path: Path) -> list[Audio]:
    """The recordings of a folder, or one file, in the order of their names.

    Raises:
        SoriError: there is none, or one is unreadable, silent, too short or too long.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not files:
        raise SoriError(f"{path} holds no recording; give {', '.join(SUFFIXES)} files")
    clips = [clip_of(file) for file in files]
    seconds = sum(clip.seconds for clip in clips)
    if seconds < LEAST_SECONDS:
        raise SoriError(
            f"{path} holds {seconds:.1f} s of speech; a voice needs {LEAST_SECONDS:.0f} s or more, "
            "two clips of 10 s are good"
        )
    return clips


def clip_of(file: Path) -> Audio:
    """One recording without the silence around it.

    Raises:
        SoriError: it is unreadable, silent or too long.
    """
    import soundfile

    try:
        seconds = soundfile.info(str(file)).duration
    except (OSError, soundfile.SoundFileError) as error:
        raise SoriError(f"cannot read {file}: {reason(error)}") from error
    if seconds > MOST_SECONDS:
        raise SoriError(
            f"{file} lasts {seconds / 60:.0f} minutes; cut clips of 6 to 30 s out of it"
        )
    audio = read(file)
    if not len(audio.samples) or np.sqrt(np.square(audio.samples).mean()) < SILENT:
        raise SoriError(f"{file} is silent; give a recording of the voice")
    return Audio(features.trim(audio.samples, audio.sample_rate), audio.sample_rate)


def mel_of(clip: Audio, spec: MelSpec) -> Float[Tensor, "1 M T"]:
    """Log-mel at the level that networks learn at, at least one transform long."""
    wave = resample(clip, spec.sample_rate).samples
    wave = features.normalise(wave, spec.sample_rate)
    short = max(2 * spec.fft_samples - len(wave), 0)
    return torch.from_numpy(features.mel(np.pad(wave, (0, short)), spec).T[None].copy())
