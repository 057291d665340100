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


class SpectrogramCritic(nn.Module):
    """Scores the log-magnitude spectrogram at one resolution with 2-d convolutions.

    Source: Jang et al. 2021, "UnivNet", section 2.3, arXiv:2106.07889.
    Deviation: strides of four along frequency in the first two layers, and log magnitudes, so that
    a critic costs about as much as a frame-rate generator.
    """

    def __init__(self, fft_samples: int, hop_samples: int, width: int):
        super().__init__()
        self.fft_samples = fft_samples
        self.hop_samples = hop_samples
        self.register_buffer("window", torch.hann_window(fft_samples), persistent=False)
        weight_norm = nn.utils.parametrizations.weight_norm
        self.layers = nn.ModuleList([
            weight_norm(nn.Conv2d(1, width, (9, 3), (4, 1), (4, 1))),
            weight_norm(nn.Conv2d(width, 2 * width, (9, 3), (4, 1), (4, 1))),
            weight_norm(nn.Conv2d(2 * width, 2 * width, (9, 3), (2, 1), (4, 1))),
            weight_norm(nn.Conv2d(2 * width, 2 * width, (3, 3), (1, 1), (1, 1))),
        ])
        self.score = weight_norm(nn.Conv2d(2 * width, 1, (3, 3), 1, (1, 1)))

    def picture(self, wave: Wave) -> Float[Tensor, "B 1 K T"]:
        window = self.get_buffer("window")
        spectrum = torch.stft(
            wave, self.fft_samples, self.hop_samples, window=window, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return 0.5 * torch.log(power + 1e-6)[:, None]

    def forward(self, wave: Wave) -> tuple[Tensor, list[Tensor]]:
        x = self.picture(wave)
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), features


class SpectrogramCritics(nn.Module):
    """Spectrogram critics at several resolutions.

    Args (of the constructor):
        resolutions: pairs of Fourier size and hop, in samples.
        width: channels of the first layer; later ones have twice as many.
    """

    def __init__(self, resolutions: Sequence[tuple[int, int]], width: int):
        super().__init__()
        self.critics = nn.ModuleList([SpectrogramCritic(n, hop, width) for n, hop in resolutions])

    def forward(self, wave: Wave) -> Judgement:
        heard = [critic(wave) for critic in self.critics]
        return Judgement(
            [score for score, _ in heard], [layer for _, layers in heard for layer in layers]
        )
