"""The default acoustic model: FastSpeech 2 rebuilt for speed on a processor.

Text to durations, F0, energy and mel in one pass, as in FastSpeech 2, with these deviations:

- the decoder runs at half the frame rate and emits two mel frames a step, which halves its cost;
- convolutional blocks with pointwise matrix products instead of attention with wide convolutions
  wherever frames are many; attention (with distance biases, no absolute position) only over text;
- F0 and energy are predicted for every frame, not for every phoneme, and enter as numbers instead
  of 256 bins, because the vocoder needs the contour itself;
- a frame knows how long its phoneme lasts and how far it has come.

Source: Ren et al. 2020, "FastSpeech 2", arXiv:2006.04558. Block choice follows the finding of Luo
et al. 2021, "LightSpeech", arXiv:2102.04040, that separable convolutions suffice.
"""

from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import (
    AcousticBatch,
    Acoustics,
    Delivery,
    Durations,
    Exhibit,
    Ids,
    Mel,
    Spec,
    Track,
    Update,
)
from sori.learn.losses import masked_mean
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.alignment import owners
from sori.learn.nn.attention import DistanceAttention
from sori.learn.nn.conv import ConvNeXtBlock
from sori.learn.nn.masks import as_weight, length_mask
from sori.learn.nn.prunable import FIXED, Axis, Structure
from sori.text.phonemes import SYMBOLS

Units = Float[Tensor, "B U D"]
Speakers = Float[Tensor, "B P"]

PITCH_CENTRE = 5.2  # log of 181 Hz
ENERGY_CENTRE = 2.0  # mean of log energies of speech at the level that features are brought to
UNHEARD = -50.0  # energies below this are not of a recording
QUICKEST = 1.25  # speed up to which phonemes become shorter; beyond it, the sound does
MEL_SCALE = 4.0  # brings log-mels near unit range


@dataclass(config=strict, frozen=True)
class ConvFastSpeech2Config:
    """Sizes; `speakers` are names in the order of their table."""

    mel: MelSpec = field(default_factory=MelSpec)
    symbols: str = SYMBOLS
    speakers: tuple[str, ...] = ("speaker",)
    width: int = 256
    heads: int = 4
    text_blocks: int = 4
    prosody_width: int = 192
    prosody_blocks: int = 4
    decoder_blocks: int = 6
    kernel: int = 7
    frames_per_unit: int = 2
    dropout: float = 0.1
    pitch_weight: float = 1.0
    energy_weight: float = 0.5
    duration_weight: float = 1.0


class Controls(NamedTuple):
    """What a listener may change: factors on speed, F0 and energy, one for each item."""

    speed: Float[Tensor, " B"]
    pitch: Float[Tensor, " B"]
    energy: Float[Tensor, " B"]


class Spoken(NamedTuple):
    """What the model says: durations in mel frames, F0 in Hz (0 where unvoiced), log-mel."""

    durations: Durations
    f0: Track
    mel: Mel


class Prosody(NamedTuple):
    """Per mel frame: log F0 less its centre, logit of being voiced, log energy less its centre."""

    pitch: Track
    voiced: Track
    energy: Track


def hurry(spoken: Spoken, speed: Float[Tensor, " B"]) -> Spoken:
    """Shorten all that is spoken by a factor of at least 1, between frames in straight lines."""
    ends = spoken.durations.cumsum(dim=1)
    sooner = (ends / speed[:, None]).round().long()
    total, last = sooner[:, -1:], ends[:, -1:] - 1
    frames = torch.arange(total.max(), device=total.device)  # type: ignore[call-overload]
    place = ((frames + 0.5) * (ends[:, -1:] / total) - 0.5).clamp(min=0).minimum(last)
    before = place.floor().long()
    after = (before + 1).minimum(last)
    share = place - before

    def between(track: Float[Tensor, "B C T"]) -> Float[Tensor, "B C S"]:
        first, second = (
            track.gather(2, at[:, None].expand(-1, track.shape[1], -1)) for at in (before, after)
        )
        return first + share[:, None] * (second - first)

    # A frame is voiced as the nearer one is, and beside silence it holds the pitch.
    pitch, voiced = between(torch.stack([spoken.f0, (spoken.f0 > 0).float()], dim=1)).unbind(1)
    f0 = torch.where(voiced >= 0.5, pitch / voiced.clamp(min=0.5), 0.0)
    durations = torch.cat([sooner[:, :1], sooner[:, 1:] - sooner[:, :-1]], dim=1)
    return Spoken(durations, f0, between(spoken.mel))


