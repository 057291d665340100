"""Diffusion: noise schedules, what is known in closed form, and samplers.

Data x_0 turn to noise in steps t = 1 ... T; a network looks at x_t and says which noise is in it.

    x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e,   a_t = prod_{s <= t} (1 - b_s)

Everything here works on tensors of any shape (B, ...). Step t has index t - 1.

Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", section 2, arXiv:2006.11239.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sori.learn.nn.distributions import gaussian_divergence

Betas = Float[Tensor, " T"]
Items = Float[Tensor, "B *S"]
Step = Int[Tensor, " B"]


class Prediction(NamedTuple):
    """What a network says of noised items.

    noise: the noise in them.
    spread: where between its bounds the log variance of the step before lies, from 0 to 1; None for
        the lower bound (`log_variance`).
    """

    noise: Items
    spread: Items | None = None


# From noised items and the numbers of their steps, as the network learned them.
Denoiser = Callable[[Items, Step], Prediction]


class Schedule(NamedTuple):
    """Noise of every step, in double precision.

    times: the index that the network knows a step by; it differs after `respaced`.
    kept: the part of the data's variance that is left, a_t; `before` is that of the step before.
    """

    times: Int[Tensor, " T"]
    betas: Betas
    kept: Betas
    before: Betas


def linear_betas(steps: int) -> Betas:
    """Noise that grows evenly, as much in all as the paper's 1e-4 to 0.02 in 1000 steps."""
    scale = 1000 / steps
    return torch.linspace(1e-4 * scale, 0.02 * scale, steps, dtype=torch.float64).clamp(max=0.999)


