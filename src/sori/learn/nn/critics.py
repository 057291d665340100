"""Critics (discriminators) of waves."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Wave

SLOPE = 0.2


class Judgement(NamedTuple):
    """What critics say of a batch: one score map each, and their hidden layers."""

    scores: list[Tensor]
    features: list[Tensor]


class PeriodCritic(nn.Module):
    """Scores a wave folded into rows of `period` samples: it sees what repeats at that period.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.3, arXiv:2010.05646.
    Deviation: the caller says how many layers there are and how wide they are; slope 0.2.
    """

    def __init__(self, period: int, widths: Sequence[int]):
        super().__init__()
        self.period = period
        weight_norm = nn.utils.parametrizations.weight_norm
        # All layers but the last take every third row.
        self.layers = nn.ModuleList([
            weight_norm(nn.Conv2d(a, b, (5, 1), (3 if number < len(widths) else 1, 1), (2, 0)))
            for number, (a, b) in enumerate(zip((1, *widths), widths, strict=False), start=1)
        ])
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, wave: Wave) -> tuple[Tensor, list[Tensor]]:
        whole = wave.shape[1] // self.period * self.period
        # Speech at the level that features are brought to has about a fifth of unit deviation.
        x = 5 * wave[:, :whole].unflatten(1, (-1, self.period))[:, None]
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), features


class PeriodCritics(nn.Module):
    """Period critics at several periods, best prime to each other."""

    def __init__(self, periods: Sequence[int], widths: Sequence[int]):
        super().__init__()
        self.critics = nn.ModuleList([PeriodCritic(period, widths) for period in periods])

    def forward(self, wave: Wave) -> Judgement:
        return join([critic(wave) for critic in self.critics])


def join(heard: list[tuple[Tensor, list[Tensor]]]) -> Judgement:
    """Scores and layers of several critics as one judgement."""
    return Judgement(
        [score for score, _ in heard], [layer for _, layers in heard for layer in layers]
    )


class ScaleCritic(nn.Module):
    """Scores windows of a wave through grouped, strided convolutions.

    Source: Kumar et al. 2019, "MelGAN", section 2.2 and appendix A, arXiv:1910.06711.
    """

    def __init__(self, width: int, limit: int, downsamplings: int = 4):
        super().__init__()
        weight_norm = nn.utils.parametrizations.weight_norm
        widths = [min(width * 4**number, limit) for number in range(downsamplings + 1)]
        last = widths[-1]
        self.layers = nn.ModuleList([
            nn.Sequential(nn.ReflectionPad1d(7), weight_norm(nn.Conv1d(1, width, 15))),
            *(
                weight_norm(nn.Conv1d(a, b, 41, 4, 20, groups=a // 4))
                for a, b in zip(widths, widths[1:], strict=False)
            ),
            weight_norm(nn.Conv1d(last, last, 5, padding=2)),
        ])
        self.score = weight_norm(nn.Conv1d(last, 1, 3, padding=1))

    def forward(self, wave: Wave) -> tuple[Tensor, list[Tensor]]:
        x, features = wave[:, None], []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), features


class ScaleCritics(nn.Module):
    """Equal critics, each of which hears the wave at half the rate of the one before."""

    def __init__(self, scales: int, width: int, limit: int):
        super().__init__()
        self.critics = nn.ModuleList([ScaleCritic(width, limit) for _ in range(scales)])

    def forward(self, wave: Wave) -> Judgement:
        heard = []
        for critic in self.critics:
            heard.append(critic(wave))
            wave = F.avg_pool1d(wave[:, None], 4, 2, 1, count_include_pad=False)[:, 0]
        return join(heard)


class SpectrumCritic(nn.Module):
    """Scores the magnitudes of a short-time Fourier transform as a picture.

    Source: Jang et al. 2021, "UnivNet", section 2.2, arXiv:2106.07889.

    Args (of the constructor):
        sizes: transform, hop and window, in samples.
    """

    window: Tensor

    def __init__(self, sizes: tuple[int, int, int], width: int):
        super().__init__()
        weight_norm = nn.utils.parametrizations.weight_norm
        self.sizes = sizes
        self.register_buffer("window", torch.hann_window(sizes[2]), persistent=False)
        # Frequency, then time; strides shorten time alone.
        self.layers = nn.ModuleList([
            weight_norm(nn.Conv2d(1, width, (3, 9), 1, (1, 4))),
            *(weight_norm(nn.Conv2d(width, width, (3, 9), (1, 2), (1, 4))) for _ in range(3)),
            weight_norm(nn.Conv2d(width, width, 3, 1, 1)),
        ])
        self.score = weight_norm(nn.Conv2d(width, 1, 3, 1, 1))

    def magnitude(self, wave: Wave) -> Float[Tensor, "B 1 K T"]:
        """Linear magnitudes, in full precision whatever surrounds them."""
        size, hop, window = self.sizes
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = torch.stft(wave.float(), size, hop, window, self.window, return_complex=True)
            # The gradient of the square root has no bound at zero.
            return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)[:, None]

    def forward(self, wave: Wave) -> tuple[Tensor, list[Tensor]]:
        x, features = self.magnitude(wave), []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), features


class SpectrumCritics(nn.Module):
    """Critics of spectra at several resolutions."""

    def __init__(self, resolutions: Sequence[tuple[int, int, int]], width: int):
        super().__init__()
        self.critics = nn.ModuleList([SpectrumCritic(sizes, width) for sizes in resolutions])

    def forward(self, wave: Wave) -> Judgement:
        return join([critic(wave) for critic in self.critics])


class CriticPair(nn.Module):
    """Critics of waves at several periods and at several scales.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.3, arXiv:2010.05646.
    """

    def __init__(self, periods: PeriodCritics, scales: ScaleCritics):
        super().__init__()
        self.periods = periods
        self.scales = scales

    def forward(self, wave: Wave) -> Judgement:
        first, second = self.periods(wave), self.scales(wave)
        return Judgement(first.scores + second.scores, first.features + second.features)
