"""Mixed-phoneme pre-training: a reader of phonemes learns from text without sound.

Some sup-phonemes are hidden together with all their phonemes; from what stands around, both
streams are told again. The reader then begins `naturalspeech`.

Sources: Zhang et al. 2022, "Mixed-Phoneme BERT", arXiv:2203.17190; Tan et al. 2022,
"NaturalSpeech", "Phoneme pre-training", arXiv:2205.04421; Devlin et al. 2019, "BERT", section 3.1,
arXiv:1810.04805, for what takes the place of what is hidden.
Deviations: 4,096 merges instead of 30,088 sup-phonemes, as learned from 1.7 million words instead
of 200 million sentences; silence stands for what is hidden, so that the reader needs no symbol that
no sentence has.
"""

from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Ids, Lengths, Scalar, Spec, Update
from sori.learn.mel import strict
from sori.learn.nn.masks import length_mask
from sori.learn.nn.phonemes import PhonemeReader
from sori.text.phonemes import SYMBOLS

Mask = Bool[Tensor, "B N"]
HIDDEN = 0  # the id of what stands for hidden phonemes, in both streams


@dataclass(config=strict, frozen=True)
class MixedPhonemeConfig:
    """Defaults are the paper's values but for `sup_phonemes`; sizes are those of `naturalspeech`.

    Args:
        mask_share: of the sup-phonemes, those that are to be told.
        hide_share, swap_share: of these, those that are hidden and those that others stand for;
            the rest stays as it is.
    """

    symbols: str = SYMBOLS
    sup_phonemes: int = 4096
    width: int = 192
    heads: int = 2
    encoder_blocks: int = 6
    filter_width: int = 768
    filter_kernel: int = 3
    dropout: float = 0.1
    mask_share: float = 0.15
    hide_share: float = 0.8
    swap_share: float = 0.1


@plain_dataclass(frozen=True)
class MixedPhonemeBatch:
    ids: Ids
    ids_len: Lengths


class Told(NamedTuple):
    """Scores of the symbols of both streams for every phoneme."""

    phonemes: Float[Tensor, "B N V"]
    sup_phonemes: Float[Tensor, "B N W"]


class Spoiled(NamedTuple):
    """What the reader sees of a batch, and where it is asked."""

    ids: Ids
    sup_ids: Ids
    asked: Mask


class MixedPhoneme(nn.Module):
    """A reader of phonemes, and what tells both streams from what it read."""

    def __init__(self, config: MixedPhonemeConfig):
        super().__init__()
        self.config = config
        self.reader = PhonemeReader(config)
        assert self.reader.cutter is not None, "there are sup-phonemes to learn"
        self.tell = nn.Linear(config.width, len(config.symbols))
        self.tell_sup = nn.Linear(config.width, len(self.reader.cutter))

    def forward(self, ids: Ids, sup_ids: Ids, mask: Mask) -> Told:
        read = self.reader(ids, sup_ids, mask)
        return Told(self.tell(read), self.tell_sup(read))


def pieces_of(sup_ids: Ids, lengths: Tensor) -> Ids:
    """Number the sup-phonemes of every item, so that phonemes of one have one number.

    Args:
        lengths: phonemes of the sup-phoneme of every id.
    """
    pieces = torch.zeros_like(sup_ids)
    for row, piece in zip(lengths[sup_ids].tolist(), pieces, strict=True):
        place, number = 0, 0
        while place < len(row):
            piece[place : place + row[place]] = number
            place, number = place + row[place], number + 1
    return pieces


class MixedPhonemeTask(nn.Module):
    """Cross-entropy of both streams where the reader is asked."""

    lengths: Tensor

    def __init__(self, config: MixedPhonemeConfig):
        super().__init__()
        self.config = config
        self.model = MixedPhoneme(config)
        cutter = self.model.reader.cutter
        assert cutter is not None
        lengths = torch.ones(len(cutter), dtype=torch.long)
        for spelling, index in cutter.ids_of.items():
            lengths[index] = len(spelling)
        self.register_buffer("lengths", lengths, persistent=False)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def spoil(self, ids: Ids, sup_ids: Ids, mask: Mask) -> Spoiled:
        """Choose sup-phonemes to ask for; hide most with all their phonemes, swap some for others.

        A sup-phoneme that is swapped takes the ids of another place of the batch, phoneme by
        phoneme.
        """
        config, pieces = self.config, pieces_of(sup_ids, self.lengths)
        chance, fate = (torch.rand(ids.shape, device=ids.device).gather(1, pieces) for _ in "ab")
        asked = (chance < config.mask_share) & mask & (ids > 0)
        hidden = asked & (fate < config.hide_share)
        swapped = asked & ~hidden & (fate < config.hide_share + config.swap_share)
        others = torch.randint(int(mask.sum()), ids.shape, device=ids.device)
        seen = [
            torch.where(swapped, stream[mask][others], stream).masked_fill(hidden, HIDDEN)
            for stream in (ids, sup_ids)
        ]
        return Spoiled(seen[0], seen[1], asked)

    def training_step(self, batch: MixedPhonemeBatch) -> Iterator[Update]:
        mask = length_mask(batch.ids_len, batch.ids.shape[1])
        sup_ids = self.model.reader.cut(batch.ids)
        spoiled = self.spoil(batch.ids, sup_ids, mask)
        read = self.model.reader(spoiled.ids, spoiled.sup_ids, mask)[spoiled.asked]
        streams = {
            "phonemes": (self.model.tell(read), batch.ids[spoiled.asked]),
            "sup_phonemes": (self.model.tell_sup(read), sup_ids[spoiled.asked]),
        }
        losses = {name: cross_entropy(*stream) for name, stream in streams.items()}
        right = {
            f"{name}_right": (scores.argmax(dim=1) == truth).float().sum() / max(len(truth), 1)
            for name, (scores, truth) in streams.items()
        }
        nll = torch.stack(list(losses.values())).sum()
        yield Update("model", nll, {"nll": nll} | losses | right)


def cross_entropy(scores: Float[Tensor, "P V"], truth: Tensor) -> Scalar:
    """Mean over what was asked, in nats; 0 where nothing was."""
    return F.cross_entropy(scores.float(), truth, reduction="sum") / max(len(truth), 1)


SPEC = Spec(
    paper="arXiv:2203.17190",
    config=MixedPhonemeConfig,
    model=MixedPhoneme,
    task=MixedPhonemeTask,
    batch=MixedPhonemeBatch,
    tiny=MixedPhonemeConfig(
        sup_phonemes=64, width=16, encoder_blocks=1, filter_width=32, mask_share=0.4
    ),
)
