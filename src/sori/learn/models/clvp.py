"""CLVP: says how well speech codes fit a text, to choose among candidates.

Two transformers bring text and codes into one space, where what belongs together lies close.

Sources: Betker 2023, "Better speech synthesis through scaling" (TorToise), section 4.2,
arXiv:2305.07243; loss from Radford et al. 2021, "CLIP", section 2.3, arXiv:2103.00020.
Deviations: text is phonemes, not byte pairs; what lies behind an item's end is hidden, where the
program fills up with silence.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Ids, Lengths, Mel, Spec, Update
from sori.learn.mel import MEL_22_KHZ, MelSpec, strict
from sori.learn.nn.contrast import Block, contrastive_terms
from sori.learn.nn.masks import as_weight, length_mask
from sori.learn.nn.quantise import Codes, require_tokeniser
from sori.text.phonemes import SYMBOLS

Tokens = Int[Tensor, "B L"]
Mask = Bool[Tensor, "B L"]
Places = Float[Tensor, "B D"]


@dataclass(config=strict, frozen=True)
class CLVPConfig:
    """Defaults are those of the published weights.

    Args:
        hidden_share: of the tokens of either side, not shown in training.
    """

    mel: MelSpec = MEL_22_KHZ
    symbols: str = SYMBOLS
    codes: int = 8192
    width: int = 768
    heads: int = 12
    blocks: int = 20
    dropout: float = 0.1
    hidden_share: float = 0.1


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class CLVPBatch:
    ids: Ids
    ids_len: Lengths
    mel: Mel
    mel_len: Lengths


class Encoder(nn.Module):
    """Tokens to a place on the unit sphere: the mean over what the blocks make of them."""

    def __init__(self, config: CLVPConfig, tokens: int):
        super().__init__()
        self.hidden_share = config.hidden_share
        self.table = nn.Embedding(tokens, config.width)
        self.blocks = nn.ModuleList([
            Block(config.width, config.heads, config.dropout, 2) for _ in range(config.blocks)
        ])
        self.norm = nn.LayerNorm(config.width)
        self.leave = nn.Linear(config.width, config.width, bias=False)

    def forward(self, tokens: Tokens, lengths: Lengths) -> Places:
        mask = length_mask(lengths, tokens.shape[1])
        if self.training and self.hidden_share:
            mask = self.thinned(mask)
        x = self.table(tokens)
        for block in self.blocks:
            x = block(x, mask)
        weight = as_weight(mask)
        mean = (self.norm(x) * weight).sum(dim=1) / weight.sum(dim=1)
        return F.normalize(self.leave(mean.to(x.dtype)).float(), dim=1)

    def thinned(self, mask: Mask) -> Mask:
        """The mask without a random share of its tokens, but with the first."""
        shown = torch.rand(mask.shape, device=mask.device) >= self.hidden_share
        shown[:, 0] = True
        return mask & shown


class CLVP(nn.Module):
    """An encoder for text, one for codes, and how sharply their nearness is judged."""

    def __init__(self, config: CLVPConfig):
        super().__init__()
        self.config = config
        self.text = Encoder(config, len(config.symbols) + 1)
        self.speech = Encoder(config, config.codes)
        self.sharpness = nn.Parameter(torch.tensor(1.0))

    def forward(
        self, ids: Ids, ids_len: Lengths, codes: Codes, codes_len: Lengths
    ) -> Float[Tensor, "B B"]:
        """How well every text (row) fits every speech (column)."""
        text, speech = self.text(ids, ids_len), self.speech(codes, codes_len)
        return self.sharpness.exp() * text @ speech.T

    def score(
        self, ids: Int[Tensor, "1 N"], codes: Codes, codes_len: Lengths
    ) -> Float[Tensor, " B"]:
        """How well each candidate fits one text; all in one batch, the text once.

        Args:
            codes: what stands behind the end of a candidate may be any number.
        """
        lengths = torch.full((1,), ids.shape[1], device=ids.device)
        known = codes.clamp(max=self.config.codes - 1)
        speech = self.speech(known, codes_len.clamp(min=1))
        return self.sharpness.exp() * speech @ self.text(ids, lengths)[0]


class CLVPTask(nn.Module):
    """The contrastive loss among the items of a batch.

    Args (of the constructor):
        tokeniser: a trained `mel_codes`, which turns recordings into codes.
    """

    def __init__(self, config: CLVPConfig, tokeniser: Any):
        super().__init__()
        require_tokeniser(config, tokeniser)
        self.config = config
        self.model = CLVP(config)
        self.tokeniser = tokeniser

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: CLVPBatch) -> Iterator[Update]:
        with torch.no_grad():
            codes = self.tokeniser.encode(batch.mel, batch.mel_len)
        codes_len = self.tokeniser.count(batch.mel_len)
        terms = contrastive_terms(self.model(batch.ids, batch.ids_len, codes, codes_len))
        yield Update("model", terms["nll"], terms)


SPEC = Spec(
    paper="arXiv:2305.07243",
    config=CLVPConfig,
    model=CLVP,
    task=CLVPTask,
    batch=CLVPBatch,
    tiny=CLVPConfig(
        mel=MelSpec(8000, 512, 512, 128, 40, 0.0, 4000.0),
        codes=8,
        width=16,
        heads=2,
        blocks=2,
        dropout=0.0,
        hidden_share=0.0,
    ),
    frozen={"tokeniser": "mel_codes"},
)
