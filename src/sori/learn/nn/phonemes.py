"""What reads phonemes, each beside the sup-phoneme that it lies in."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sori.learn.contracts import Ids
from sori.learn.nn.masks import as_weight
from sori.learn.nn.transformer import FFTBlock, Positions
from sori.text.supphonemes import SupPhonemes

Steps = Float[Tensor, "B N D"]
TokenMask = Bool[Tensor, "B N"]


@runtime_checkable
class ReaderConfig(Protocol):
    """Sizes of a `PhonemeReader`; `sup_phonemes` is how many merges it knows, 0 for none at all."""

    @property
    def symbols(self) -> str: ...
    @property
    def sup_phonemes(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def encoder_blocks(self) -> int: ...
    @property
    def filter_width(self) -> int: ...
    @property
    def filter_kernel(self) -> int: ...
    @property
    def dropout(self) -> float: ...


class PhonemeReader(nn.Module):
    """Transformer blocks over phonemes: what each means in its sentence.

    Source: Tan et al. 2022, "NaturalSpeech", "Phoneme encoder", arXiv:2205.04421; the second stream
    of Zhang et al. 2022, "Mixed-Phoneme BERT", section 2.2, arXiv:2203.17190.
    """

    def __init__(self, config: ReaderConfig):
        super().__init__()
        width = config.width
        self.symbols = config.symbols
        self.cutter = SupPhonemes(config.sup_phonemes) if config.sup_phonemes else None
        self.embed = nn.Embedding(len(config.symbols), width)
        self.embed_sup = nn.Embedding(len(self.cutter), width) if self.cutter else None
        self.positions = Positions(width)
        self.blocks = nn.ModuleList([
            FFTBlock(width, config.heads, config.filter_width, config.filter_kernel, config.dropout)
            for _ in range(config.encoder_blocks)
        ])

    def cut(self, ids: Ids) -> Ids:
        """The sup-phoneme of every phoneme, each as often as it has phonemes."""
        if self.cutter is None:
            return torch.zeros_like(ids)
        rows = ["".join(self.symbols[i] for i in row) for row in ids.tolist()]
        return torch.tensor([self.cutter.ids(row) for row in rows], device=ids.device)

    def forward(self, ids: Ids, sup_ids: Ids, mask: TokenMask) -> Steps:
        x = self.embed(ids) + self.positions(ids.shape[1])
        if self.embed_sup is not None:
            x = x + self.embed_sup(sup_ids)
        x = x * as_weight(mask)
        for block in self.blocks:
            x = block(x, mask)
        return x
