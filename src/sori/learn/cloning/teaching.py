"""What a smaller network learns from the whole one: sentences that nobody recorded.

Eight recordings hold few of the sounds of a language in few places. The whole network, once it
speaks as the new person, says as many sentences as are wanted, and the pruned one learns from both.

Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
Deviation from the pruning paper, which learns from the recordings alone: without it our pruned
network forgets what the recordings do not hold (docs/cloning.md).
"""

import copy
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import AcousticBatch, Update
from sori.learn.data.batches import pad
from sori.learn.models.fastspeech2_conv import (
    ENERGY_CENTRE,
    PITCH_CENTRE,
    ConvFastSpeech2,
)
from sori.learn.models.source_filter import SourceFilter, SourceFilterBatch
from sori.text.frontend import FrontEnd

SENTENCES = "sentences.txt"
SILENCE = 0  # the id of it
RECORDED_EVERY = 4  # so manieth lesson is a recording; more often, they are learned by heart
MIDDLE = (0.3, 0.7)  # shares of a sentence between which it is cut to be joined to another
HARD_TO_HEAR = 4.0  # natural log under the loudest bin, from where the phase does not matter


def sentence_ids(symbols: str, accent: str, count: int) -> list[Tensor]:
    """Ids of so many sentences: of the list that comes with the package, and where it ends, of the
    beginning of one and the end of another, which meet sounds that neither holds together."""
    text = files("sori.learn.cloning").joinpath(SENTENCES).read_text(encoding="utf-8")
    front_end = FrontEnd(accent)
    ids = {letter: number for number, letter in enumerate(symbols)}
    rows = []
    for line in text.splitlines()[:count]:
        phonemes = " ".join(s.phonemes for s in front_end.sentences(line))
        known = [ids[letter] for letter in phonemes if letter in ids]
        rows.append(torch.tensor([SILENCE, *known, SILENCE]))
    random, space = np.random.default_rng(0), ids[" "]
    for one, other in random.integers(len(rows), size=(max(count - len(rows), 0), 2)):
        start, end = rows[one], rows[other]
        first = start[: middle(start, space, random)]
        rows.append(torch.cat([first, end[middle(end, space, random) :]]))
    return rows


def middle(row: Tensor, space: int, random: np.random.Generator) -> int:
    """The place of a space in the middle of a sentence, or half way where there is none."""
    places = (row == space).nonzero()[:, 0] / len(row)
    near = places[(places >= MIDDLE[0]) & (places <= MIDDLE[1])]
    return round(float(random.choice(near)) * len(row)) if len(near) else len(row) // 2


@torch.no_grad()
def imagine(teacher: ConvFastSpeech2, ids: Tensor) -> dict[str, Tensor]:
    """One sentence as the teacher says it: the features of a recording that was never made."""
    speaker = torch.ones(1, 1)
    text = teacher.encode(ids[None], speaker, None)
    units = (teacher.log_durations(text, None).exp() - 1).round().clamp(min=1).long()
    laid = teacher.lay_out(text, units)
    said = teacher.predict_prosody(laid, None)
    voiced = (said.voiced > 0).float()
    mel = teacher.decode(laid, said._replace(voiced=voiced), None)
    durations = units[0] * teacher.config.frames_per_unit
    return {
        "ids": ids,
        "ids_len": torch.tensor(len(ids)),
        "mel": mel[0],
        "mel_len": durations.sum(),
        "durations": durations,
        "f0": ((said.pitch + PITCH_CENTRE).exp() * voiced)[0],
        "energy": said.energy[0] + ENERGY_CENTRE,
        "speaker": torch.tensor(0),
    }


def batch_of(rows: Sequence[dict[str, Tensor]]) -> AcousticBatch:
    return AcousticBatch(**{name: pad([row[name] for row in rows]) for name in rows[0]})


class Lessons:
    """Batches in turns: recordings, then sentences of the teacher."""

    def __init__(self, recorded: Any, imagined: Sequence[dict[str, Tensor]], size: int):
        self.recorded = recorded
        self.imagined = imagined
        self.size = size

    def at(self, step: int) -> AcousticBatch:
        """The batch of a step."""
        if not self.imagined:
            return self.recorded(step)
        if step % RECORDED_EVERY:
            return self.taught(step)
        return self.recorded(step // RECORDED_EVERY)

    def taught(self, step: int) -> AcousticBatch:
        """A batch of the teacher's sentences."""
        chosen = np.random.default_rng(step).choice(len(self.imagined), self.size)
        return batch_of([self.imagined[number] for number in chosen])


class MelCrops:
    """Crops of mels and F0 for a vocoder that learns from another one; it needs no waves."""

    def __init__(self, rows: Sequence[dict[str, Tensor]], frames: int, size: int):
        self.rows = [row for row in rows if row["mel"].shape[1] >= frames]
        self.frames = frames
        self.size = size

    def at(self, step: int) -> SourceFilterBatch:
        """The batch of a step."""
        random = np.random.default_rng((1, step))
        mels, pitches = [], []
        for number in random.integers(len(self.rows), size=self.size):
            row = self.rows[number]
            first = int(random.integers(row["mel"].shape[1] - self.frames + 1))
            mels.append(row["mel"][:, first : first + self.frames])
            pitches.append(row["f0"][first : first + self.frames])
        f0 = torch.stack(pitches)
        return SourceFilterBatch(
            torch.stack(mels), f0, torch.zeros_like(f0), torch.zeros(self.size, 1)
        )


class EchoTask(nn.Module):
    """A vocoder learns to give the filters that another one gives: L1 on log magnitudes, and the
    distance of phases on the unit circle where there is something to hear."""

    def __init__(self, teacher: SourceFilter):
        super().__init__()
        self.teacher = [copy.deepcopy(teacher).eval().requires_grad_(False)]  # not one of the parts
        self.generator = teacher

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def training_step(self, batch: SourceFilterBatch) -> Iterator[Update]:
        with torch.no_grad():
            wanted = self.teacher[0].filters(batch.mel, batch.f0)
        found = self.generator.filters(batch.mel, batch.f0)
        loud = wanted.harmonic.amax(dim=2, keepdim=True) - HARD_TO_HEAR
        heard = torch.sigmoid(wanted.harmonic - loud)
        terms = {
            "harmonic": F.l1_loss(found.harmonic, wanted.harmonic),
            "noise": F.l1_loss(found.noise, wanted.noise),
            "phase": (heard * (1 - torch.cos(found.phase - wanted.phase))).mean(),
        }
        yield Update("generator", torch.stack(list(terms.values())).sum(), terms)
