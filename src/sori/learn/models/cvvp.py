"""CVVP: says how well speech codes fit a voice, to choose among candidates.

As CLVP, with a recording in place of the text.

Source: Betker 2023, "Better speech synthesis through scaling" (TorToise), arXiv:2305.07243; layers
and sizes are those of the author's program.
Deviation: learns from codes and from another stretch of the same recording.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Lengths, Mel, Spec, Update
from sori.learn.mel import MEL_22_KHZ, MelSpec, strict, to_unit
from sori.learn.nn.attention import FrameAttention
from sori.learn.nn.contrast import Block, contrastive_terms
from sori.learn.nn.quantise import Codes, require_tokeniser

Places = Float[Tensor, "B D"]


@dataclass(config=strict, frozen=True)
class CVVPConfig:
    """Defaults are those of the published weights."""

    mel: MelSpec = MEL_22_KHZ
    codes: int = 8192
    width: int = 512
    heads: int = 8
    blocks: int = 8
    dropout: float = 0.1


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class CVVPBatch:
    mel: Mel


class Encoder(nn.Module):
    """A sequence to a place on the unit sphere."""

    def __init__(self, config: CVVPConfig):
        super().__init__()
        width = config.width
        self.blocks = nn.ModuleList([
            Block(width, config.heads, config.dropout, 1) for _ in range(config.blocks)
        ])
        self.norm = nn.LayerNorm(width)
        self.combine = nn.Sequential(
            nn.Conv1d(width, width, 1),
            FrameAttention(width, config.heads),
            nn.Conv1d(width, width, 1),
        )
        self.leave = nn.Linear(width, width, bias=False)

    def forward(self, x: Float[Tensor, "B L D"]) -> Places:
        x = x.to(self.norm.weight.dtype)  # norms want one precision, and convolutions give another
        mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        for block in self.blocks:
            x = block(x, mask)
        mean = self.combine(self.norm(x).transpose(1, 2)).mean(dim=2)
        return F.normalize(self.leave(mean).float(), dim=1)


class CVVP(nn.Module):
    """An encoder for recordings, one for codes, and how sharply their nearness is judged."""

    def __init__(self, config: CVVPConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        bins, width = config.mel.bins, config.width
        self.enter = nn.Sequential(
            nn.Conv1d(bins, width // 2, 5, stride=2, padding=2),
            nn.Conv1d(width // 2, width, 3, stride=2, padding=1),
        )
        self.voice = Encoder(config)
        self.table = nn.Embedding(config.codes, width)
        self.speech = Encoder(config)
        self.sharpness = nn.Parameter(torch.tensor(1.0))

    def hear(self, mel: Mel) -> Places:
        """Where voices lie, from log-mels."""
        return self.voice(self.enter(to_unit(mel)).transpose(1, 2))

    def forward(self, mel: Mel, codes: Codes) -> Float[Tensor, "B B"]:
        """How well every voice (row) fits every speech (column), all of one length."""
        return self.sharpness.exp() * self.hear(mel) @ self.speech(self.table(codes)).T

    def score(
        self, mel: Float[Tensor, "1 M T"], codes: Codes, codes_len: Lengths
    ) -> Float[Tensor, " B"]:
        """How well each candidate fits one voice; those of one length in one batch.

        Args:
            codes: what stands behind the end of a candidate may be any number.
        """
        voice = self.hear(mel.to(self.table.weight.dtype))[0]
        lengths = codes_len.clamp(min=1)
        scores = voice.new_zeros(len(codes))
        for size in lengths.unique().tolist():
            rows = lengths == size
            known = codes[rows, :size].clamp(max=self.config.codes - 1)
            scores[rows] = self.speech(self.table(known)) @ voice
        return self.sharpness.exp() * scores


class CVVPTask(nn.Module):
    """The contrastive loss between the first half of each crop and the codes of the second.

    Args (of the constructor):
        tokeniser: a trained `mel_codes`, which turns recordings into codes.
    """

    def __init__(self, config: CVVPConfig, tokeniser: Any):
        super().__init__()
        require_tokeniser(config, tokeniser)
        self.config = config
        self.model = CVVP(config)
        self.tokeniser = tokeniser

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: CVVPBatch) -> Iterator[Update]:
        heard, said = batch.mel.chunk(2, dim=2)
        with torch.no_grad():
            codes = self.tokeniser.encode(said)
        terms = contrastive_terms(self.model(heard, codes))
        yield Update("model", terms["nll"], terms)


SPEC = Spec(
    paper="arXiv:2305.07243",
    config=CVVPConfig,
    model=CVVP,
    task=CVVPTask,
    batch=CVVPBatch,
    tiny=CVVPConfig(
        mel=MelSpec(8000, 512, 512, 128, 40, 0.0, 4000.0),
        codes=8,
        width=16,
        heads=2,
        blocks=2,
        dropout=0.0,
    ),
    frozen={"tokeniser": "mel_codes"},
    crop=True,
)
