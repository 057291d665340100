"""Batches as a function of the step: the same step gives the same batch, so a run can resume."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from sori.core.errors import SoriError
from sori.learn.data.cache import Cache, Entry
from sori.learn.data.corpora import is_held_out

Item = tuple[Cache, Entry]
T = TypeVar("T")
HEARD_SECONDS = 1.5  # of the example for vocoders, some of which make a thousand samples a second
SEEN_SECONDS = 6.0  # of the example for acoustic models


class Part(NamedTuple):
    """One of `count` parts that a batch is dealt into, item by item; the default is all of it."""

    number: int = 0
    count: int = 1

    def of(self, items: Sequence[T]) -> list[T]:
        """The items of this part. A part without any gets the first, with which it weighs nothing:
        every process must have something to work on."""
        return list(items[self.number :: self.count]) or list(items[:1])

    def share(self, sizes: Sequence[int]) -> float:
        """How much of a batch lies in this part, from 0 to 1, by the sizes of its items."""
        return sum(sizes[self.number :: self.count]) / sum(sizes)


WHOLE = Part()


@runtime_checkable
class Batches(Protocol):
    """Batches by the number of a step. The same step has the same items, in any number of parts."""

    @property
    def per_pass(self) -> int:
        """How many batches show about everything once."""
        ...

    def at(self, step: int, part: Part = WHOLE) -> Any: ...

    def share(self, step: int, part: Part) -> float: ...

    def names(self, step: int) -> list[str]: ...

    def example(self) -> Any:
        """A batch of one item, long enough for a person to look at and to hear."""
        ...


def select(caches: Sequence[Cache], held_out: bool, speakers: Sequence[str] = ()) -> list[Item]:
    """Entries of the caches that belong to the training or to the held-out part."""
    return [
        (cache, entry)
        for cache in caches
        for entry in cache.entries
        if is_held_out(entry.text) == held_out and (not speakers or entry.speaker in speakers)
    ]


class Crops:
    """Random crops of equal length, every second of a speaker as likely as any other.

    Args (of the constructor):
        speakers: names; the index is the speaker's id, and whoever is not named is the first.
    """

    def __init__(
        self,
        items: Sequence[Item],
        batch: type,
        frames: int,
        size: int,
        seed: int,
        speakers: Sequence[str] = (),
    ):
        self.items = [(c, e) for c, e in items if e.frames >= frames]
        if not self.items:
            raise SoriError(f"no utterance is as long as a crop of {frames} frames")
        self.batch, self.frames, self.size, self.seed = batch, frames, size, seed
        self.speakers = {name: index for index, name in enumerate(speakers)}
        self.weigh(0.0)

    def weigh(self, evenness: float) -> None:
        """Make speakers as frequent as their seconds (0), equally frequent (1), or in between."""
        totals: dict[str, float] = {}
        for _, entry in self.items:
            totals[entry.speaker] = totals.get(entry.speaker, 0.0) + entry.frames
        weights = np.array([e.frames * totals[e.speaker] ** -evenness for _, e in self.items])
        self.chances = weights / weights.sum()

    @property
    def per_pass(self) -> int:
        """How many batches have as many frames as all items together."""
        return -(-sum(e.frames for _, e in self.items) // (self.size * self.frames))

    def chosen(self, step: int) -> list[tuple[Item, int]]:
        """The items of a step, each with the frame that its crop begins at."""
        random = np.random.default_rng((self.seed, step))
        items = [self.items[i] for i in random.choice(len(self.items), self.size, p=self.chances)]
        return [(item, int(random.integers(item[1].frames - self.frames + 1))) for item in items]

    def at(self, step: int, part: Part = WHOLE) -> Any:
        """The batch of a step."""
        return self.cut(part.of(self.chosen(step)), self.frames)

    def share(self, step: int, part: Part) -> float:
        """How many of the step's crops lie in the part."""
        return part.share([1] * self.size)

    def names(self, step: int) -> list[str]:
        """The utterances that the crops of a step are cut from."""
        return [entry.name for (_, entry), _ in self.chosen(step)]

    def example(self) -> Any:
        """The beginning of the first utterance."""
        cache, entry = self.items[0]
        return self.cut([((cache, entry), 0)], min(entry.frames, cache.frames_in(HEARD_SECONDS)))

    def cut(self, places: Sequence[tuple[Item, int]], frames: int) -> Any:
        """Crops of so many frames from these places, as a batch."""
        columns: dict[str, list[Tensor]] = {f.name: [] for f in fields(self.batch)}
        for (cache, entry), first in places:
            for name, column in columns.items():
                column.append(
                    torch.tensor(self.speakers.get(entry.speaker, 0))
                    if name == "speaker"
                    else crop(cache, entry, name, first, frames)
                )
        return self.batch(**{name: torch.stack(column) for name, column in columns.items()})


