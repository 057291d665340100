"""A learned monotonic aligner: which phoneme sounds at which frame.

Two small convolutional encoders, one of phonemes and one of mel frames, meet in a matrix of
distances. It learns from recordings with their phonemes alone, by the sum over all monotonic paths;
where a corpus brings exact durations it learns from those as well, and what it learns there carries
over to the others. Durations are then read off the best monotonic path.

Source: Badlani et al. 2021, "One TTS Alignment To Rule Them All", arXiv:2108.10447.
Deviation: the supervised term, and frames in units of `frames_per_unit`; no binarisation loss,
because the acoustic model only ever sees the best path.
"""

from collections.abc import Iterator
from dataclasses import field

import torch
from jaxtyping import Bool, Float, Int
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Durations, Exhibit, Ids, Lengths, Mel, Spec, Update
from sori.learn.losses import masked_mean
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.alignment import expand, forward_sum, search_monotonic
from sori.learn.nn.conv import ConvNeXtBlock
from sori.learn.nn.masks import as_weight, length_mask
from sori.text.phonemes import SYMBOLS


@dataclass(config=strict, frozen=True)
class AlignerConfig:
    """Sizes of the two encoders."""

    mel: MelSpec = field(default_factory=MelSpec)
    symbols: str = SYMBOLS
    width: int = 128
    text_blocks: int = 3
    mel_blocks: int = 4
    kernel: int = 5
    frames_per_unit: int = 2
    supervised_weight: float = 1.0


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class AlignerBatch:
    ids: Ids
    ids_len: Lengths
    mel: Mel
    mel_len: Lengths
    durations: Durations


class Encoder(nn.Module):
    """ConvNeXt blocks over a sequence (B, T, D)."""

    def __init__(self, width: int, blocks: int, kernel: int):
        super().__init__()
        self.blocks = nn.ModuleList([
            ConvNeXtBlock(width, 3 * width, kernel, 1 / blocks) for _ in range(blocks)
        ])
        self.norm = nn.LayerNorm(width)

    def forward(
        self, x: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        keep = as_weight(mask)
        for block in self.blocks:
            x = block(x, keep)
        return self.norm(x)


class Aligner(nn.Module):
    """Scores every phoneme at every unit of frames."""

    def __init__(self, config: AlignerConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.embed = nn.Embedding(len(config.symbols), config.width)
        self.read = Encoder(config.width, config.text_blocks, config.kernel)
        self.enter = nn.Linear(config.mel.bins * config.frames_per_unit, config.width)
        self.hear = Encoder(config.width, config.mel_blocks, config.kernel)
        self.sharpness = nn.Parameter(torch.tensor(0.0))

    def forward(self, batch: AlignerBatch) -> Float[Tensor, "B T N"]:
        """Log probability of each token at each unit of frames; padded tokens have almost none."""
        per_unit = self.config.frames_per_unit
        units = batch.mel.shape[2] // per_unit
        stacked = batch.mel[:, :, : units * per_unit].unflatten(2, (units, per_unit))
        frames = self.enter(stacked.permute(0, 2, 3, 1).flatten(2) / 4 + 1)
        text_mask = length_mask(batch.ids_len, batch.ids.shape[1])
        frame_mask = length_mask(batch.mel_len // per_unit, units)
        keys = self.read(self.embed(batch.ids), text_mask)
        queries = self.hear(frames, frame_mask)
        with torch.autocast(keys.device.type, enabled=False):
            distance = torch.cdist(queries.float(), keys.float()).square()
            scores = -distance * self.sharpness.exp() / self.config.width
            return scores.masked_fill(~text_mask[:, None], -1e4).log_softmax(dim=2)

    @torch.inference_mode()
    def align(self, batch: AlignerBatch) -> list[Int[Tensor, " N"]]:
        """Durations in mel frames of the tokens of every item."""
        log_probs = self(batch).transpose(1, 2).numpy()
        per_unit = self.config.frames_per_unit
        found = []
        for scores, tokens, frames in zip(log_probs, batch.ids_len, batch.mel_len, strict=True):
            durations = search_monotonic(scores[: int(tokens), : int(frames) // per_unit])
            found.append(torch.from_numpy(durations) * per_unit)
        return found


class AlignerTask(nn.Module):
    """All monotonic paths, and the known one where there is one."""

    def __init__(self, config: AlignerConfig):
        super().__init__()
        self.config = config
        self.model = Aligner(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: AlignerBatch) -> Iterator[Update]:
        log_probs = self.model(batch)
        units = batch.mel_len // self.config.frames_per_unit
        path = forward_sum(log_probs, batch.ids_len, units)
        owner, known = known_owners(batch, self.config.frames_per_unit, log_probs.shape[1])
        right = F.nll_loss(log_probs.transpose(1, 2), owner, reduction="none")
        supervised = masked_mean(right, known)
        loss = path + self.config.supervised_weight * supervised
        yield Update("model", loss, {"path": path, "supervised": supervised})

    def show(self, batch: AlignerBatch) -> Exhibit:
        """Which phoneme owns each frame of the first recording."""
        owned = self.model(batch)[0].exp().T
        frames = owned.repeat_interleave(self.config.frames_per_unit, dim=1)
        return Exhibit(mels={"recording": batch.mel[0]}, alignments={"aligner": frames})


def known_owners(
    batch: AlignerBatch, per_unit: int, units: int
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """The token of every unit of frames where durations are known, and whether they are."""
    durations = batch.durations // per_unit
    total = durations.sum(dim=1)
    known = length_mask(total, units)
    numbers = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    places = numbers[None, :, None].expand(len(batch.ids), -1, 1).float()
    owner = expand(places, durations)[:, :, 0].long() if int(total.max()) else known[:, :0].long()
    owner = F.pad(owner, (0, max(units - owner.shape[1], 0)))[:, :units]
    return owner, known


SPEC = Spec(
    paper="arXiv:2108.10447",
    config=AlignerConfig,
    model=Aligner,
    task=AlignerTask,
    batch=AlignerBatch,
    tiny=AlignerConfig(width=16, text_blocks=1, mel_blocks=1),
)
