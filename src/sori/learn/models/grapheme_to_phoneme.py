"""Reads unknown words: letters in, phonemes with stress out, for two accents.

Attention and convolution work on the letters; every letter then proposes up to three symbols at
once, and connectionist temporal classification decides which of the slots stay silent. One pass,
no search and no state, so an unknown word costs a millisecond.

    P(phonemes | letters) = sum over alignments of prod_i softmax(W_s h_i),  i letter, s slot

Sources: Graves et al. 2006, "Connectionist Temporal Classification", ICML; Gulati et al. 2020,
"Conformer", arXiv:2005.08100 (attention and depthwise convolution in one block).
Deviation: three slots per letter stand for upsampled letters, which keeps the network at the rate
of the letters; blocks are pre-norm with one feed-forward layer instead of two halves.
"""

from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sori.learn.contracts import Lengths, Spec, Update
from sori.learn.mel import strict
from sori.learn.nn.attention import DistanceAttention
from sori.learn.nn.masks import as_weight, length_mask

Letters = Int[Tensor, "B N"]
Accents = Int[Tensor, " B"]
Phonemes = Int[Tensor, "B P"]
Slots = Float[Tensor, "B L V"]  # L = slots * N
Sequence = Float[Tensor, "B N D"]

BLANK = 0


@dataclass(config=strict, frozen=True)
class GraphemeToPhonemeConfig:
    """Sizes of the network, and the alphabets on both sides; id 0 is padding and blank."""

    letters: str = "_abcdefghijklmnopqrstuvwxyz'"
    symbols: str = "_AIOQTWYabdfhijklmnopstuvwzæðŋɑɒɔəɛɜɡɪɹʃʊʌʒʤʧˈˌθᵻ"
    accents: tuple[str, ...] = ("us", "gb")
    width: int = 112
    hidden: int = 256
    heads: int = 4
    blocks: int = 4
    kernel: int = 7
    slots: int = 3
    dropout: float = 0.05


@plain_dataclass(frozen=True)
class GraphemeToPhonemeBatch:
    letters: Letters
    letters_len: Lengths
    accent: Accents
    phonemes: Phonemes
    phonemes_len: Lengths


class GraphemeToPhoneme(nn.Module):
    """Scores the symbols of every slot of every letter."""

    def __init__(self, config: GraphemeToPhonemeConfig):
        super().__init__()
        self.slots = config.slots
        self.letter = nn.Embedding(len(config.letters), config.width)
        self.accent = nn.Embedding(len(config.accents), config.width)
        self.blocks = nn.ModuleList(ReadingBlock(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.leave = nn.Linear(config.width, config.slots * len(config.symbols))

    def forward(self, letters: Letters, letters_len: Lengths, accent: Accents) -> Slots:
        return self.score(letters, accent, as_weight(length_mask(letters_len, letters.shape[1])))

    def score(self, letters: Letters, accent: Accents, mask: Float[Tensor, "B N 1"]) -> Slots:
        """Score letters of which the mask says which are there."""
        x = (self.letter(letters) + self.accent(accent)[:, None]) * mask
        for block in self.blocks:
            x = block(x, mask)
        scores = self.leave(self.norm(x))
        return scores.unflatten(2, (self.slots, -1)).flatten(1, 2).log_softmax(dim=2)


class ReadingBlock(nn.Module):
    """Looks at all letters, then at the neighbours, then thinks."""

    def __init__(self, config: GraphemeToPhonemeConfig):
        super().__init__()
        width = config.width
        self.attention = DistanceAttention(width, config.heads)
        self.near = nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2, groups=width)
        self.think = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Sequence, mask: Float[Tensor, "B N 1"]) -> Sequence:
        x = x + self.attention(self.norms[0](x), mask[:, :, 0] > 0)
        x = x + self.near((self.norms[1](x) * mask).transpose(1, 2)).transpose(1, 2)
        return x + self.think(self.norms[2](x))


class GraphemeToPhonemeTask(nn.Module):
    """Maximises the likelihood of the dictionary's reading, summed over alignments."""

    def __init__(self, config: GraphemeToPhonemeConfig):
        super().__init__()
        self.model = GraphemeToPhoneme(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: GraphemeToPhonemeBatch) -> Iterator[Update]:
        scores = self.model(batch.letters, batch.letters_len, batch.accent)
        loss = F.ctc_loss(
            scores.float().transpose(0, 1),
            batch.phonemes,
            batch.letters_len * self.model.slots,
            batch.phonemes_len,
            blank=BLANK,
            zero_infinity=True,  # a reading longer than its slots teaches nothing
        )
        yield Update("model", loss, {"ctc": loss})


SPEC = Spec(
    paper="ours; CTC as in Graves et al. 2006",
    config=GraphemeToPhonemeConfig,
    model=GraphemeToPhoneme,
    task=GraphemeToPhonemeTask,
    batch=GraphemeToPhonemeBatch,
    tiny=GraphemeToPhonemeConfig(width=16, hidden=16, heads=2, blocks=1),
)
