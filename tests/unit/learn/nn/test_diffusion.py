import math

import pytest
import torch

from sori.learn.nn import diffusion
from sori.learn.nn.diffusion import Prediction
from sori.learn.nn.distributions import normal_bin_log_prob

STEPS = 1000
MEAN, VARIANCE = 0.7, 0.3
SAMPLERS = {
    "ancestral": diffusion.sample_ancestral,
    "ddim": diffusion.sample_ddim,
    "solver": diffusion.sample_solver,
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def linear():
    return diffusion.schedule(diffusion.linear_betas(STEPS))


@pytest.fixture
def cosine():
    return diffusion.schedule(diffusion.cosine_betas(STEPS))


def oracle(plan):
    """What is known of the noise in data that are normal: the best any network can say."""

    def predict(noised, times):
        kept = diffusion.at(plan.kept, times, noised)
        share = (1 - kept).sqrt() / (kept * VARIANCE + 1 - kept)
        return Prediction(share * (noised - kept.sqrt() * MEAN))

    return predict


def step_of(index, items=4):
    return torch.full((items,), index)


def test_schedules_have_their_published_values(linear, cosine):
    assert float(linear.betas[0]) == pytest.approx(1e-4)
    assert float(linear.betas[-1]) == pytest.approx(0.02)
    assert float(linear.kept[-1]) == pytest.approx(4.04e-5, rel=1e-2)
    longer = diffusion.schedule(diffusion.linear_betas(4000))
    assert float(longer.kept[-1]) == pytest.approx(4.25e-5, rel=1e-2)
    assert float(cosine.betas[0]) == pytest.approx(4.13e-5, rel=1e-2)
    assert float(cosine.kept[499]) == pytest.approx(0.494, abs=1e-3)
    assert float(cosine.betas[-1]) == pytest.approx(0.999)


@pytest.mark.parametrize("betas", [diffusion.linear_betas, diffusion.cosine_betas])
def test_data_of_unit_variance_keep_it_and_their_share_falls(betas):
    plan = diffusion.schedule(betas(STEPS))
    x = torch.randn(20000)

    for index in (0, 300, 999):
        step = torch.full((len(x),), index)
        noised = diffusion.add_noise(plan, x, torch.randn_like(x), step)

        assert abs(float(noised.var()) - 1) < 0.04
    assert (plan.kept.diff() < 0).all()


def test_data_noise_and_velocity_are_three_views_of_one_thing(cosine):
    x, noise, step = torch.randn(4, 2, 3).double(), torch.randn(4, 2, 3).double(), step_of(400)

    noised = diffusion.add_noise(cosine, x, noise, step)
    v = diffusion.velocity(cosine, x, noise, step)

    torch.testing.assert_close(diffusion.clean_of(cosine, noised, noise, step), x)
    torch.testing.assert_close(diffusion.noise_of(cosine, noised, x, step), noise)
    torch.testing.assert_close(diffusion.noise_of_velocity(cosine, noised, v, step), noise)


def test_both_forms_of_the_posterior_mean_agree(linear):
    x, noise, step = torch.randn(4, 5).double(), torch.randn(4, 5).double(), step_of(321)
    noised = diffusion.add_noise(linear, x, noise, step)
    beta, kept = linear.betas[321], linear.kept[321]

    by_data = diffusion.posterior(linear, noised, x, step).mean
    by_noise = (noised - beta / (1 - kept).sqrt() * noise) / (1 - beta).sqrt()

    torch.testing.assert_close(by_data, by_noise)


def test_a_learned_variance_lies_between_its_bounds(cosine):
    like, step = torch.zeros(4, 3).double(), step_of(500)
    beta = cosine.betas[500].log()

    low = diffusion.log_variance(cosine, step, like)
    middle = diffusion.log_variance(cosine, step, like, torch.full_like(like, 0.5))
    high = diffusion.log_variance(cosine, step, like, torch.ones_like(like))

    assert (low < middle).all()
    assert (middle < high).all()
    torch.testing.assert_close(high, beta.expand_as(like))
    for name in ("first", "last"):
        index = {"first": 0, "last": STEPS - 1}[name]
        assert diffusion.log_variance(cosine, step_of(index), like).isfinite().all()


def test_all_steps_respaced_are_the_chain_itself(linear):
    same = diffusion.respaced(linear, STEPS)

    assert torch.equal(same.times, linear.times)
    torch.testing.assert_close(same.betas, linear.betas)


def test_respaced_steps_keep_their_numbers_and_their_noise(linear):
    fewer = diffusion.respaced(linear, 10)

    assert fewer.times[0] == 0
    assert fewer.times[-1] == STEPS - 1
    torch.testing.assert_close(fewer.kept, linear.kept[fewer.times])
    torch.testing.assert_close(torch.cumprod(1 - fewer.betas, dim=0), fewer.kept)
    with pytest.raises(ValueError, match="0 steps cannot be taken from 1000"):
        diffusion.respaced(linear, 0)


def test_ddim_with_eta_one_draws_with_the_variance_of_the_posterior(linear):
    index = 500
    step, like = step_of(index), torch.zeros(4).double()
    least = diffusion.log_variance(linear, step, like).exp()

    kept, before = linear.kept[index], linear.before[index]
    drawn = (1 - before) / (1 - kept) * (1 - kept / before)

    torch.testing.assert_close(drawn.expand(4), least)


# Ancestral steps are normal only where they are small.
@pytest.mark.parametrize(("name", "steps"), [("ancestral", 400), ("ddim", 50), ("solver", 12)])
def test_samplers_fed_with_the_truth_draw_the_data(name, steps, cosine):
    plan = diffusion.respaced(cosine, steps)

    drawn = SAMPLERS[name](oracle(cosine), plan, torch.randn(20000))

    assert abs(float(drawn.mean()) - MEAN) < 0.03
    assert abs(float(drawn.var()) / VARIANCE - 1) < 0.1


@pytest.mark.parametrize("steps", [5, 12, 50])
def test_the_solver_follows_the_same_path_more_closely_than_ddim(steps, cosine):
    start = torch.randn(2000).double()
    exact = MEAN + math.sqrt(VARIANCE) * start  # the path ends where its quantile does

    def error(sampler):
        plan = diffusion.respaced(cosine, steps)
        return float((sampler(oracle(cosine), plan, start) - exact).abs().mean())

    assert error(diffusion.sample_solver) < 0.5 * error(diffusion.sample_ddim)


def test_ddim_without_noise_is_a_function_of_its_start(cosine):
    plan, start = diffusion.respaced(cosine, 20), torch.randn(8)

    first = diffusion.sample_ddim(oracle(cosine), plan, start)
    second = diffusion.sample_ddim(oracle(cosine), plan, start)

    assert torch.equal(first, second)


def test_ddim_with_eta_one_draws_the_data_as_well(cosine):
    plan = diffusion.respaced(cosine, 400)

    drawn = diffusion.sample_ddim(oracle(cosine), plan, torch.randn(20000), eta=1.0)

    assert abs(float(drawn.mean()) - MEAN) < 0.03
    assert abs(float(drawn.var()) / VARIANCE - 1) < 0.1


def test_data_never_leave_their_limits(cosine):
    plan = diffusion.respaced(cosine, 10)

    for sample in SAMPLERS.values():
        drawn = sample(oracle(cosine), plan, 3 * torch.randn(500), 0.5)

        assert drawn.abs().max() <= 1.0
        assert (drawn.abs() <= 0.5 + 1e-6).float().mean() > 0.95


def test_guidance_is_linear_and_vanishes_where_there_is_nothing_to_follow():
    noised, times = torch.randn(3, 2), step_of(5, 3)
    given, free = torch.randn(3, 2), torch.randn(3, 2)

    def says(noise):
        return lambda noised, times: Prediction(noise)

    def at_weight(weight):
        return diffusion.guided(says(given), says(free), weight)(noised, times).noise

    torch.testing.assert_close(at_weight(0.0), given)
    torch.testing.assert_close(at_weight(-1.0), free)
    torch.testing.assert_close(at_weight(2.0) - at_weight(1.0), given - free)
    same = diffusion.guided(says(given), says(given), 7.0)(noised, times).noise
    torch.testing.assert_close(same, given)


def test_bins_of_a_normal_distribution_sum_to_one():
    levels = torch.arange(16).double() / 15 * 2 - 1
    mean, log_scale = torch.tensor(0.3).double(), torch.tensor(-1.5).double()

    total = normal_bin_log_prob(levels, mean.expand(16), log_scale.expand(16), 16).exp().sum()

    torch.testing.assert_close(total, torch.tensor(1.0).double())