def crop(cache: Cache, entry: Entry, name: str, first: int, frames: int) -> Tensor:
    """One feature of part of an utterance: a wave by samples, a mel as (M, T), others as (T,)."""
    if name == "wave":
        return torch.from_numpy(cache.wave(entry, first, frames))
    part = torch.from_numpy(cache.frames(name, entry, first, frames).copy())
    return part.T if name == "mel" else part


class Sentences:
    """Whole sentences of like length, padded; every epoch sees each of them once.

    Args (of the constructor):
        symbols: the inventory; the index of a letter is its id, and index 0 is silence.
        speakers: names; the index is the speaker's id.
        batch_frames: most padded frames of a batch.
    """

    def __init__(
        self,
        items: Sequence[Item],
        batch: type,
        symbols: str,
        speakers: Sequence[str],
        batch_frames: int,
        seed: int,
    ):
        self.items = [(c, e) for c, e in items if e.phonemes is not None]
        if not self.items:
            raise SoriError("no utterance has phonemes; run `sori corpus align` first")
        self.batch, self.seed, self.batch_frames = batch, seed, batch_frames
        self.ids = {letter: index for index, letter in enumerate(symbols)}
        self.speakers = {name: index for index, name in enumerate(speakers)}
        self.epochs: list[list[list[int]]] = []

    def plan(self, epoch: int) -> list[list[int]]:
        """Batches of an epoch as lists of item numbers: neighbours in length, order shuffled."""
        random = np.random.default_rng((self.seed, epoch))
        frames = np.array([e.frames for _, e in self.items])
        # A little noise on the lengths, so that the same sentences do not always meet.
        order = np.argsort(frames * random.uniform(0.9, 1.1, len(frames)))
        batches, current, longest = [], [], 0
        for index in order:
            longest = max(longest, frames[index])
            if current and longest * (len(current) + 1) > self.batch_frames:
                batches.append(current)
                current, longest = [], frames[index]
            current.append(int(index))
        batches.append(current)
        random.shuffle(batches)
        return batches

    @property
    def per_pass(self) -> int:
        """Batches of the first epoch; the others have about as many."""
        return len(self.plan(0))

    def chosen(self, step: int) -> list[Item]:
        """The items of a step."""
        epoch = 0
        while True:
            if epoch == len(self.epochs):
                self.epochs.append(self.plan(epoch))
            if step < len(self.epochs[epoch]):
                return [self.items[i] for i in self.epochs[epoch][step]]
            step -= len(self.epochs[epoch])
            epoch += 1

    def at(self, step: int, part: Part = WHOLE) -> Any:
        """The batch of a step."""
        return self.collate(part.of(self.chosen(step)))

    def share(self, step: int, part: Part) -> float:
        """How much of the step's frames lies in the part."""
        return part.share([entry.frames for _, entry in self.chosen(step)])

    def names(self, step: int) -> list[str]:
        """The utterances of a step."""
        return [entry.name for _, entry in self.chosen(step)]

    def example(self) -> Any:
        """The longest utterance that is not too long."""
        cache = self.items[0][0]
        limit = cache.frames_in(SEEN_SECONDS)
        fitting = [item for item in self.items if item[1].frames <= limit] or self.items[:1]
        return self.collate([max(fitting, key=lambda item: item[1].frames)])

    def collate(self, items: Sequence[Item]) -> Any:
        """Pad the features that the batch class names; field `x_len` holds the lengths of `x`."""
        rows = [self.row(cache, entry) for cache, entry in items]
        columns = {f.name: pad([row[f.name] for row in rows]) for f in fields(self.batch)}
        return self.batch(**columns)

    def row(self, cache: Cache, entry: Entry) -> dict[str, Tensor]:
        """All features of one utterance; `durations` are zero where they are not known."""
        ids = [0, *(self.ids[letter] for letter in entry.phonemes or ""), 0]
        durations = entry.durations or (0,) * len(ids)
        frames = sum(durations) or entry.frames // 2 * 2
        wanted = [f.name for f in fields(self.batch) if f.name in ("mel", "wave", "f0", "energy")]
        row = {name: crop(cache, entry, name, 0, frames) for name in wanted}
        return row | {
            "ids": torch.tensor(ids),
            "ids_len": torch.tensor(len(ids)),
            "mel_len": torch.tensor(frames),
            "durations": torch.tensor(durations),
            "speaker": torch.tensor(self.speakers.get(entry.speaker, 0)),
        }


def pad(rows: Sequence[Tensor]) -> Tensor:
    """Stack tensors whose last axis differs in length, filling up with zeros."""
    size = max(row.shape[-1] if row.ndim else 0 for row in rows)
    if rows[0].ndim == 0:
        return torch.stack(list(rows))
    return torch.stack([torch.nn.functional.pad(r, (0, size - r.shape[-1])) for r in rows])
