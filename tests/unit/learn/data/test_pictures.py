import numpy as np
import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.data.batches import Part
from sori.learn.data.pictures import DIGIT_LEVELS, Pictures, coarse, digits, echoes, patches

BATCH = registry.spec("pixelcnn").batch


def rising(frames):
    """A log mel that gets louder and louder."""
    return np.repeat(np.linspace(-12, 3, frames)[:, None], 80, axis=1)


def test_every_digit_is_learned_from_or_judged_by():
    training, held_out = digits(False), digits(True)

    assert len(training) + len(held_out) == 1797
    assert training.shape[1:] == (1, 8, 8)
    assert training.max() == DIGIT_LEVELS - 1
    assert training.min() == 0


def test_levels_of_a_spectrogram_rise_with_loudness_and_stay_inside():
    picture = coarse(rising(70), 16)

    assert picture.shape == (16, 35)
    assert (np.diff(picture.astype(int), axis=1) >= 0).all()
    assert picture.min() == 0
    assert picture.max() == 15


def test_patches_lie_side_by_side_and_the_rest_is_left():
    whole = coarse(rising(70), 16)

    cut = patches([whole, whole[:, :15]])

    assert cut.shape == (2, 1, 16, 16)
    np.testing.assert_array_equal(np.concatenate(cut[:, 0], axis=1), whole[:, :32])


def test_an_echo_repeats_what_is_above_and_two_to_the_right():
    pixels = echoes(500, 0)

    repeats = pixels[:, :, 1:, :-2] == pixels[:, :, :-1, 2:]

    assert abs(repeats.mean() - 0.95) < 0.01
    assert abs(pixels.mean() - 0.5) < 0.01


def test_a_pass_shows_every_picture_once_and_steps_repeat_themselves():
    pixels = np.arange(12, dtype=np.uint8)[:, None, None, None]
    batches = Pictures(pixels, BATCH, 4, 0)

    seen = torch.cat([batches.at(step).pixels.flatten() for step in range(batches.per_pass)])

    assert batches.per_pass == 3
    assert seen.sort().values.tolist() == list(range(12))
    assert torch.equal(batches.at(5).pixels, Pictures(pixels, BATCH, 4, 0).at(5).pixels)
    assert not torch.equal(batches.at(0).pixels, batches.at(3).pixels)


def test_parts_of_a_batch_are_the_batch():
    batches = Pictures(digits(True), BATCH, 6, 0)

    parts = [batches.at(2, Part(number, 2)).pixels for number in range(2)]

    whole = batches.at(2).pixels
    assert torch.equal(torch.stack(parts, dim=1).flatten(0, 1), whole)
    assert batches.share(2, Part(1, 2)) == 0.5


def test_no_pictures_are_an_error():
    with pytest.raises(SoriError, match="no pictures to learn from"):
        Pictures(patches([]), BATCH, 4, 0)
