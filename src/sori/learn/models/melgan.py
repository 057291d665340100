"""MelGAN: a feed-forward vocoder trained against critics at several sample rates.

Source: Kumar et al. 2019, "MelGAN", arXiv:1910.06711.
Deviations: waves are brought to the level of our features, not to full scale. The mel is stored as
natural logs and divided by ln 10 at the door, which gives the paper's decimal logs. A spectral
distance may be added, and critics may join later, as in Yang et al. 2020, "Multi-band MelGAN",
section 2.3, arXiv:2005.05106; the defaults are the paper's, without either.
"""

import math
from collections.abc import Iterator
from dataclasses import field

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Frames, Mel, Scalar, Spec, Update, Wave
from sori.learn.losses import (
    feature_distance,
    hinge_critic,
    hinge_generator,
    spectral_distance,
)
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.conv import require_product, upsampling_conv, weight_norm
from sori.learn.nn.critics import ScaleCritics
from sori.learn.nn.noise import Chance

SLOPE = 0.2


def paper_mel() -> MelSpec:
    """The paper's front end: 22.05 kHz, hop 256, 80 bands up to half the sample rate."""
    return MelSpec(sample_rate=22050, hop_samples=256, f_max_hz=11025.0)


@dataclass(config=strict, frozen=True)
class MelGANConfig:
    """Defaults are the paper's values."""

    mel: MelSpec = field(default_factory=paper_mel)
    width: int = 512  # halves at every stage
    strides: tuple[int, ...] = (8, 8, 2, 2)  # their product is mel.hop_samples
    dilations: tuple[int, ...] = (1, 3, 9)
    critics: int = 3  # each hears the wave at half the rate of the one before
    critic_width: int = 16
    critic_limit: int = 1024
    # Lambda of Eq. 4 is 10, and the authors' program weights each of the sums over 6 layers by
    # 4 / 5 and averages over critics: 48 times the mean of all layers.
    feature_weight: float = 48.0
    spectral_weight: float = 0.0
    # Size, hop and window of every transform, in samples.
    resolutions: tuple[tuple[int, int, int], ...] = (
        (1024, 120, 600),
        (2048, 240, 1200),
        (512, 50, 240),
    )
    critics_start_step: int = 0

    def __post_init__(self) -> None:
        require_product(self.strides, self.mel)
        if self.width % 2 ** len(self.strides):
            raise ValueError(f"width {self.width} cannot be halved {len(self.strides)} times")
        if self.critics_start_step and not self.spectral_weight:
            raise ValueError(
                f"critics_start_step is {self.critics_start_step} and spectral_weight 0: until the "
                "critics join there is nothing to learn from"
            )


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class MelGANBatch:
    mel: Mel
    wave: Wave


def reflecting_conv(
    channels_in: int, channels_out: int, kernel: int, dilation: int = 1
) -> nn.Module:
    """Weight-normed convolution that mirrors the ends of its input."""
    edge = (kernel - 1) // 2 * dilation
    return nn.Sequential(
        nn.ReflectionPad1d(edge),
        weight_norm(nn.Conv1d(channels_in, channels_out, kernel, dilation=dilation)),
    )


class ResidualBlock(nn.Module):
    """A dilated and a 1x1 convolution beside a 1x1 shortcut.

    Source: section 2.1, "Induced receptive field"; sizes from appendix A.
    """

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.dilated = reflecting_conv(channels, channels, 3, dilation)
        self.leave = weight_norm(nn.Conv1d(channels, channels, 1))
        self.shortcut = weight_norm(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Frames) -> Frames:
        h = self.dilated(F.leaky_relu(x, SLOPE))
        return self.shortcut(x) + self.leave(F.leaky_relu(h, SLOPE))


class Stage(nn.Module):
    """Multiplies the rate by `stride`, halves the channels, then looks around."""

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, dilations: tuple[int, ...]
    ):
        super().__init__()
        self.upsample = weight_norm(upsampling_conv(channels_in, channels_out, stride))
        self.blocks = nn.Sequential(*(ResidualBlock(channels_out, d) for d in dilations))

    def forward(self, x: Frames) -> Float[Tensor, "B C_out T_up"]:
        return self.blocks(self.upsample(F.leaky_relu(x, SLOPE)))


class MelGAN(nn.Module):
    """Upsamples mel frames to samples through transposed convolutions."""

    def __init__(self, config: MelGANConfig):
        super().__init__()
        self.mel_spec = config.mel
        widths = [config.width >> stage for stage in range(len(config.strides) + 1)]
        self.enter = reflecting_conv(config.mel.bins, widths[0], 7)
        self.stages = nn.Sequential(
            *(
                Stage(a, b, stride, config.dilations)
                for a, b, stride in zip(widths, widths[1:], config.strides, strict=False)
            )
        )
        self.leave = reflecting_conv(widths[-1], 1, 7)

    def forward(self, mel: Mel) -> Wave:
        x = self.stages(self.enter(mel / math.log(10)))
        return torch.tanh(self.leave(F.leaky_relu(x, SLOPE)))[:, 0]

    @property
    def noises(self) -> tuple[Chance, ...]:
        """It needs none: the same mel gives the same wave."""
        return ()

    speak = vocode = forward


class MelGANTask(nn.Module):
    """Hinge GAN with feature matching, Eqs. 1 to 4; spectral distances where the config asks."""

    def __init__(self, config: MelGANConfig):
        super().__init__()
        self.config = config
        self.generator = MelGAN(config)
        self.critics = ScaleCritics(config.critics, config.critic_width, config.critic_limit)
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critics": self.critics}

    def training_step(self, batch: MelGANBatch) -> Iterator[Update]:
        judged = int(self.get_buffer("step")) >= self.config.critics_start_step
        fake = self.generator(batch.mel)
        if judged:
            loss = hinge_critic(self.critics(batch.wave).scores, self.critics(fake.detach()).scores)
            yield Update("critics", loss, {"hinge": loss})

        loss, terms = self.spectral_loss(batch.wave, fake)
        if judged:
            with torch.no_grad():
                real = self.critics(batch.wave)
            heard = self.critics(fake)
            fool = hinge_generator(heard.scores)
            match = feature_distance(real.features, heard.features)
            loss = loss + fool + self.config.feature_weight * match
            terms |= {"fool": fool, "match": match}
        yield Update("generator", loss, terms)

    def spectral_loss(self, real: Wave, fake: Wave) -> tuple[Scalar, dict[str, Tensor]]:
        """Weighted distance of spectra, and its parts; nothing where it has no weight."""
        config = self.config
        if not config.spectral_weight:
            return fake.new_zeros(()), {}
        with torch.autocast(fake.device.type, enabled=False):
            distance = spectral_distance(real, fake.float(), config.resolutions)
        loss = config.spectral_weight * (distance.magnitude + distance.convergence)
        return loss, {"magnitude": distance.magnitude, "convergence": distance.convergence}


SPEC = Spec(
    paper="arXiv:1910.06711",
    config=MelGANConfig,
    model=MelGAN,
    task=MelGANTask,
    batch=MelGANBatch,
    tiny=MelGANConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        width=16,
        strides=(4, 4, 2, 2),
        dilations=(1, 3),
        critics=2,
        critic_width=4,
        critic_limit=16,
    ),
    crop=True,
)
