"""Losses as pure functions of tensors."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor
from torch.nn import functional as F

from sori.learn.contracts import Mel, Scalar, Wave

Resolution = tuple[int, int] | tuple[int, int, int]


def masked_mean(x: Float[Tensor, "..."], mask: Bool[Tensor, "..."]) -> Scalar:
    """Mean of `x` where `mask` is true; the mask broadcasts over `x`."""
    weight = mask.expand_as(x).to(x.dtype)
    return (x * weight).sum() / weight.sum().clamp(min=1)


def spectrum(
    wave: Wave, fft_samples: int, hop_samples: int, window_samples: int | None = None
) -> Complex[Tensor, "B K T"]:
    """Short-time Fourier transform under a Hann window, as wide as the transform if not told."""
    size = window_samples or fft_samples
    window = torch.hann_window(size, device=wave.device)
    return torch.stft(wave, fft_samples, hop_samples, size, window, return_complex=True)


def magnitude(spectrum: Complex[Tensor, "B K T"]) -> Float[Tensor, "B K T"]:
    """Absolute value whose gradient is bounded at zero."""
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


class SpectralDistance(NamedTuple):
    """How the magnitudes of two waves differ, averaged over resolutions.

    magnitude: mean |log |X| - log |Y||, which hears soft and loud parts alike.
    convergence: || |X| - |Y| || / || |X| ||, which hears the loud ones.
    """

    magnitude: Scalar
    convergence: Scalar


class AlignedDistance(NamedTuple):
    """How two waves differ whose periods fall together: `SpectralDistance`, and two more.

    phase: mean |X - Y| / mean |X|, which is small only where phases agree as well.
    envelope: mean difference of log power over small patches, which chance moves less than bins.
    """

    magnitude: Scalar
    convergence: Scalar
    phase: Scalar
    envelope: Scalar


class Spectra(NamedTuple):
    """Spectra of a recording and of a made wave at one resolution, and their magnitudes."""

    target: Complex[Tensor, "B K T"]
    made: Complex[Tensor, "B K T"]
    loud: Float[Tensor, "B K T"]
    guessed: Float[Tensor, "B K T"]


def envelope(magnitude: Float[Tensor, "B K T"]) -> Float[Tensor, "B F S"]:
    """Half the log power of patches of a spectrum, 64 to a spectrum and three frames long."""
    high = max(2, (magnitude.shape[1] - 1) // 64)
    patches = F.avg_pool2d(magnitude.square()[:, None], (high, 3), (max(1, high // 2), 1))
    return 0.5 * patches[:, 0].clamp(min=1e-8).log()


def spectra(real: Wave, fake: Wave, resolutions: Sequence[Resolution]) -> Iterator[Spectra]:
    """The spectra of two waves at every resolution."""
    for sizes in resolutions:
        target, made = spectrum(real, *sizes), spectrum(fake, *sizes)
        yield Spectra(target, made, magnitude(target), magnitude(made))


def magnitudes_apart(
    loud: Float[Tensor, "B K T"], guessed: Float[Tensor, "B K T"]
) -> tuple[Scalar, Scalar]:
    """Distance of logarithms, and spectral convergence."""
    return (
        F.l1_loss(loud.clamp(min=1e-4).log(), guessed.clamp(min=1e-4).log()),
        torch.linalg.norm(loud - guessed) / torch.linalg.norm(loud).clamp(min=1e-4),
    )


def spectral_distance(
    real: Wave, fake: Wave, resolutions: Sequence[Resolution]
) -> SpectralDistance:
    """Compare magnitudes of short-time spectra at several resolutions.

    Source: Arik et al. 2018, "Fast Spectrogram Inversion", Eqs. 2 and 3, arXiv:1808.06719; several
    resolutions as in Yamamoto et al. 2020, "Parallel WaveGAN", section 2.2, arXiv:1910.11480.

    Args:
        resolutions: Fourier size, hop and, where it is shorter, window, in samples.
    """
    pairs = spectra(real, fake, resolutions)
    parts = [torch.stack(magnitudes_apart(pair.loud, pair.guessed)) for pair in pairs]
    return SpectralDistance(*torch.stack(parts).mean(dim=0))


def aligned_distance(real: Wave, fake: Wave, resolutions: Sequence[Resolution]) -> AlignedDistance:
    """Compare short-time spectra of waves that are aligned; the distance of phases is ours."""
    parts = [
        torch.stack([
            *magnitudes_apart(pair.loud, pair.guessed),
            magnitude(pair.target - pair.made).mean() / pair.loud.mean(),
            F.l1_loss(envelope(pair.guessed), envelope(pair.loud)),
        ])
        for pair in spectra(real, fake, resolutions)
    ]
    return AlignedDistance(*torch.stack(parts).mean(dim=0))


def power_distance(real: Wave, fake: Wave, fft_samples: int, hop_samples: int) -> Scalar:
    """Mean squared distance between power spectra, averaged over time first.

    Source: van den Oord et al. 2018, "Parallel WaveNet", "Power loss", arXiv:1711.10433.
    """
    powers = [
        magnitude(spectrum(wave, fft_samples, hop_samples)).square().mean(dim=2)
        for wave in (real, fake)
    ]
    return F.mse_loss(powers[1], powers[0])


def least_squares_critic(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Scalar:
    """Critic's loss: scores of recordings towards 1, of made waves towards 0.

    Source: Mao et al. 2017, "Least Squares GAN", Eq. 9, arXiv:1611.04076.
    """
    parts = [(r - 1).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(parts).mean()


def least_squares_generator(fake: Sequence[Tensor]) -> Scalar:
    """Generator's loss: scores of made waves towards 1."""
    return torch.stack([(f - 1).square().mean() for f in fake]).mean()


def hinge_critic(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Scalar:
    """Critic's loss: scores of recordings above 1, of made waves below -1; summed over critics.

    Source: Lim & Ye 2017, "Geometric GAN", arXiv:1705.02894; Kumar et al. 2019, "MelGAN", Eq. 1,
    arXiv:1910.06711.
    """
    parts = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(parts).sum()


def hinge_generator(fake: Sequence[Tensor]) -> Scalar:
    """Generator's loss: scores of made waves as high as can be; summed over critics."""
    return -torch.stack([f.mean() for f in fake]).sum()


def feature_distance(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Scalar:
    """Mean L1 between the critics' hidden layers; no gradient reaches the side of the recordings.

    Source: Kumar et al. 2019, "MelGAN", Eq. 4, arXiv:1910.06711.
    """
    return torch.stack([F.l1_loss(f, r.detach()) for r, f in zip(real, fake, strict=True)]).mean()


@runtime_checkable
class Heard(Protocol):
    """What critics say of a batch: a score map of each, and their hidden layers."""

    @property
    def scores(self) -> Sequence[Tensor]: ...
    @property
    def features(self) -> Sequence[Tensor]: ...


def copy_losses(
    critics: Callable[[Wave], Heard], mel: Callable[[Wave], Mel], real: Wave, fake: Wave
) -> dict[str, Scalar]:
    """What a copy of a recording is to be: `fool` the critics, `match` what they hear, and `mel`.

    The first two are summed over critics and layers. Mels are compared in full precision.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.4, arXiv:2010.05646.
    """
    with torch.no_grad():
        heard = critics(real)
    judged = critics(fake)
    with torch.autocast(fake.device.type, enabled=False):
        distance = F.l1_loss(mel(fake.float()), mel(real))
    return {
        "fool": len(judged.scores) * least_squares_generator(judged.scores),
        "match": len(heard.features) * feature_distance(heard.features, judged.features),
        "mel": distance,
    }
