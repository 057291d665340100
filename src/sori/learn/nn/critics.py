"""Critics (discriminators) of waves."""

from collections.abc import Sequence
from typing import NamedTuple

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
    Deviation: one layer less, and widths that start at `width` and end at four times that.
    """

    def __init__(self, period: int, width: int):
        super().__init__()
        self.period = period
        weight_norm = nn.utils.parametrizations.weight_norm
        widths = (1, width, 2 * width, 4 * width, 4 * width)
        self.layers = nn.ModuleList([
            weight_norm(nn.Conv2d(a, b, (5, 1), (3 if number < 3 else 1, 1), (2, 0)))
            for number, (a, b) in enumerate(zip(widths, widths[1:], strict=False))
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

    def __init__(self, periods: Sequence[int], width: int):
        super().__init__()
        self.critics = nn.ModuleList([PeriodCritic(period, width) for period in periods])

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
