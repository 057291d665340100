"""HiFi-GAN: upsamples a mel through residual blocks of several kernels at once.

Source: Kong et al. 2020, "HiFi-GAN", arXiv:2010.05646.
Deviations: the critics of scales are MelGAN's, which hear as much in fewer layers, and none of them
has spectral norm; the period critics are fed waves five times louder and use slope 0.2, as all of
ours.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import nn
from torch.nn import functional as F

from sori.learn.contracts import Mel, Spec, Update, Wave
from sori.learn.losses import copy_losses, least_squares_critic
from sori.learn.mel import MEL_22_KHZ, MelSpec, MelSpectrogram, strict
from sori.learn.nn.conv import require_product, weight_norm
from sori.learn.nn.critics import CriticPair, PeriodCritics, ScaleCritics
from sori.learn.nn.noise import Chance
from sori.learn.nn.upsampling import (
    Block,
    Dilations,
    ResidualBlock,
    ShortResidualBlock,
    of_each,
    upsampling_stages,
)

LAST_SLOPE = 0.01  # of the activation before the last convolution, in the authors' program
BLOCKS: dict[str, Block] = {"paired": ResidualBlock, "short": ShortResidualBlock}


@dataclass(config=strict, frozen=True)
class HiFiGANConfig:
    """Defaults are those of the paper's V1; V2 has width 128; V3 has `blocks` "short", width 256,
    strides 8, 8, 4, kernels 3, 5, 7 and dilations (1, 2), (2, 6), (3, 12).
    """

    mel: MelSpec = MEL_22_KHZ
    width: int = 512  # halves at every stage
    strides: tuple[int, ...] = (8, 8, 2, 2)  # their product is mel.hop_samples
    kernels: tuple[int, ...] = (3, 7, 11)  # of the residual blocks that work side by side
    dilations: Dilations = (1, 3, 5)  # of the layers of all blocks, or a row for each
    blocks: Literal["paired", "short"] = "paired"
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_widths: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    critics: int = 3  # of scales
    critic_width: int = 16
    critic_limit: int = 1024
    feature_weight: float = 2.0
    mel_weight: float = 45.0

    def __post_init__(self) -> None:
        require_product(self.strides, self.mel)
        if self.width % 2 ** len(self.strides):
            raise ValueError(f"width {self.width} cannot be halved {len(self.strides)} times")
        if len(of_each(self.dilations, len(self.kernels))) != len(self.kernels):
            raise ValueError(
                f"dilations {self.dilations} are not one row for each of kernels {self.kernels}"
            )


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class HiFiGANBatch:
    mel: Mel
    wave: Wave


class HiFiGAN(nn.Module):
    """Makes a wave of a mel."""

    def __init__(self, config: HiFiGANConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.enter = weight_norm(nn.Conv1d(config.mel.bins, config.width, 7, padding=3))
        self.stages = upsampling_stages(
            config.width, config.strides, config.kernels, config.dilations, BLOCKS[config.blocks]
        )
        self.leave = weight_norm(nn.Conv1d(config.width >> len(config.strides), 1, 7, padding=3))

    def forward(self, mel: Mel) -> Wave:
        x = self.stages(self.enter(mel))
        return torch.tanh(self.leave(F.leaky_relu(x, LAST_SLOPE)))[:, 0]

    @property
    def noises(self) -> tuple[Chance, ...]:
        """It needs none: the same mel gives the same wave."""
        return ()

    speak = vocode = forward


class HiFiGANTask(nn.Module):
    """Least-squares GAN with feature matching and the L1 distance of mels, section 2.4.

    The paper sums over critics and layers where our losses take means.
    """

    def __init__(self, config: HiFiGANConfig):
        super().__init__()
        self.config = config
        self.generator = HiFiGAN(config)
        self.critics = CriticPair(
            PeriodCritics(config.periods, config.period_widths),
            ScaleCritics(config.critics, config.critic_width, config.critic_limit),
        )
        # The loss hears the whole band, also what the generator is not shown.
        self.mel = MelSpectrogram(replace(config.mel, f_max_hz=config.mel.sample_rate / 2))

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critics": self.critics}

    def training_step(self, batch: HiFiGANBatch) -> Iterator[Update]:
        fake = self.generator(batch.mel)

        real = self.critics(batch.wave)
        count = len(real.scores)
        loss = count * least_squares_critic(real.scores, self.critics(fake.detach()).scores)
        yield Update("critics", loss, {"critic": loss})

        terms = copy_losses(self.critics, self.mel, batch.wave, fake)
        loss = terms["fool"] + self.config.feature_weight * terms["match"]
        yield Update("generator", loss + self.config.mel_weight * terms["mel"], terms)


SPEC = Spec(
    paper="arXiv:2010.05646",
    config=HiFiGANConfig,
    model=HiFiGAN,
    task=HiFiGANTask,
    batch=HiFiGANBatch,
    tiny=HiFiGANConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        width=16,
        strides=(4, 4, 2, 2),
        kernels=(3, 5),
        dilations=(1, 3),
        periods=(2, 3),
        period_widths=(4, 8),
        critics=2,
        critic_width=4,
        critic_limit=16,
    ),
    crop=True,
)
