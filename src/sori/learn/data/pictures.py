"""Small quantised pictures for densities: digits, made-up echoes, and patches of spectrograms."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from sori.core.errors import SoriError
from sori.learn.data.batches import WHOLE, Item, Part, select
from sori.learn.data.cache import Cache

Grey = UInt8[np.ndarray, "N 1 H W"]

DIGIT_LEVELS, DIGITS_HELD_OUT = 17, 5  # one digit in so many is never trained on
ECHO_SIDE, ECHO_MISSED = 16, 0.05
BANDS, FRAMES = 16, 16  # of a patch
BINS_PER_BAND, FRAMES_PER_COLUMN = 5, 2  # means of so many bins and frames
QUIETEST, LOUDEST = -11.5, 2.0  # log mels of speech


class Pictures:
    """Batches of pictures; every pass shows each of them once, in an order of its own."""

    def __init__(self, pixels: Grey, batch: type, size: int, seed: int):
        if not len(pixels):
            raise SoriError("there are no pictures to learn from; give a corpus with speech in it")
        self.pixels = torch.from_numpy(pixels).long()
        self.batch, self.size, self.seed = batch, min(size, len(pixels)), seed

    @property
    def per_pass(self) -> int:
        """Whole batches that the pictures make."""
        return len(self.pixels) // self.size

    def chosen(self, step: int) -> list[int]:
        """The numbers of a step's pictures."""
        number, place = divmod(step, self.per_pass)
        order = np.random.default_rng((self.seed, number)).permutation(len(self.pixels))
        return order[place * self.size : (place + 1) * self.size].tolist()

    def at(self, step: int, part: Part = WHOLE) -> Any:
        """The batch of a step."""
        return self.batch(self.pixels[part.of(self.chosen(step))])

    def share(self, step: int, part: Part) -> float:
        """How many of the step's pictures lie in the part."""
        return part.share([1] * self.size)

    def names(self, step: int) -> list[str]:
        """The numbers of a step's pictures, as text."""
        return [f"picture {number}" for number in self.chosen(step)]

    def example(self) -> Any:
        """A batch of the first picture."""
        return self.batch(self.pixels[:1])


def digits(held_out: bool) -> Grey:
    """Handwritten digits of 8 x 8 pixels in 17 levels.

    Source: Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI, as bundled
    with scikit-learn.
    """
    from sklearn.datasets import load_digits  # not needed by any other training

    flat, _ = load_digits(return_X_y=True)
    images = np.asarray(flat, np.uint8).reshape(-1, 1, 8, 8)
    is_held_out = np.arange(len(images)) % DIGITS_HELD_OUT == 0
    return images[is_held_out == held_out]


def echoes(count: int, seed: int) -> Grey:
    """Black and white pictures in which a pixel repeats the one above, two to the right.

    One in twenty does not. Where the echo comes from is in the blind spot of masked 3 x 3
    convolutions at any depth, so they find one bit in every pixel where there is 0.29.
    """
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 2, (count, 1, ECHO_SIDE, ECHO_SIDE), np.uint8)
    for row in range(1, ECHO_SIDE):
        missed = random.random((count, 1, ECHO_SIDE - 2)) < ECHO_MISSED
        pixels[:, :, row, :-2] = pixels[:, :, row - 1, 2:] ^ missed
    return pixels


def coarse(mel: Float[np.ndarray, "T M"], levels: int) -> UInt8[np.ndarray, "H W"]:
    """A log mel as a picture in levels: bands are rows, time runs to the right."""
    columns, bands = len(mel) // FRAMES_PER_COLUMN, mel.shape[1] // BINS_PER_BAND
    blocks = mel[: columns * FRAMES_PER_COLUMN, : bands * BINS_PER_BAND].reshape(
        columns, FRAMES_PER_COLUMN, bands, BINS_PER_BAND
    )
    shares = (blocks.mean(axis=(1, 3)).T - QUIETEST) / (LOUDEST - QUIETEST)
    return np.clip(shares * levels, 0, levels - 1).astype(np.uint8)


def whole_mels(items: Sequence[Item], levels: int) -> list[UInt8[np.ndarray, "H _"]]:
    """Every utterance as one picture."""
    return [coarse(cache.frames("mel", entry, 0, entry.frames), levels) for cache, entry in items]


def patches(pictures: Sequence[UInt8[np.ndarray, "H _"]]) -> Grey:
    """Square patches side by side; what is left at an end is not used."""
    cut = [
        picture[:BANDS, start : start + FRAMES][None]
        for picture in pictures
        for start in range(0, picture.shape[1] - FRAMES + 1, FRAMES)
    ]
    return np.stack(cut) if cut else np.zeros((0, 1, BANDS, FRAMES), np.uint8)


def pictures_of(caches: Sequence[Cache], levels: int, held_out: bool) -> Grey:
    """Patches of corpora, or the digits where there is no corpus."""
    if not caches:
        return digits(held_out)
    return patches(whole_mels(select(caches, held_out), levels))
