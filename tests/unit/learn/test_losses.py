import math

import pytest
import torch

from sori.learn.losses import (
    aligned_distance,
    feature_distance,
    least_squares_critic,
    least_squares_generator,
    masked_mean,
    spectral_distance,
)

SIZES = ((256, 64), (512, 128))


def test_masked_mean_counts_only_what_the_mask_shows():
    x = torch.tensor([[1.0, 2.0, 9.0], [4.0, 9.0, 9.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])

    assert float(masked_mean(x, mask)) == pytest.approx(7 / 3)
    assert float(masked_mean(x, torch.zeros_like(mask))) == 0


def test_the_distance_of_a_wave_to_itself_is_zero():
    torch.manual_seed(0)
    wave = torch.randn(2, 4000)

    distance = aligned_distance(wave, wave, SIZES)

    assert [float(part) for part in distance] == pytest.approx([0, 0, 0, 0], abs=1e-4)


def test_only_the_phase_hears_a_change_of_sign():
    torch.manual_seed(0)
    wave = torch.randn(2, 4000)

    distance = aligned_distance(wave, -wave, SIZES)

    assert [float(part) for part in distance] == pytest.approx([0, 0, 2, 0], abs=1e-4)


def test_twice_the_level_is_one_of_convergence_and_log_two_of_magnitude():
    torch.manual_seed(0)
    wave = torch.randn(1, 8000)

    distance = aligned_distance(wave, 2 * wave, SIZES)

    expected = [math.log(2), 1, 1, math.log(2)]
    assert [float(part) for part in distance] == pytest.approx(expected, rel=1e-3)


def test_magnitudes_are_as_far_apart_whether_or_not_phases_are_compared():
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 4000)

    assert spectral_distance(real, fake, SIZES) == aligned_distance(real, fake, SIZES)[:2]


def test_perfect_scores_cost_the_critic_and_the_generator_nothing():
    ones, zeros = [torch.ones(3), torch.ones(2, 2)], [torch.zeros(3), torch.zeros(2, 2)]

    assert float(least_squares_critic(ones, zeros)) == 0
    assert float(least_squares_generator(ones)) == 0
    assert float(least_squares_critic(zeros, ones)) == 2


def test_feature_distance_sends_no_gradient_to_the_recordings():
    real, fake = torch.randn(4, requires_grad=True), torch.randn(4, requires_grad=True)

    feature_distance([real], [fake]).backward()

    assert real.grad is None
    assert fake.grad is not None
    assert feature_distance([real], [real]).item() == 0