class TextBlock(nn.Module):
    """Attention over all phonemes, then a convolutional block over neighbours."""

    def __init__(self, width: int, heads: int, kernel: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attend = DistanceAttention(width, heads)
        self.drop = nn.Dropout(dropout)
        self.convolve = ConvNeXtBlock(width, 3 * width, kernel, 0.25)

    def forward(
        self,
        x: Units,
        mask: Bool[Tensor, "B U"] | None,
        keep: Float[Tensor, "B U 1"] | None,
    ) -> Units:
        x = x + self.drop(self.attend(self.norm(x), mask))
        return self.convolve(x, keep)

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        structure.layer(f"{path}.norm", self.norm, width)
        self.attend.declare(structure, f"{path}.attend", width)
        self.convolve.declare(structure, f"{path}.convolve", width)


class Stack(nn.Module):
    """ConvNeXt blocks with a norm at the end."""

    def __init__(self, width: int, blocks: int, kernel: int, dropout: float):
        super().__init__()
        self.blocks = nn.ModuleList([
            ConvNeXtBlock(width, 3 * width, kernel, 1 / blocks) for _ in range(blocks)
        ])
        self.drop = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Units, keep: Float[Tensor, "B U 1"] | None) -> Units:
        for block in self.blocks:
            x = block(x, keep)
        return self.drop(self.norm(x))

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        for number, block in enumerate(self.blocks):
            assert isinstance(block, ConvNeXtBlock)
            block.declare(structure, f"{path}.blocks.{number}", width)
        structure.layer(f"{path}.norm", self.norm, width)


