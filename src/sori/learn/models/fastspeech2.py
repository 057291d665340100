"""FastSpeech 2: text to mel in one pass, with durations, pitch and energy predicted on the way.

Source: Ren et al. 2020, "FastSpeech 2", arXiv:2006.04558.
Deviations: log F0 is predicted frame by frame, not through a wavelet spectrogram, together with a
logit of being voiced, because our vocoder needs both; speakers have a table, added to the encoder's
output; `postnet_blocks` adds the post-net of Tacotron 2, as open implementations do. A block has
two layer norms behind its residual sums, as in the paper.
"""

from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.core.errors import SoriError
from sori.learn.contracts import (
    AcousticBatch,
    Acoustics,
    Delivery,
    Durations,
    Exhibit,
    Ids,
    Lengths,
    Mel,
    Spec,
    Track,
    Update,
)
from sori.learn.losses import masked_mean
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.alignment import expand
from sori.learn.nn.conv import PostNet, convolve
from sori.learn.nn.dropout import Dropout
from sori.learn.nn.masks import as_weight, length_mask
from sori.learn.nn.prunable import FIXED, Axis, Structure
from sori.learn.nn.transformer import FFTBlock, Positions
from sori.text.phonemes import SYMBOLS

Steps = Float[Tensor, "B T D"]
Mask = Bool[Tensor, "B T"]


@dataclass(config=strict, frozen=True)
class FastSpeech2Config:
    """Defaults are the paper's values; ranges of pitch and energy span the 256 bins."""

    mel: MelSpec = field(default_factory=MelSpec)
    symbols: str = SYMBOLS
    speakers: tuple[str, ...] = ("speaker",)
    width: int = 256
    heads: int = 2
    encoder_blocks: int = 4
    decoder_blocks: int = 4
    filter_width: int = 1024
    filter_kernel: int = 9
    predictor_width: int = 256
    predictor_kernel: int = 3
    dropout: float = 0.1
    predictor_dropout: float = 0.5
    bins: int = 256
    pitch_range_hz: tuple[float, float] = (50.0, 600.0)
    energy_range: tuple[float, float] = (-7.0, 6.0)
    postnet_blocks: int = 0
    postnet_width: int = 512


class Variance(NamedTuple):
    """Per frame: log F0, logit of being voiced, log energy."""

    pitch: Track
    voiced: Track
    energy: Track


class Spoken(NamedTuple):
    """Durations in frames, F0 in Hz (0 where unvoiced) and the log-mel."""

    durations: Durations
    f0: Track
    mel: Mel


def fft_block(config: FastSpeech2Config) -> FFTBlock:
    """A block of the encoder or of the decoder, which are alike."""
    return FFTBlock(
        config.width, config.heads, config.filter_width, config.filter_kernel, config.dropout
    )


