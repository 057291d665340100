"""UnivNet: noise becomes a wave through convolutions whose kernels are read from the mel.

Source: Jang et al. 2021, "UnivNet", arXiv:2106.07889; location-variable convolution from Zeng et
al. 2021, "LVCNet", arXiv:2102.10815.
Deviations: the period critics are fed waves five times louder and use slope 0.2, as all of ours.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Frames, Mel, Spec, Update, Wave
from sori.learn.losses import least_squares_critic, least_squares_generator, spectral_distance
from sori.learn.mel import MEL_24_KHZ_100, MelSpec, strict
from sori.learn.nn.conv import require_product, upsampling_conv, weight_norm
from sori.learn.nn.critics import Judgement, PeriodCritics, SpectrumCritics
from sori.learn.nn.noise import Chance, vocode

Kernels = Float[Tensor, "B L C_in C_out K T"]
Biases = Float[Tensor, "B L C_out T"]


@dataclass(config=strict, frozen=True)
class UnivNetConfig:
    """Defaults are those of UnivNet-c32."""

    mel: MelSpec = MEL_24_KHZ_100
    width: int = 32  # 16 in UnivNet-c16
    noise_channels: int = 64
    strides: tuple[int, ...] = (8, 8, 4)  # their product is mel.hop_samples
    dilations: tuple[int, ...] = (1, 3, 9, 27)
    predictor_width: int = 64
    predictor_blocks: int = 3
    slope: float = 0.2
    # Size, hop and window of every transform, in samples.
    resolutions: tuple[tuple[int, int, int], ...] = (
        (1024, 120, 600),
        (2048, 240, 1200),
        (512, 50, 240),
    )
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    critic_width: int = 32
    period_widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    spectral_weight: float = 2.5
    critics_start_step: int = 200_000

    def __post_init__(self) -> None:
        require_product(self.strides, self.mel)


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class UnivNetBatch:
    mel: Mel
    wave: Wave


def location_variable_conv(
    x: Frames, kernels: Float[Tensor, "B C C_out K F"], biases: Float[Tensor, "B C_out F"]
) -> Float[Tensor, "B C_out T"]:
    """Convolve each of F equal stretches of `x` with a kernel of its own.

        y_t = b_f + sum_k W_f,k x_{t + k - K // 2},   f = floor(t F / T)

    Raises:
        ValueError: the stretches are not equally long.
    """
    size, frames = kernels.shape[3], int(kernels.shape[4])
    length = int(x.shape[2])
    if length % frames:
        raise ValueError(f"{length} samples cannot be divided among {frames} kernels")
    padded = F.pad(x, (size // 2, size // 2))
    taps = [padded[:, :, tap : padded.shape[2] - size + 1 + tap] for tap in range(size)]
    # (B, F, C K, hop): what each place of a stretch sees.
    stretches = torch.stack(taps, dim=2).unflatten(3, (-1, length // frames))
    seen = stretches.permute(0, 3, 1, 2, 4).flatten(2, 3)
    weights = kernels.permute(0, 4, 2, 1, 3).flatten(3)
    y = weights @ seen + biases.transpose(1, 2)[..., None]
    return y.transpose(1, 2).flatten(2)


class KernelPredictor(nn.Module):
    """Reads from the mel the kernels and biases of every layer at every frame."""

    def __init__(self, config: UnivNetConfig, kernel: int = 3):
        super().__init__()
        self.slope = config.slope
        hidden, layers, width = config.predictor_width, len(config.dilations), config.width
        self.kernel_shape = (layers, width, 2 * width, kernel)
        self.enter = weight_norm(nn.Conv1d(config.mel.bins, hidden, 5, padding=2))
        self.blocks = nn.ModuleList([
            nn.Sequential(
                weight_norm(nn.Conv1d(hidden, hidden, 3, padding=1)),
                nn.LeakyReLU(self.slope),
                weight_norm(nn.Conv1d(hidden, hidden, 3, padding=1)),
                nn.LeakyReLU(self.slope),
            )
            for _ in range(config.predictor_blocks)
        ])
        self.kernels = weight_norm(nn.Conv1d(hidden, math.prod(self.kernel_shape), 3, padding=1))
        self.biases = weight_norm(nn.Conv1d(hidden, layers * 2 * width, 3, padding=1))

    def forward(self, mel: Mel) -> tuple[Kernels, Biases]:
        h = F.leaky_relu(self.enter(mel), self.slope)
        for block in self.blocks:
            h = h + block(h)
        kernels = self.kernels(h).unflatten(1, self.kernel_shape)
        return kernels, self.biases(h).unflatten(1, (self.kernel_shape[0], -1))


class VariableBlock(nn.Module):
    """Upsamples, then passes gated layers whose second convolution varies with the mel.

    Source: section 2.1, "location-variable convolution".
    """

    def __init__(self, config: UnivNetConfig, stride: int):
        super().__init__()
        self.slope, width = config.slope, config.width
        self.upsample = weight_norm(upsampling_conv(width, width, stride))
        self.predict = KernelPredictor(config)
        self.convs = nn.ModuleList([
            weight_norm(nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation))
            for dilation in config.dilations
        ])

    def forward(self, x: Float[Tensor, "B C T_in"], mel: Mel) -> Float[Tensor, "B C T_up"]:
        x = self.upsample(F.leaky_relu(x, self.slope))
        kernels, biases = self.predict(mel)
        for layer, conv in enumerate(self.convs):
            h = F.leaky_relu(conv(F.leaky_relu(x, self.slope)), self.slope)
            h = location_variable_conv(h, kernels[:, layer], biases[:, layer])
            gate, content = h.chunk(2, dim=1)
            x = x + torch.sigmoid(gate) * torch.tanh(content)
        return x


class UnivNet(nn.Module):
    """Shapes noise at the frame rate into a wave, told how by the mel."""

    def __init__(self, config: UnivNetConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.enter = weight_norm(
            nn.Conv1d(config.noise_channels, config.width, 7, padding=3, padding_mode="reflect")
        )
        self.blocks = nn.ModuleList([VariableBlock(config, stride) for stride in config.strides])
        self.leave = weight_norm(nn.Conv1d(config.width, 1, 7, padding=3, padding_mode="reflect"))

    def forward(self, mel: Mel, noise: Float[Tensor, "B C T_noise"]) -> Wave:
        """Make a wave of a mel and normal noise with as many frames.

        Raises:
            ValueError: the noise has another length.
        """
        if noise.shape[2] != mel.shape[2]:
            raise ValueError(f"noise has {noise.shape[2]} frames, the mel {mel.shape[2]}")
        x = self.enter(noise)
        for block in self.blocks:
            x = block(x, mel)
        return torch.tanh(self.leave(F.leaky_relu(x, self.config.slope)))[:, 0]

    speak = forward

    @property
    def noises(self) -> tuple[Chance, ...]:
        return (Chance("normal", self.config.noise_channels, per_frame=1),)

    def draw_noise(self, mel: Mel) -> Frames:
        """Normal noise for a mel."""
        return self.noises[0].draw(mel)

    def vocode(self, mel: Mel) -> Wave:
        """Make a wave of a mel; every call draws other noise."""
        return vocode(self, mel)


class Critics(nn.Module):
    """Critics of spectra at several resolutions and of waves at several periods.

    Source: section 2.2.
    """

    def __init__(self, config: UnivNetConfig):
        super().__init__()
        self.spectra = SpectrumCritics(config.resolutions, config.critic_width)
        self.periods = PeriodCritics(config.periods, config.period_widths)

    def forward(self, wave: Wave) -> Judgement:
        first, second = self.spectra(wave), self.periods(wave)
        return Judgement(first.scores + second.scores, first.features + second.features)


class UnivNetTask(nn.Module):
    """Least-squares GAN with spectral distances, section 2.3; critics join after a while."""

    def __init__(self, config: UnivNetConfig):
        super().__init__()
        self.config = config
        self.generator = UnivNet(config)
        self.critics = Critics(config)
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critics": self.critics}

    def training_step(self, batch: UnivNetBatch) -> Iterator[Update]:
        judged = int(self.get_buffer("step")) >= self.config.critics_start_step
        fake = self.generator(batch.mel, self.generator.draw_noise(batch.mel))
        if judged:
            real = self.critics(batch.wave).scores
            loss = least_squares_critic(real, self.critics(fake.detach()).scores)
            yield Update("critics", loss, {"critic": loss})

        with torch.autocast(fake.device.type, enabled=False):
            distance = spectral_distance(batch.wave, fake.float(), self.config.resolutions)
        spectral = distance.magnitude + distance.convergence
        loss = self.config.spectral_weight * spectral
        terms = {"magnitude": distance.magnitude, "convergence": distance.convergence}
        if judged:
            fool = least_squares_generator(self.critics(fake).scores)
            loss = loss + fool
            terms["fool"] = fool
        yield Update("generator", loss, terms)


SPEC = Spec(
    paper="arXiv:2106.07889",
    config=UnivNetConfig,
    model=UnivNet,
    task=UnivNetTask,
    batch=UnivNetBatch,
    tiny=UnivNetConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        width=4,
        noise_channels=8,
        strides=(4, 4, 4),
        dilations=(1, 3),
        predictor_width=8,
        predictor_blocks=1,
        resolutions=((256, 32, 128), (128, 16, 64)),
        periods=(2, 3),
        critic_width=4,
        period_widths=(4, 8, 16),
        critics_start_step=0,
    ),
    crop=True,
)