class ConvFastSpeech2(nn.Module):
    """Phonemes and speaker in; durations, F0 and mel out."""

    def __init__(self, config: ConvFastSpeech2Config):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        width, per_unit = config.width, config.frames_per_unit
        self.embed = nn.Embedding(len(config.symbols), width)
        self.speakers = nn.Linear(len(config.speakers), width, bias=False)
        nn.init.normal_(self.speakers.weight, std=0.1)
        self.text = nn.ModuleList([
            TextBlock(width, config.heads, config.kernel, config.dropout)
            for _ in range(config.text_blocks)
        ])
        self.text_norm = nn.LayerNorm(width)
        self.duration = Stack(width, 2, 3, 0.2)
        self.duration_out = nn.Linear(width, 1)
        self.place = nn.Linear(3, width)
        self.prosody_in = nn.Linear(width, config.prosody_width)
        self.prosody = Stack(
            config.prosody_width, config.prosody_blocks, config.kernel, config.dropout
        )
        self.prosody_out = nn.Linear(config.prosody_width, 3 * per_unit)
        self.tracks = nn.Linear(3 * per_unit, width)
        self.decoder = Stack(width, config.decoder_blocks, config.kernel, 0.0)
        self.mel_out = nn.Linear(width, config.mel.bins * per_unit)

    def encode(
        self, ids: Ids, speaker: Speakers, mask: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "B N D"]:
        """What every phoneme means in its sentence, said by this speaker."""
        x = self.embed(ids) + self.speakers(speaker)[:, None]
        keep = None if mask is None else as_weight(mask)
        for block in self.text:
            x = block(x, mask, keep)
        return self.text_norm(x)

    def log_durations(
        self, text: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "B N"]:
        """log(units + 1) of every phoneme."""
        keep = None if mask is None else as_weight(mask)
        return self.duration_out(self.duration(text, keep))[:, :, 0]

    def lay_out(self, text: Float[Tensor, "B N D"], units: Durations) -> Units:
        """Repeat phonemes for their units, each unit knowing its place in the phoneme."""
        owner = owners(units)
        starts = units.cumsum(dim=1) - units
        place = torch.arange(owner.shape[1], device=owner.device)[None] - starts.gather(1, owner)
        lasting = units.gather(1, owner).clamp(min=1).float()
        place = place.float()
        features = torch.stack(
            [
                (place + 0.5) / lasting,
                (place + 1).log(),
                (lasting - place).clamp(min=0.5).log(),
            ],
            dim=2,
        )
        expanded = text.gather(1, owner[:, :, None].expand(-1, -1, text.shape[2]))
        return expanded + self.place(features)

    def predict_prosody(self, laid: Units, keep: Float[Tensor, "B U 1"] | None) -> Prosody:
        """F0, voicing and energy of every frame."""
        out = self.prosody_out(self.prosody(self.prosody_in(laid), keep))
        pitch, voiced, energy = (part.flatten(1) for part in out.chunk(3, dim=2))
        return Prosody(pitch, voiced, energy)

    def decode(
        self,
        laid: Units,
        prosody: Prosody,
        keep: Float[Tensor, "B U 1"] | None,
    ) -> Mel:
        """The mel of frames with this prosody; `voiced` is 1 or 0 here."""
        per_unit = self.config.frames_per_unit
        tracks = torch.stack([prosody.pitch * prosody.voiced, prosody.voiced, prosody.energy])
        tracks = tracks.unflatten(2, (-1, per_unit)).permute(1, 2, 0, 3).flatten(2)
        x = self.decoder(laid + self.tracks(tracks), keep)
        frames = self.mel_out(x).unflatten(2, (per_unit, -1)).flatten(1, 2)
        return (frames.transpose(1, 2) - 1) * MEL_SCALE

    def forward(self, ids: Ids, speaker: Speakers, controls: Controls) -> Spoken:
        """Speak one item; a batch works where all items have equally many phonemes."""
        per_unit = self.config.frames_per_unit
        text = self.encode(ids, speaker, None)
        # Units are too coarse for great hurry: the rest is taken from what is spoken.
        pace = controls.speed.clamp(max=QUICKEST)
        lasting = (self.log_durations(text, None).exp() - 1) / pace[:, None]
        units = lasting.round().clamp(min=1).long()
        laid = self.lay_out(text, units)
        predicted = self.predict_prosody(laid, None)
        voiced = (predicted.voiced > 0).float()
        prosody = Prosody(
            predicted.pitch + controls.pitch.log()[:, None],
            voiced,
            predicted.energy + controls.energy.log()[:, None],
        )
        mel = self.decode(laid, prosody, None)
        f0 = (prosody.pitch + PITCH_CENTRE).exp() * voiced
        return hurry(Spoken(units * per_unit, f0, mel), controls.speed / pace)

    def structure(self) -> Structure:
        """Two residual streams, of text and frames and of prosody, and what hangs on them."""
        structure = Structure()
        width = structure.dimension("width", self.embed.embedding_dim)
        prosody = structure.dimension("prosody_width", self.prosody_in.out_features)
        structure.layer("embed", self.embed, FIXED, width)
        structure.layer("speakers", self.speakers, width)
        for number, block in enumerate(self.text):
            assert isinstance(block, TextBlock)
            block.declare(structure, f"text.{number}", width)
        structure.layer("text_norm", self.text_norm, width)
        self.duration.declare(structure, "duration", width)
        structure.layer("duration_out", self.duration_out, FIXED, width)
        structure.layer("place", self.place, width)
        structure.layer("prosody_in", self.prosody_in, prosody, width)
        self.prosody.declare(structure, "prosody", prosody)
        structure.layer("prosody_out", self.prosody_out, FIXED, prosody)
        structure.layer("tracks", self.tracks, width)
        self.decoder.declare(structure, "decoder", width)
        structure.layer("mel_out", self.mel_out, FIXED, width)
        return structure

    def acoustics(self, ids: Ids, delivery: Delivery) -> Acoustics:
        """Speak one sentence."""
        factors = (torch.tensor([f]) for f in (delivery.speed, delivery.pitch, delivery.energy))
        return Acoustics(*self(ids, delivery.speakers, Controls(*factors)))

    def true_prosody(self, batch: AcousticBatch, frames: int) -> Prosody:
        """What the recordings of a batch do, in the units of `predict_prosody`."""
        f0 = batch.f0[:, :frames]
        voiced = (f0 > 0).float()
        pitch = (f0.clamp(min=1).log() - PITCH_CENTRE) * voiced
        return Prosody(pitch, voiced, batch.energy[:, :frames] - ENERGY_CENTRE)

    def reconstruct(self, batch: AcousticBatch) -> Mel:
        """The mels of recordings, given their true durations and prosody."""
        mask = length_mask(batch.ids_len, batch.ids.shape[1])
        speaker = F.one_hot(batch.speaker, len(self.config.speakers)).float()
        laid = self.lay_out(
            self.encode(batch.ids, speaker, mask), batch.durations // self.config.frames_per_unit
        )
        frames = laid.shape[1] * self.config.frames_per_unit
        keep = as_weight(length_mask(batch.mel_len, frames)[:, :: self.config.frames_per_unit])
        return self.decode(laid, self.true_prosody(batch, frames), keep)


