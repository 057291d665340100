"""Speech tokeniser: a mel becomes a code for every four frames, and codes a mel.

Sources: van den Oord et al. 2017, "VQ-VAE", arXiv:1711.00937; layers and sizes are those of the
tokeniser of Betker 2023, "Better speech synthesis through scaling" (TorToise), section 4.1,
arXiv:2305.07243, as published for the system after it.
Deviations: mels are scaled to -1 ... 1 by two constants instead of a table by band, and the
codebook revives unused entries.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Exhibit, Frames, Lengths, Mel, Spec, Update
from sori.learn.mel import MEL_22_KHZ, MelSpec, from_unit, strict, to_unit
from sori.learn.nn.masks import length_mask
from sori.learn.nn.quantise import Codebook, Codes, perplexity

FRAMES_PER_CODE = 4


@dataclass(config=strict, frozen=True)
class MelCodesConfig:
    """Defaults are the published values."""

    mel: MelSpec = MEL_22_KHZ
    codes: int = 8192
    code_width: int = 512
    width: int = 512  # after the first halving of the rate; twice that after the second
    blocks: int = 3
    decay: float = 0.99
    commitment_weight: float = 0.25


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class MelCodesBatch:
    mel: Mel


class Residual(nn.Module):
    """Two convolutions over three frames and one over one, added to their input."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv1d(width, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, padding=1)
        self.leave = nn.Conv1d(width, width, 1)

    def forward(self, x: Frames, keep: Float[Tensor, "B 1 T"]) -> Frames:
        h = F.relu(self.first(x * keep)) * keep
        return x + self.leave(F.relu(self.second(h)))


class MelCodes(nn.Module):
    """Encoder, codebook and decoder. What lies behind an item's end reaches none of its codes."""

    def __init__(self, config: MelCodesConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        bins, narrow, wide = config.mel.bins, config.width, 2 * config.width
        self.downsample = nn.ModuleList([
            nn.Conv1d(a, b, 3, stride=2, padding=1) for a, b in ((bins, narrow), (narrow, wide))
        ])
        self.encoder = nn.ModuleList([Residual(wide) for _ in range(config.blocks)])
        self.to_code = nn.Conv1d(wide, config.code_width, 1)
        self.codebook = Codebook(config.codes, config.code_width, config.decay)
        self.from_code = nn.Conv1d(config.code_width, wide, 1)
        self.decoder = nn.ModuleList([Residual(wide) for _ in range(config.blocks)])
        self.upsample = nn.ModuleList([
            nn.Conv1d(a, b, 3, padding=1) for a, b in ((wide, wide), (wide, narrow))
        ])
        self.leave = nn.Conv1d(narrow, bins, 1)

    def vectors(self, mel: Mel, mel_len: Lengths) -> Float[Tensor, "B K D"]:
        """What is said in every four frames."""
        x, lengths = to_unit(mel), mel_len
        for conv in self.downsample:
            x = F.relu(conv(x * length_mask(lengths, x.shape[2])[:, None]))
            lengths = -(-lengths // 2)
        keep = length_mask(lengths, x.shape[2])[:, None].float()
        for block in self.encoder:
            x = block(x, keep)
        return self.to_code(x).transpose(1, 2)

    def encode(self, mel: Mel, mel_len: Lengths | None = None) -> Codes:
        """Codes of mels; `count` says how many of a padded item are its own."""
        if mel_len is None:
            mel_len = torch.full((mel.shape[0],), mel.shape[2], device=mel.device)
        return self.codebook.nearest(self.vectors(mel, mel_len))

    @staticmethod
    def count(frames: Lengths) -> Lengths:
        """How many codes so many frames become; the last may stand for fewer than four."""
        return -(-frames // FRAMES_PER_CODE)

    def decode_entries(self, entries: Float[Tensor, "B K D"], keep: Bool[Tensor, "B K"]) -> Mel:
        """Mels of entries of the codebook, four frames each."""
        x, weight = self.from_code(entries.transpose(1, 2)), keep[:, None].float()
        for block in self.decoder:
            x = block(x, weight)
        for conv in self.upsample:
            weight = weight.repeat_interleave(2, dim=2)
            x = F.relu(conv(x.repeat_interleave(2, dim=2) * weight))
        return from_unit(self.leave(x))

    def decode(self, codes: Codes) -> Mel:
        """Mels of codes, four frames each."""
        return self.decode_entries(self.codebook.table[codes], torch.ones_like(codes).bool())

    def forward(self, mel: Mel) -> Mel:
        """A mel as its codes tell it."""
        return self.decode(self.encode(mel))[:, :, : mel.shape[2]]


class MelCodesTask(nn.Module):
    """Squared error of scaled mels, and the commitment of the encoder to its codes (Eq. 3)."""

    def __init__(self, config: MelCodesConfig):
        super().__init__()
        self.config = config
        self.model = MelCodes(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: MelCodesBatch) -> Iterator[Update]:
        model, frames = self.model, batch.mel.shape[2]
        lengths = torch.full((len(batch.mel),), frames, device=batch.mel.device)
        vectors = model.vectors(batch.mel, lengths)
        keep = torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
        found = model.codebook(vectors, keep)
        made = model.decode_entries(found.entries, keep)[:, :, :frames]
        error = F.mse_loss(to_unit(made), to_unit(batch.mel))
        terms = {
            "mel": error,
            "commitment": found.commitment,
            "perplexity": perplexity(found.codes.flatten(), self.config.codes),
        }
        if self.training:
            model.codebook.follow(vectors.detach().flatten(0, 1), found.codes.flatten())
        yield Update("model", error + self.config.commitment_weight * found.commitment, terms)

    def show(self, batch: MelCodesBatch) -> Exhibit:
        """The first recording, and what its codes tell of it."""
        return Exhibit(mels={"recording": batch.mel[0], "decoded": self.model(batch.mel)[0]})


SPEC = Spec(
    paper="arXiv:1711.00937",
    config=MelCodesConfig,
    model=MelCodes,
    task=MelCodesTask,
    batch=MelCodesBatch,
    tiny=MelCodesConfig(
        mel=MelSpec(8000, 512, 512, 128, 40, 0.0, 4000.0), codes=8, code_width=4, width=8, blocks=1
    ),
    crop=True,
)