class Predictor(nn.Module):
    """Two convolutions with layer norm, then numbers for every step."""

    def __init__(self, config: FastSpeech2Config, outputs: int):
        super().__init__()
        kernel, width = config.predictor_kernel, config.predictor_width
        self.first = nn.Conv1d(config.width, width, kernel, padding=kernel // 2)
        self.first_norm = nn.LayerNorm(width)
        self.second = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.second_norm = nn.LayerNorm(width)
        self.drop = Dropout(config.predictor_dropout)
        self.leave = nn.Linear(width, outputs)

    def forward(self, x: Steps, mask: Mask) -> Float[Tensor, "B T outputs"]:
        keep = as_weight(mask)
        for conv, norm in ((self.first, self.first_norm), (self.second, self.second_norm)):
            x = F.relu(convolve(conv, x * keep))
            x = self.drop(norm(x))
        return self.leave(x)

    def declare(self, structure: Structure, path: str, width: Axis) -> None:
        first = structure.dimension(f"{path}.first_channels", self.first.out_channels)
        second = structure.dimension(f"{path}.second_channels", self.second.out_channels)
        structure.layer(f"{path}.first", self.first, first, width)
        structure.layer(f"{path}.first_norm", self.first_norm, first)
        structure.layer(f"{path}.second", self.second, second, first)
        structure.layer(f"{path}.second_norm", self.second_norm, second)
        structure.layer(f"{path}.leave", self.leave, FIXED, second)


class FastSpeech2(nn.Module):
    """Phonemes and speaker in; durations, F0, energy and mel out."""

    pitch_edges: Tensor
    energy_edges: Tensor

    def __init__(self, config: FastSpeech2Config):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.embed = nn.Embedding(len(config.symbols), config.width)
        self.speakers = nn.Embedding(len(config.speakers), config.width)
        self.positions = Positions(config.width)
        self.encoder = nn.ModuleList([fft_block(config) for _ in range(config.encoder_blocks)])
        self.duration = Predictor(config, 1)
        self.pitch = Predictor(config, 2)
        self.energy = Predictor(config, 1)
        self.pitch_table = nn.Embedding(config.bins, config.width)
        self.energy_table = nn.Embedding(config.bins, config.width)
        self.decoder = nn.ModuleList([fft_block(config) for _ in range(config.decoder_blocks)])
        self.mel_out = nn.Linear(config.width, config.mel.bins)
        self.postnet = (
            PostNet(config.mel.bins, config.postnet_width, config.postnet_blocks)
            if config.postnet_blocks
            else None
        )
        # The first bin is left for unvoiced frames.
        low, high = (torch.tensor(hz).log() for hz in config.pitch_range_hz)
        pitch_edges = torch.linspace(float(low), float(high), config.bins - 2)
        energy_edges = torch.linspace(*config.energy_range, config.bins - 1)
        self.register_buffer("pitch_edges", pitch_edges, persistent=False)
        self.register_buffer("energy_edges", energy_edges, persistent=False)

    def encode(self, ids: Ids, speaker: Lengths, mask: Mask) -> Float[Tensor, "B N D"]:
        """What every phoneme means in its sentence, said by this speaker."""
        x = self.embed(ids) + self.positions(ids.shape[1])
        x = x * as_weight(mask)
        for block in self.encoder:
            x = block(x, mask)
        return x + self.speakers(speaker)[:, None]

    def log_durations(self, text: Float[Tensor, "B N D"], mask: Mask) -> Float[Tensor, "B N"]:
        """log(frames + 1) of every phoneme."""
        return self.duration(text, mask)[:, :, 0]

    def predict(self, laid: Steps, mask: Mask) -> Variance:
        """Pitch, voicing and energy of every frame."""
        pitch, voiced = self.pitch(laid, mask).unbind(dim=2)
        return Variance(pitch, voiced, self.energy(laid, mask)[:, :, 0])

    def structure(self) -> Structure:
        """The residual stream, and the inner sizes of every block, predictor and of the post-net.

        Source: Huang et al. 2023, section 2.2 and figure 2, arXiv:2303.11816.
        """
        structure = Structure()
        width = structure.dimension("width", self.embed.embedding_dim)
        self.positions.declare(structure, "positions", width)
        for name in ("embed", "speakers", "pitch_table", "energy_table"):
            structure.layer(name, self.get_submodule(name), FIXED, width)
        for stack in ("encoder", "decoder"):
            for number, block in enumerate(self.get_submodule(stack).children()):
                assert isinstance(block, FFTBlock)
                block.declare(structure, f"{stack}.{number}", width)
        for name in ("duration", "pitch", "energy"):
            predictor = self.get_submodule(name)
            assert isinstance(predictor, Predictor)
            predictor.declare(structure, name, width)
        structure.layer("mel_out", self.mel_out, FIXED, width)
        if self.postnet is not None:
            self.postnet.declare(structure, "postnet")
        return structure

    def pitch_bin(self, variance: Variance) -> Int[Tensor, "B T"]:
        """Number of the bin of log F0; 0 where unvoiced."""
        inside = torch.bucketize(variance.pitch, self.pitch_edges) + 1
        return torch.where(variance.voiced > 0, inside, 0)

    def energy_bin(self, variance: Variance) -> Int[Tensor, "B T"]:
        """Number of the bin of log energy."""
        return torch.bucketize(variance.energy, self.energy_edges)

    def decode(self, laid: Steps, variance: Variance, mask: Mask) -> tuple[Mel, Mel]:
        """The mel before and after the post-net; they are the same without one."""
        x = laid + self.pitch_table(self.pitch_bin(variance))
        x = x + self.energy_table(self.energy_bin(variance))
        x = (x + self.positions(x.shape[1])) * as_weight(mask)
        for block in self.decoder:
            x = block(x, mask)
        mel = self.mel_out(x).transpose(1, 2)
        if self.postnet is None:
            return mel, mel
        return mel, self.postnet(mel, mask[:, None].float())

    def forward(self, ids: Ids, speaker: Lengths, speed: float = 1.0, pitch: float = 1.0) -> Spoken:
        """Speak a batch whose items have equally many phonemes.

        Args:
            speed, pitch: factors on the tempo and on F0.
        """
        mask = torch.ones_like(ids, dtype=torch.bool)
        text = self.encode(ids, speaker, mask)
        frames = (self.log_durations(text, mask).exp() - 1) / speed
        durations = frames.round().clamp(min=0).long()
        laid = expand(text, durations)
        frame_mask = length_mask(durations.sum(dim=1), laid.shape[1])
        found = self.predict(laid, frame_mask)
        found = found._replace(pitch=found.pitch + torch.tensor(pitch).log().to(ids.device))
        mel = self.decode(laid, found, frame_mask)[1]
        f0 = found.pitch.exp() * (found.voiced > 0)
        return Spoken(durations, f0, mel)

    def acoustics(self, ids: Ids, delivery: Delivery) -> Acoustics:
        """Speak one sentence as the heaviest speaker: speakers of a table do not mix.

        Raises:
            SoriError: another energy is asked for.
        """
        if delivery.energy != 1:
            raise SoriError("fastspeech2 has no energy to set; leave it at 1")
        speaker = delivery.speakers.argmax(dim=1)
        return Acoustics(*self(ids, speaker, delivery.speed, delivery.pitch))


class FastSpeech2Task(nn.Module):
    """L1 on mels given true variances; squared errors of log durations, pitch and energy."""

    def __init__(self, config: FastSpeech2Config):
        super().__init__()
        self.config = config
        self.model = FastSpeech2(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: AcousticBatch) -> Iterator[Update]:
        terms = self.terms(batch)
        yield Update("model", torch.stack(list(terms.values())).sum(), terms)

    def terms(self, batch: AcousticBatch) -> dict[str, Tensor]:
        """Every loss, each masked to the data."""
        model = self.model
        text_mask = length_mask(batch.ids_len, batch.ids.shape[1])
        frames = int(batch.durations.sum(dim=1).max())
        mask = length_mask(batch.mel_len, frames)
        text = model.encode(batch.ids, batch.speaker, text_mask)
        guessed = model.log_durations(text, text_mask)
        laid = expand(text, batch.durations) * as_weight(mask)
        found = model.predict(laid, mask)
        true = true_variance(batch, frames)
        before, after = model.decode(laid, true, mask)
        target = batch.mel[:, :, :frames]
        terms = {
            "mel": masked_mean((before - target).abs(), mask[:, None]),
            "duration": masked_mean((guessed - (batch.durations + 1).log()).square(), text_mask),
            "pitch": masked_mean((found.pitch - true.pitch).square(), mask & (true.voiced > 0)),
            "voiced": masked_mean(
                F.binary_cross_entropy_with_logits(
                    found.voiced.float(), true.voiced, reduction="none"
                ),
                mask,
            ),
            "energy": masked_mean((found.energy - true.energy).square(), mask),
        }
        if model.postnet is not None:
            terms["postnet"] = masked_mean((after - target).abs(), mask[:, None])
        return terms

    def show(self, batch: AcousticBatch) -> Exhibit:
        """The first recording, and its mel made from its true durations, pitch and energy."""
        model = self.model
        text_mask = length_mask(batch.ids_len, batch.ids.shape[1])
        laid = expand(model.encode(batch.ids, batch.speaker, text_mask), batch.durations)
        frames = laid.shape[1]
        mask = length_mask(batch.mel_len, frames)
        made = model.decode(laid * as_weight(mask), true_variance(batch, frames), mask)[1]
        return Exhibit(mels={"recording": batch.mel[0], "made": made[0]})


def true_variance(batch: AcousticBatch, frames: int) -> Variance:
    """What the recordings of a batch do."""
    f0 = batch.f0[:, :frames]
    return Variance(f0.clamp(min=1).log(), (f0 > 0).float(), batch.energy[:, :frames])


SPEC = Spec(
    paper="arXiv:2006.04558",
    config=FastSpeech2Config,
    model=FastSpeech2,
    task=FastSpeech2Task,
    batch=AcousticBatch,
    tiny=FastSpeech2Config(
        width=16,
        encoder_blocks=1,
        decoder_blocks=1,
        filter_width=32,
        filter_kernel=3,
        predictor_width=16,
        postnet_blocks=2,
        postnet_width=16,
    ),
)