class ConvFastSpeech2Task(nn.Module):
    """L1 on mels given true prosody; durations, F0, voicing and energy each with their own loss."""

    def __init__(self, config: ConvFastSpeech2Config):
        super().__init__()
        self.config = config
        self.model = ConvFastSpeech2(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: AcousticBatch) -> Iterator[Update]:
        terms = self.terms(batch)
        config = self.config
        loss = (
            terms["mel"]
            + config.duration_weight * terms["duration"]
            + config.pitch_weight * (terms["pitch"] + 0.2 * terms["voiced"])
            + config.energy_weight * terms["energy"]
        )
        yield Update("model", loss, terms)

    def show(self, batch: AcousticBatch) -> Exhibit:
        """The first recording, and its mel made from its true durations, pitch and energy."""
        made = self.model.reconstruct(batch)[0]
        return Exhibit(mels={"recording": batch.mel[0], "made": made})

    def terms(self, batch: AcousticBatch) -> dict[str, Tensor]:
        """Every loss, each masked to the data."""
        model, per_unit = self.model, self.config.frames_per_unit
        text_mask = length_mask(batch.ids_len, batch.ids.shape[1])
        units = batch.durations // per_unit
        frames = int(units.sum(dim=1).max()) * per_unit
        frame_mask = length_mask(batch.mel_len, frames)
        keep = as_weight(frame_mask[:, ::per_unit])
        speaker = F.one_hot(batch.speaker, len(self.config.speakers)).float()

        text = model.encode(batch.ids, speaker, text_mask)
        guessed = model.log_durations(text, text_mask)
        laid = model.lay_out(text, units)
        predicted = model.predict_prosody(laid, keep)
        true = model.true_prosody(batch, frames)
        mel = model.decode(laid, true, keep)

        target = batch.mel[:, :, :frames]
        # Of some utterances a teacher gave the prosody alone; their mel and energy are unknown.
        heard = frame_mask & (batch.energy[:, :frames] > UNHEARD)
        return {
            "mel": masked_mean((mel - target).abs(), heard[:, None]),
            "duration": masked_mean((guessed - (units.float() + 1).log()).square(), text_mask),
            "pitch": masked_mean(
                (predicted.pitch - true.pitch).abs(), frame_mask & (true.voiced > 0)
            ),
            "voiced": masked_mean(
                F.binary_cross_entropy_with_logits(
                    predicted.voiced.float(), true.voiced, reduction="none"
                ),
                frame_mask,
            ),
            "energy": masked_mean((predicted.energy - true.energy).abs(), heard),
        }


SPEC = Spec(
    paper="ours; after FastSpeech 2 (arXiv:2006.04558) and LightSpeech (arXiv:2102.04040)",
    config=ConvFastSpeech2Config,
    model=ConvFastSpeech2,
    task=ConvFastSpeech2Task,
    batch=AcousticBatch,
    tiny=ConvFastSpeech2Config(
        width=16, heads=2, text_blocks=1, prosody_width=16, prosody_blocks=1, decoder_blocks=1
    ),
)
