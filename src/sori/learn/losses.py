"""Losses as pure functions of tensors."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from sori.learn.contracts import Scalar, Wave


def masked_mean(x: Float[Tensor, "..."], mask: Bool[Tensor, "..."]) -> Scalar:
    """Mean of `x` where `mask` is true; the mask broadcasts over `x`."""
    weight = mask.expand_as(x).to(x.dtype)
    return (x * weight).sum() / weight.sum().clamp(min=1)


def stft_magnitude(wave: Wave, fft_samples: int, hop_samples: int) -> Float[Tensor, "B K T"]:
    """Magnitude of the short-time Fourier transform under a Hann window."""
    window = torch.hann_window(fft_samples, device=wave.device)
    spectrum = torch.stft(wave, fft_samples, hop_samples, window=window, return_complex=True)
    # The gradient of the square root has no bound at zero.
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


def stft_distance(real: Wave, fake: Wave, resolutions: Sequence[tuple[int, int]]) -> Scalar:
    """Spectral convergence plus L1 between log magnitudes, averaged over resolutions.

        ||M - M'||_F / ||M||_F  +  mean |log M - log M'|

    Source: Yamamoto et al. 2020, "Parallel WaveGAN", Eqs. 4 to 6, arXiv:1910.11480.

    Args:
        resolutions: pairs of Fourier size and hop, in samples.
    """
    total = torch.zeros((), device=real.device)
    for fft_samples, hop_samples in resolutions:
        target = stft_magnitude(real, fft_samples, hop_samples)
        made = stft_magnitude(fake, fft_samples, hop_samples)
        convergence = torch.linalg.norm(target - made) / torch.linalg.norm(target).clamp(min=1e-4)
        log_distance = F.l1_loss(target.clamp(min=1e-4).log(), made.clamp(min=1e-4).log())
        total = total + convergence + log_distance
    return total / len(resolutions)


def least_squares_critic(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Scalar:
    """Critic's loss: scores of recordings towards 1, of made waves towards 0.

    Source: Mao et al. 2017, "Least Squares GAN", Eq. 9, arXiv:1611.04076.
    """
    parts = [(r - 1).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(parts).mean()


def least_squares_generator(fake: Sequence[Tensor]) -> Scalar:
    """Generator's loss: scores of made waves towards 1."""
    return torch.stack([(f - 1).square().mean() for f in fake]).mean()


def feature_distance(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Scalar:
    """Mean L1 between the critics' hidden layers; no gradient reaches the side of the recordings.

    Source: Kumar et al. 2019, "MelGAN", Eq. 4, arXiv:1910.06711.
    """
    return torch.stack([F.l1_loss(f, r.detach()) for r, f in zip(real, fake, strict=True)]).mean()
