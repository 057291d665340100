import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sori.learn.nn.distributions import (
    category_sample,
    divergence_matrix,
    gaussian_divergence,
    gaussian_log_prob,
    gaussian_sample,
    logistic_entropy,
    logistic_log_prob,
    logit,
    mixture_log_prob,
    mixture_sample,
    mu_law_decode,
    mu_law_encode,
    sampled_divergence,
)


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def test_every_mu_law_code_survives_decoding():
    codes = torch.arange(256)

    levels = mu_law_decode(codes)

    assert torch.equal(mu_law_encode(levels), codes)
    torch.testing.assert_close(levels, -levels.flip(0))
    assert float(levels[0]) == -1


def test_mu_law_is_odd_and_errs_by_no_more_than_the_bin():
    wave = torch.linspace(-1, 1, 40001)[1::2].double()
    codes = mu_law_encode(wave)
    levels = mu_law_decode(torch.arange(256)).double()
    # Bins meet where the companded scale is half way.
    inner = (2 * (torch.arange(255).double() + 0.5) / 255 - 1).abs()
    edges = torch.expm1(inner * math.log(256)) / 255
    edges = torch.where(torch.arange(255) < 127, -edges, edges)
    edges[127] = 0
    edges = torch.cat([torch.tensor([-1.0]), edges, torch.tensor([1.0])]).double()

    assert torch.equal(mu_law_encode(-wave), 255 - codes)
    assert (wave >= edges[codes] - 1e-6).all()
    assert (wave <= edges[codes + 1] + 1e-6).all()
    assert (levels >= edges[:-1] - 1e-6).all()
    assert (levels <= edges[1:] + 1e-6).all()


@pytest.mark.parametrize("levels", [2, 16, 256])
def test_the_mixture_of_logistics_sums_to_one_over_its_levels(levels, random):
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)[None]
    logits, means, log_scales = (
        torch.randn(1, 5, 1, generator=random, dtype=torch.float64) for _ in range(3)
    )
    for shift in (-12.0, -4.0, 0.0):
        scales = (log_scales + shift).clamp(min=-16)
        logp = mixture_log_prob(
            values, *(part.expand(-1, -1, levels) for part in (logits, means, scales)), levels
        )

        assert float(logp.exp().sum()) == pytest.approx(1, abs=1e-12)


def test_a_sharp_logistic_on_a_level_is_certain_of_it():
    level = torch.tensor([[51 / 255 * 2 - 1]], dtype=torch.float64)
    part = torch.zeros(1, 1, 1, dtype=torch.float64)

    logp = mixture_log_prob(level, part, level[:, None], part - 16, 256)

    assert float(logp) == pytest.approx(0, abs=1e-9)


def test_one_logistic_over_many_levels_is_its_density_times_the_bin(random):
    x = torch.rand(1, 50, generator=random, dtype=torch.float64) - 0.5
    mean, log_scale = torch.full((1, 1, 50), 0.1).double(), torch.full((1, 1, 50), -2.0).double()

    logp = mixture_log_prob(x, torch.zeros_like(mean), mean, log_scale, 65536)
    density = logistic_log_prob(x, mean[:, 0], log_scale[:, 0])

    torch.testing.assert_close(logp, density + math.log(2 / 65535), atol=1e-7, rtol=0)


def test_far_and_sharp_mixtures_keep_finite_gradients():
    means = torch.tensor([0.9, -0.9])[None, :, None].requires_grad_()
    log_scales = torch.full((1, 2, 1), -16.0, requires_grad=True)

    mixture_log_prob(
        torch.tensor([[-0.5]]), torch.zeros(1, 2, 1), means, log_scales, 65536
    ).sum().backward()

    assert means.grad.isfinite().all()
    assert log_scales.grad.isfinite().all()


def test_gaussian_formulas_are_those_of_torch(random):
    mean, other = torch.randn(2, 20, generator=random), torch.randn(2, 20, generator=random)
    log_scale, wider = torch.randn(2, 20, generator=random) / 2, torch.randn(2, 20) / 2
    q, p = Normal(mean, log_scale.exp()), Normal(other, wider.exp())

    torch.testing.assert_close(
        gaussian_log_prob(other, mean, log_scale), q.log_prob(other), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        gaussian_divergence(mean, log_scale, other, wider),
        kl_divergence(q, p),
        atol=1e-4,
        rtol=1e-4,
    )
    assert not gaussian_divergence(mean, log_scale, mean, log_scale).any()
    assert (gaussian_divergence(mean, log_scale, other, wider) > 0).all()


def test_the_entropy_of_a_logistic_is_log_scale_plus_two(random):
    noise = logit(torch.rand(400_000, generator=random, dtype=torch.float64))
    mean, log_scale = torch.full_like(noise, 0.3), torch.full_like(noise, -1.5)

    heard = -logistic_log_prob(mean + log_scale.exp() * noise, mean, log_scale).mean()

    assert float(heard) == pytest.approx(float(logistic_entropy(log_scale[:1])), abs=0.01)


def test_drawn_samples_follow_their_distributions(random):
    size = 40_000
    uniform = torch.rand(3, size, generator=random)

    normal = gaussian_sample(
        torch.full((1, size), 0.2), torch.full((1, size), -3.0), uniform[None, 0]
    )
    mixed = mixture_sample(
        torch.tensor([0.0, math.log(3)])[None, :, None].expand(1, 2, size),
        torch.tensor([-0.5, 0.5])[None, :, None].expand(1, 2, size),
        torch.full((1, 2, size), -5.0),
        torch.rand(1, 2, size, generator=random),
        uniform[None, 1],
    )
    codes = category_sample(
        torch.tensor([0.5, 0.3, 0.2]).log()[None, :, None].expand(1, 3, size), uniform[None, 2]
    )

    assert float(normal.mean()) == pytest.approx(0.2, abs=0.002)
    assert float(normal.std()) == pytest.approx(math.exp(-3), rel=0.02)
    assert float((mixed > 0).float().mean()) == pytest.approx(0.75, abs=0.01)
    shares = torch.bincount(codes[0], minlength=3) / size
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.01, rtol=0)


def test_the_divergence_of_a_sample_is_the_divergence_on_average(random):
    mean_q, scale_q, mean_p, scale_p = 0.4, -0.2, -0.1, 0.3
    z = mean_q + math.exp(scale_q) * torch.randn(400_000, generator=random).double()
    of = [torch.full_like(z, value) for value in (scale_q, mean_p, scale_p)]

    sampled = sampled_divergence(z, *of).mean()
    swapped = sampled_divergence(z, of[0], torch.full_like(z, mean_q), of[0])

    known = gaussian_divergence(torch.full_like(z, mean_q), *of)[0]
    assert float(sampled) == pytest.approx(float(known), abs=3e-3)
    assert float(swapped.mean()) == pytest.approx(0, abs=3e-3)


def test_the_matrix_of_divergences_holds_every_pair_of_frames(random):
    z, scale_q = torch.randn(2, 2, 6, 5, generator=random).unbind()
    mean_p, scale_p = torch.randn(2, 2, 6, 7, generator=random).unbind()
    far = 20.0  # both sides lie far from zero

    pairs = divergence_matrix(z + far, scale_q, mean_p + far, scale_p)

    columns = [x[:, :, None, :].expand(-1, -1, 5, -1) for x in (mean_p, scale_p)]
    rows = [x[:, :, :, None].expand(-1, -1, -1, 7) for x in (z, scale_q)]
    wanted = sampled_divergence(*rows, *columns).mean(dim=1)
    torch.testing.assert_close(pairs, wanted, atol=1e-3, rtol=1e-4)