def cosine_betas(steps: int) -> Betas:
    """Noise whose remaining data fall like a squared cosine.

    Source: Nichol & Dhariwal 2021, "Improved DDPM", section 3.2, arXiv:2102.09672.
    """
    places = torch.arange(steps + 1, dtype=torch.float64) / steps
    kept = torch.cos((places + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - kept[1:] / kept[:-1]).clamp(max=0.999)


def schedule(betas: Betas) -> Schedule:
    """All steps of these betas."""
    kept = torch.cumprod(1 - betas, dim=0)
    before = torch.cat([kept.new_ones(1), kept[:-1]])
    return Schedule(torch.arange(len(betas), device=betas.device), betas, kept, before)


def respaced(full: Schedule, count: int) -> Schedule:
    """Fewer steps of the same process, evenly spread; the network is asked by the old numbers.

    Source: Nichol & Dhariwal 2021, section 4, arXiv:2102.09672.

    Raises:
        ValueError: there are not so many steps.
    """
    steps = len(full.betas)
    if not 1 <= count <= steps:
        raise ValueError(f"{count} steps cannot be taken from {steps}; give 1 to {steps}")
    chosen = torch.linspace(0, steps - 1, count, dtype=torch.float64).round().long()
    chosen[-1] = steps - 1  # of a single step as well: sampling starts from noise
    kept = full.kept[chosen]
    before = torch.cat([kept.new_ones(1), kept[:-1]])
    return Schedule(full.times[chosen], 1 - kept / before, kept, before)


def at(values: Betas, step: Step, like: Items) -> Items:
    """The values of items' steps, in the shape of the items."""
    chosen = values.to(like.device)[step].to(like.dtype)
    return chosen.view(-1, *[1] * (like.ndim - 1)).expand_as(like)


def add_noise(plan: Schedule, clean: Items, noise: Items, step: Step) -> Items:
    """x_t of x_0 and the noise in it."""
    kept = at(plan.kept, step, clean)
    return kept.sqrt() * clean + (1 - kept).sqrt() * noise


def clean_of(plan: Schedule, noised: Items, noise: Items, step: Step) -> Items:
    """x_0 of x_t and the noise in it."""
    kept = at(plan.kept, step, noised)
    return (noised - (1 - kept).sqrt() * noise) / kept.sqrt()


def noise_of(plan: Schedule, noised: Items, clean: Items, step: Step) -> Items:
    """The noise in x_t of this x_0."""
    kept = at(plan.kept, step, noised)
    return (noised - kept.sqrt() * clean) / (1 - kept).sqrt()


def velocity(plan: Schedule, clean: Items, noise: Items, step: Step) -> Items:
    """v = sqrt(a) e - sqrt(1 - a) x_0: a target of unit variance at every step.

    Source: Salimans & Ho 2022, "Progressive Distillation", appendix D, arXiv:2202.00512.
    """
    kept = at(plan.kept, step, clean)
    return kept.sqrt() * noise - (1 - kept).sqrt() * clean


def noise_of_velocity(plan: Schedule, noised: Items, v: Items, step: Step) -> Items:
    """The noise in x_t whose velocity is v."""
    kept = at(plan.kept, step, noised)
    return kept.sqrt() * v + (1 - kept).sqrt() * noised


class Normal(NamedTuple):
    """Means and log variances."""

    mean: Items
    log_variance: Items


def log_variance(plan: Schedule, step: Step, like: Items, spread: Items | None = None) -> Items:
    """Log variance of x_{t-1} given x_t: between b~_t, which x_0 gives, and b_t.

        exp(spread log b_t + (1 - spread) log b~_t),   b~_t = b_t (1 - a_{t-1}) / (1 - a_t)

    Source: Nichol & Dhariwal 2021, "Improved DDPM", Eq. 15, arXiv:2102.09672. At the first step
    b~ is 0 and the second step's stands for it, as in their program.
    """
    least = plan.betas * (1 - plan.before) / (1 - plan.kept)
    least[0] = least[1] if len(least) > 1 else plan.betas[0]
    low = at(least.log(), step, like)
    if spread is None:
        return low
    return torch.lerp(low, at(plan.betas.log(), step, like), spread)


def posterior(plan: Schedule, noised: Items, clean: Items, step: Step) -> Normal:
    """Where x_{t-1} lies, given x_t and x_0 (Eqs. 6 and 7)."""
    kept, before = at(plan.kept, step, noised), at(plan.before, step, noised)
    beta = at(plan.betas, step, noised)
    mean = before.sqrt() * beta / (1 - kept) * clean
    mean = mean + (1 - beta).sqrt() * (1 - before) / (1 - kept) * noised
    return Normal(mean, log_variance(plan, step, noised))


def guided(given: Denoiser, free: Denoiser, weight: float) -> Denoiser:
    """A denoiser that follows its condition more than it learned to.

        e = (1 + w) e(x, c) - w e(x)

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", Eq. 6, arXiv:2207.12598.

    Args:
        given, free: the same network with its condition, and without.
        weight: 0 for the condition as learned, -1 for none.
    """

    def predict(noised: Items, times: Step) -> Prediction:
        told, alone = given(noised, times), free(noised, times)
        noise = (1 + weight) * told.noise - weight * alone.noise
        return Prediction(noise, told.spread)

    return predict


def embed_times(times: Step, width: int) -> Float[Tensor, "B D"]:
    """Numbers of steps as sines and cosines of geometrically spaced rates.

    Source: Vaswani et al. 2017, section 3.5, arXiv:1706.03762.
    """
    rates = 10000 ** (-torch.arange(width // 2, device=times.device) / (width // 2))
    angles = times[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Guess(NamedTuple):
    """What is believed at one step of sampling: x_0 within its limits, and the noise that fits."""

    clean: Items
    noise: Items
    spread: Items | None


def guess(
    predict: Denoiser, plan: Schedule, noised: Items, index: int, limit: float | None
) -> tuple[Guess, Step]:
    """Ask the network, and keep x_0 within its limits."""
    step = torch.full((len(noised),), index, device=noised.device)
    said = predict(noised, plan.times.to(noised.device)[step])
    if limit is None:
        clean = clean_of(plan, noised, said.noise, step)
        return Guess(clean, said.noise, said.spread), step
    clean = clean_of(plan, noised, said.noise, step).clamp(-limit, limit)
    return Guess(clean, noise_of(plan, noised, clean, step), said.spread), step


@torch.no_grad()
def sample_ancestral(
    predict: Denoiser, plan: Schedule, start: Items, limit: float | None = None
) -> Items:
    """Walk back from noise, drawing every step (Algorithm 2).

    Args:
        start: standard normal noise, x_T.
        limit: how large data can be; None where there is no limit.
    """
    x = start
    for index in reversed(range(len(plan.betas))):
        found, step = guess(predict, plan, x, index, limit)
        x, spread = posterior(plan, x, found.clean, step).mean, found.spread
        if index:
            deviation = torch.exp(0.5 * log_variance(plan, step, x, spread))
            x = x + deviation * torch.randn_like(x)
    return x


@torch.no_grad()
def sample_ddim(
    predict: Denoiser,
    plan: Schedule,
    start: Items,
    limit: float | None = None,
    eta: float = 0.0,
) -> Items:
    """Walk back from noise along a path that few steps follow well.

    Args:
        eta: 0 makes it a function of the start, 1 draws as much as `sample_ancestral` does.

    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", Eqs. 12 and 16,
    arXiv:2010.02502.
    """
    x = start
    for index in reversed(range(len(plan.betas))):
        found, step = guess(predict, plan, x, index, limit)
        kept, before = at(plan.kept, step, x), at(plan.before, step, x)
        drawn = eta**2 * (1 - before) / (1 - kept) * (1 - kept / before)
        x = before.sqrt() * found.clean + (1 - before - drawn).clamp(min=0).sqrt() * found.noise
        if eta and index:
            x = x + drawn.sqrt() * torch.randn_like(x)
    return x


@torch.no_grad()
def sample_solver(
    predict: Denoiser, plan: Schedule, start: Items, limit: float | None = None
) -> Items:
    """Solve the path of `sample_ddim` to second order, by the guess before and this one.

        x_t = s_t / s_s x_s - sqrt(a_t) (exp(-h) - 1) ((1 + 1 / 2r) x_0^s - 1 / 2r x_0^before)

    with s = sqrt(1 - a), l = log(sqrt(a) / s), h = l_t - l_s, r = h_before / h. The last step is of
    first order, because l is infinite at its end.

    Source: Lu et al. 2022, "DPM-Solver++", Algorithm 2, arXiv:2211.01095.
    Deviation: r is at least 1. The steps near the data are several times as long in l as those
    before them, and to extrapolate so far doubled the error of twelve steps instead of halving it.
    """
    x, earlier, last_gain = start, None, 0.0
    for index in reversed(range(len(plan.betas))):
        found, _ = guess(predict, plan, x, index, limit)
        kept, before = float(plan.kept[index]), float(plan.before[index])
        if index == 0:
            return found.clean
        gain = 0.5 * (math.log(before / (1 - before)) - math.log(kept / (1 - kept)))
        towards = found.clean
        if earlier is not None:
            towards = towards + 0.5 * min(gain / last_gain, 1.0) * (found.clean - earlier)
        shrink = math.sqrt((1 - before) / (1 - kept))
        x = shrink * x - math.sqrt(before) * math.expm1(-gain) * towards
        earlier, last_gain = found.clean, gain
    return x


def reverse(
    plan: Schedule, noised: Items, said: Prediction, step: Step, limit: float | None = None
) -> Normal:
    """Where x_{t-1} is believed to lie, given x_t and what the network says of it."""
    clean = clean_of(plan, noised, said.noise, step)
    if limit is not None:
        clean = clean.clamp(-limit, limit)
    mean = posterior(plan, noised, clean, step).mean
    return Normal(mean, log_variance(plan, step, noised, said.spread))


def prior_divergence(plan: Schedule, clean: Items) -> Items:
    """KL(q(x_T | x_0) || N(0, 1)) of every value, in nats."""
    last = plan.kept[-1].to(clean)
    zero = torch.zeros_like(clean)
    spread = 0.5 * torch.log1p(-last).expand_as(clean)
    return gaussian_divergence(last.sqrt() * clean, spread, zero, zero)
