"""Distributions of samples in [-1, 1], and what is known of them in closed form."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

Values = Float[Tensor, "*S"]
Codes = Int[Tensor, "*S"]
Parts = Float[Tensor, "B N S"]

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def mu_law_encode(wave: Values, classes: int = 256) -> Codes:
    """Number of the nearest of `classes` levels that are spaced evenly after companding.

        f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu),   mu = classes - 1

    Source: van den Oord et al. 2016, "WaveNet", section 2.2, arXiv:1609.03499 (after ITU-T G.711).
    """
    mu = classes - 1
    companded = wave.sign() * torch.log1p(mu * wave.abs()) / math.log1p(mu)
    return ((companded + 1) * mu / 2 + 0.5).floor().long().clamp(0, mu)


def mu_law_decode(codes: Codes, classes: int = 256) -> Values:
    """The level of a code; inverse of `mu_law_encode` on its levels."""
    mu = classes - 1
    companded = 2 * codes.to(torch.get_default_dtype()) / mu - 1
    return companded.sign() * torch.expm1(companded.abs() * math.log1p(mu)) / mu


def gaussian_log_prob(x: Values, mean: Values, log_scale: Values) -> Values:
    """Log density of a normal distribution."""
    return -HALF_LOG_TWO_PI - log_scale - 0.5 * ((x - mean) * torch.exp(-log_scale)).square()


def standard_log_prob(z: Float[Tensor, "B *S"]) -> Float[Tensor, " B"]:
    """Log density of items all of whose values are standard normal and independent."""
    return (-HALF_LOG_TWO_PI - 0.5 * z.square()).flatten(1).sum(dim=1)


def gaussian_divergence(
    mean_q: Values, log_scale_q: Values, mean_p: Values, log_scale_p: Values
) -> Values:
    """KL(q || p) of two normal distributions.

    ln(s_p / s_q) + (s_q^2 + (m_p - m_q)^2) / (2 s_p^2) - 1/2
    """
    spread = torch.exp(2 * (log_scale_q - log_scale_p))
    apart = ((mean_p - mean_q) * torch.exp(-log_scale_p)).square()
    return log_scale_p - log_scale_q + 0.5 * (spread + apart - 1)


def sampled_divergence(
    z: Values, log_scale_q: Values, mean_p: Values, log_scale_p: Values
) -> Values:
    """KL(q || p) of two normal distributions, its second moment estimated by one z drawn from q.

        ln(s_p / s_q) + (z - m_p)^2 / (2 s_p^2) - 1/2

    Its expectation is `gaussian_divergence`. z may have gone through a map that preserves volume
    since it was drawn, which leaves the entropy of q as it was.

    Source: Kim et al. 2021, "VITS", section 2.1.3, arXiv:2106.06103.
    """
    apart = ((z - mean_p) * torch.exp(-log_scale_p)).square()
    return log_scale_p - log_scale_q + 0.5 * (apart - 1)


def divergence_matrix(
    z: Float[Tensor, "B C N"],
    log_scale_q: Float[Tensor, "B C N"],
    mean_p: Float[Tensor, "B C T"],
    log_scale_p: Float[Tensor, "B C T"],
) -> Float[Tensor, "B N T"]:
    """`sampled_divergence` of every frame of q and every frame of p, averaged over channels.

    By products of matrices, so no tensor of all channels of all pairs is made.
    """
    sharpness = torch.exp(-2 * log_scale_p)
    # (z - m)^2 loses digits where z and m are large beside their difference; a shift brings both
    # closer to zero.
    middle = mean_p.mean(dim=2, keepdim=True).detach()
    z, mean_p = z - middle, mean_p - middle
    apart = z.square().transpose(1, 2) @ sharpness - 2 * z.transpose(1, 2) @ (mean_p * sharpness)
    own = (0.5 * mean_p.square() * sharpness + log_scale_p).sum(dim=1)[:, None]
    entropy = log_scale_q.sum(dim=1)[:, :, None]
    return (0.5 * apart + own - entropy) / z.shape[1] - 0.5


def normal_bin_log_prob(x: Values, mean: Values, log_scale: Values, levels: int) -> Values:
    """Log probability of levels from -1 to 1 under a normal distribution that is cut into bins.

    The outermost bins reach to infinity.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", Eq. 13, arXiv:2006.11239.
    """
    half, sharpness = 1 / (levels - 1), torch.exp(-log_scale)
    upper = torch.special.ndtr((x - mean + half) * sharpness)
    lower = torch.special.ndtr((x - mean - half) * sharpness)
    upper = torch.where(x > 1 - half, 1.0, upper)
    lower = torch.where(x < half - 1, 0.0, lower)
    return (upper - lower).clamp(min=1e-12).log()


def logistic_log_prob(x: Values, mean: Values, log_scale: Values) -> Values:
    """Log density of a logistic distribution."""
    z = (x - mean) * torch.exp(-log_scale)
    return -z - log_scale - 2 * F.softplus(-z)


def logistic_entropy(log_scale: Values) -> Values:
    """Entropy of a logistic distribution: ln s + 2."""
    return log_scale + 2


def logit(uniform: Values) -> Values:
    """Standard logistic noise from uniform noise."""
    return torch.log(uniform) - torch.log1p(-uniform)


def interior(uniform: Values) -> Values:
    """Uniform noise with the ends of [0, 1) moved inside, where quantiles are finite."""
    tiny = torch.finfo(uniform.dtype).eps
    return uniform.clamp(tiny, 1 - tiny)


def gumbel(uniform: Values) -> Values:
    """Standard Gumbel noise from uniform noise."""
    return -torch.log(-torch.log(interior(uniform)))


def mixture_log_prob(
    x: Float[Tensor, "B S"], logits: Parts, means: Parts, log_scales: Parts, levels: int
) -> Float[Tensor, "B S"]:
    """Log probability of levels under a mixture of logistics that is cut into bins.

        P(x) = sum_i pi_i (F((x + d - m_i) / s_i) - F((x - d - m_i) / s_i)),   d = 1 / (levels - 1)

    The outermost bins reach to infinity. With a = (x + d - m) / s and b = (x - d - m) / s,
    F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)), whose logarithm loses nothing.

    Source: Salimans et al. 2017, "PixelCNN++", section 2.1, arXiv:1701.05517.
    Deviation: the identity above instead of the density at the middle of bins of low mass, and
    edges are exactly the outermost levels; so the probabilities of all levels sum to 1.
    """
    half = 1 / (levels - 1)
    x = x[:, None]
    away, sharpness = x - means, torch.exp(-log_scales)
    upper, lower = (away + half) * sharpness, (away - half) * sharpness
    below_upper, above_lower = F.logsigmoid(upper), F.logsigmoid(-lower)
    inside = below_upper + above_lower + torch.log(-torch.expm1(-2 * half * sharpness))
    each = torch.where(x < half - 1, below_upper, torch.where(x > 1 - half, above_lower, inside))
    return torch.logsumexp(F.log_softmax(logits, dim=1) + each, dim=1)


def mixture_sample(
    logits: Parts,
    means: Parts,
    log_scales: Parts,
    choice: Parts,
    place: Float[Tensor, "B S"],
) -> Float[Tensor, "B S"]:
    """Draw from a mixture of logistics: Gumbel-max over components, then a logistic quantile.

    Args:
        choice, place: uniform noise that decides on the component and on the place within it.
    """
    index = (logits + gumbel(choice)).argmax(dim=1, keepdim=True)
    mean, log_scale = means.gather(1, index)[:, 0], log_scales.gather(1, index)[:, 0]
    return (mean + log_scale.exp() * logit(interior(place))).clamp(-1, 1)


def gaussian_sample(
    mean: Float[Tensor, "B S"], log_scale: Float[Tensor, "B S"], place: Float[Tensor, "B S"]
) -> Float[Tensor, "B S"]:
    """Draw from a normal distribution by its quantile function."""
    return (mean + log_scale.exp() * torch.special.ndtri(interior(place))).clamp(-1, 1)


def category_sample(
    logits: Float[Tensor, "B N S"], place: Float[Tensor, "B S"]
) -> Int[Tensor, "B S"]:
    """Draw a category by the inverse of its cumulative distribution."""
    # In double precision, so that step by step and at once choose the same code.
    reached = logits.double().softmax(dim=1).cumsum(dim=1)
    return (reached < place.double()[:, None]).sum(dim=1).clamp(max=logits.shape[1] - 1)
