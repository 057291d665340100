"""WaveNet: draws one sample after the other, each from a distribution that sees all before it.

Sources: van den Oord et al. 2016, "WaveNet", arXiv:1609.03499 (network, mu-law); Salimans et al.
2017, "PixelCNN++", arXiv:1701.05517 (mixture of logistics); Ping et al. 2018, "ClariNet", section
3.1, arXiv:1807.07281 (Gaussian). Sizes and conditioning on mels are those of the public program
r9y9/wavenet_vocoder.
Deviations: a speaker's vector joins the mel in front of one 1x1 convolution, the sum of the two
convolutions that the paper writes; the last layer has no residual output, which nobody reads; no
pre-emphasis.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from typing import Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from sori.learn.contracts import Lengths, Mel, Spec, Update, Wave
from sori.learn.mel import MelSpec, strict
from sori.learn.nn import compiled
from sori.learn.nn.conv import require_product, weight_norm
from sori.learn.nn.distributions import (
    category_sample,
    gaussian_log_prob,
    gaussian_sample,
    gumbel,
    interior,
    logit,
    mixture_log_prob,
    mixture_sample,
    mu_law_decode,
    mu_law_encode,
)
from sori.learn.nn.wavenet import (
    GatedStack,
    SampleCondition,
    StackSize,
    cycled_dilations,
    wavenet_mel,
)

Parameters = Float[Tensor, "B P S"]
Condition = Float[Tensor, "B K S"]
Uniform = Float[Tensor, "B U S"]


@dataclass(config=strict, frozen=True)
class WaveNetConfig:
    """Defaults are those of the mixture of logistics; softmax over mu-law took 30 layers in 3."""

    mel: MelSpec = field(default_factory=wavenet_mel)
    head: Literal["mu_law", "mixture", "gaussian"] = "mixture"
    layers: int = 24
    stacks: int = 4
    kernel: int = 3
    residual: int = 128
    gate: int = 128  # of the product; the convolution makes twice as many
    skip: int = 128
    strides: tuple[int, ...] = (4, 4, 4, 4)  # their product is mel.hop_samples
    speakers: tuple[str, ...] = ("speaker",)
    speaker_width: int = 16
    classes: int = 256  # of mu-law
    mixtures: int = 10
    levels: int = 65536  # that the mixture tells apart: 16 bits
    log_scale_floor: float = -16.0

    def __post_init__(self) -> None:
        require_product(self.strides, self.mel)
        cycled_dilations(self.layers, self.stacks)


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class WaveNetBatch:
    mel: Mel
    wave: Wave
    speaker: Lengths


class Head(Protocol):
    """What the numbers that the network returns at every sample mean."""

    channels_in: int
    parameters: int
    draws: int  # uniform numbers that one sample takes
    bin: float | None  # width of what `log_prob` tells apart, 1 for a density; None if uneven
    constants: np.ndarray  # that drawing in the compiled loop needs

    def enter(self, wave: Wave) -> Float[Tensor, "B C_in S"]: ...

    def log_prob(self, parameters: Parameters, wave: Wave) -> Wave: ...

    def draw(self, parameters: Parameters, uniform: Uniform) -> Wave: ...

    def noise(self, uniform: Uniform) -> Uniform:
        """What the compiled loop adds and compares instead of transforming uniform numbers."""
        ...


class MuLawHead:
    """Softmax over companded levels; the input is one-hot."""

    def __init__(self, config: WaveNetConfig):
        self.channels_in = self.parameters = self.classes = config.classes
        self.draws = 1
        self.bin = None
        self.constants = mu_law_decode(torch.arange(self.classes), self.classes).float().numpy()

    def enter(self, wave: Wave) -> Float[Tensor, "B C_in S"]:
        codes = mu_law_encode(wave, self.classes)
        return F.one_hot(codes, self.classes).transpose(1, 2).to(wave.dtype)

    def log_prob(self, parameters: Parameters, wave: Wave) -> Wave:
        codes = mu_law_encode(wave, self.classes)
        return F.log_softmax(parameters, dim=1).gather(1, codes[:, None])[:, 0]

    def draw(self, parameters: Parameters, uniform: Uniform) -> Wave:
        codes = category_sample(parameters, uniform[:, 0])
        return mu_law_decode(codes, self.classes).to(parameters.dtype)

    def noise(self, uniform: Uniform) -> Uniform:
        return uniform


class MixtureHead:
    """Mixture of logistics over 16-bit levels: logits, means and log scales."""

    def __init__(self, config: WaveNetConfig):
        self.channels_in = 1
        self.parameters = 3 * config.mixtures
        self.draws = config.mixtures + 1
        self.levels, self.floor = config.levels, config.log_scale_floor
        self.bin = 2 / (config.levels - 1)
        self.constants = np.array([self.floor], np.float32)

    def enter(self, wave: Wave) -> Float[Tensor, "B C_in S"]:
        return wave[:, None]

    def log_prob(self, parameters: Parameters, wave: Wave) -> Wave:
        logits, means, log_scales = parameters.chunk(3, dim=1)
        return mixture_log_prob(wave, logits, means, log_scales.clamp(min=self.floor), self.levels)

    def draw(self, parameters: Parameters, uniform: Uniform) -> Wave:
        logits, means, log_scales = parameters.chunk(3, dim=1)
        log_scales = log_scales.clamp(min=self.floor)
        return mixture_sample(logits, means, log_scales, uniform[:, 1:], uniform[:, 0])

    def noise(self, uniform: Uniform) -> Uniform:
        return torch.cat([logit(interior(uniform[:, :1])), gumbel(uniform[:, 1:])], dim=1)


class GaussianHead:
    """One normal density: mean and log scale."""

    def __init__(self, config: WaveNetConfig):
        self.channels_in = self.draws = 1
        self.parameters = 2
        self.bin = 1.0
        self.floor = config.log_scale_floor
        self.constants = np.array([self.floor], np.float32)

    def enter(self, wave: Wave) -> Float[Tensor, "B C_in S"]:
        return wave[:, None]

    def log_prob(self, parameters: Parameters, wave: Wave) -> Wave:
        mean, log_scale = parameters.unbind(dim=1)
        return gaussian_log_prob(wave, mean, log_scale.clamp(min=self.floor))

    def draw(self, parameters: Parameters, uniform: Uniform) -> Wave:
        mean, log_scale = parameters.unbind(dim=1)
        return gaussian_sample(mean, log_scale.clamp(min=self.floor), uniform[:, 0])

    def noise(self, uniform: Uniform) -> Uniform:
        return torch.special.ndtri(interior(uniform))


HEADS: dict[str, type[MuLawHead] | type[MixtureHead] | type[GaussianHead]] = {
    "mu_law": MuLawHead,
    "mixture": MixtureHead,
    "gaussian": GaussianHead,
}


class WaveNet(nn.Module):
    """Tells of every sample how it is distributed, given those before it, a mel and a speaker."""

    def __init__(self, config: WaveNetConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.head = HEADS[config.head](config)
        self.condition = SampleCondition(
            config.mel.bins, config.strides, len(config.speakers), config.speaker_width
        )
        self.enter = weight_norm(nn.Conv1d(self.head.channels_in, config.residual, 1))
        self.stack = GatedStack(
            StackSize(
                config.residual,
                config.gate,
                config.skip,
                config.kernel,
                cycled_dilations(config.layers, config.stacks),
                config.mel.bins + config.speaker_width,
                is_causal=True,
                residual_scale=0.5**0.5,
            )
        )
        self.middle = weight_norm(nn.Conv1d(config.skip, config.skip, 1))
        self.leave = nn.Conv1d(config.skip, self.head.parameters, 1)

    def read(self, inputs: Float[Tensor, "B C_in S"], condition: Condition) -> Parameters:
        """The network proper; column t of the output has seen columns 0 to t of `inputs`."""
        return self.judge(self.stack(self.enter(inputs), condition))

    def judge(self, skips: Float[Tensor, "B O S"]) -> Parameters:
        """From the sum of skips to parameters, in full precision: scales are exponents."""
        h = F.relu(self.middle(F.relu(skips)))
        with torch.autocast(h.device.type, enabled=False):
            return self.leave(h.to(self.leave.weight.dtype))

    def forward(self, wave: Wave, mel: Mel, speaker: Lengths | None = None) -> Parameters:
        """Parameters of p(x_t | x_<t, mel, speaker) at every t."""
        past = F.pad(wave, (1, -1))  # silence stands before the first sample
        return self.read(self.head.enter(past), self.condition(mel, speaker))

    def log_prob(self, parameters: Parameters, wave: Wave) -> Wave:
        """Log probability of every sample of `wave`, a density where the head is Gaussian."""
        return self.head.log_prob(parameters, wave)

    def log_density(self, parameters: Parameters, wave: Wave) -> Wave:
        """Log density of every sample, smooth in `wave`, for whoever learns from this network.

        Raises:
            ValueError: the head knows uneven levels only.
        """
        if self.head.bin is None:
            raise ValueError(f"head {self.config.head!r} has no density; use mixture or gaussian")
        return self.head.log_prob(parameters, wave) - math.log(self.head.bin)

    @torch.no_grad()
    def generate(self, mel: Mel, uniform: Uniform, speaker: Lengths | None = None) -> Wave:
        """Draw samples one after the other, keeping what the layers will need again.

        Args:
            uniform: what chance decides, (B, `head.draws`, S).
        """
        condition = self.condition(mel, speaker)
        memories = self.stack.memories(condition)
        sample = condition.new_zeros(mel.shape[0], 1)
        samples = []
        with parametrize.cached():  # weights are normed once, not at every sample
            for time in range(condition.shape[2]):
                here = slice(time, time + 1)
                x = self.enter(self.head.enter(sample))
                skips = self.stack.step(x, condition[:, :, here], memories, time)
                sample = self.head.draw(self.judge(skips), uniform[:, :, here])
                samples.append(sample)
        return torch.cat(samples, dim=1)

    @torch.no_grad()
    def generate_compiled(self, mel: Mel, uniform: Uniform, speaker: Lengths | None = None) -> Wave:
        """What `generate` returns, but for rounding, from a compiled loop; items share processors.

        Needs numba; runs on the processor in single precision.
        """
        silence = self.head.enter(mel.new_zeros(1, 1))[0, :, 0]
        # What a one-hot head hears is the number of its channel.
        first = float(silence[0]) if len(silence) == 1 else float(silence.argmax())
        with parametrize.cached():
            weights = compiled.gather(self.enter, self.stack, self.middle, self.leave)
            conditions = self.condition(mel, speaker)

            def draw(item: int) -> Tensor:
                noise = self.head.noise(uniform[item : item + 1])[0].T.contiguous().float().numpy()
                chunks = compiled.Conditions(self.stack, conditions[item])
                constants = self.head.constants
                wave = compiled.generate(self.config.head, weights, chunks, noise, first, constants)
                return torch.from_numpy(wave)

            with ThreadPoolExecutor(torch.get_num_threads()) as pool:
                return torch.stack(list(pool.map(draw, range(mel.shape[0]))))

    def vocode(self, mel: Mel, speaker: Lengths | None = None) -> Wave:
        """Make a wave of a mel, drawing every sample."""
        samples = mel.shape[2] * self.mel_spec.hop_samples
        uniform = torch.rand(mel.shape[0], self.head.draws, samples, device=mel.device)
        is_plain = mel.device.type == "cpu" and mel.dtype == torch.float32
        if is_plain and compiled.is_available():
            return self.generate_compiled(mel, uniform, speaker)
        return self.generate(mel, uniform, speaker)


class WaveNetTask(nn.Module):
    """Maximum likelihood."""

    def __init__(self, config: WaveNetConfig):
        super().__init__()
        self.model = WaveNet(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: WaveNetBatch) -> Iterator[Update]:
        parameters = self.model(batch.wave, batch.mel, batch.speaker)
        loss = -self.model.log_prob(parameters, batch.wave).mean()
        yield Update("model", loss, {"nll": loss})


SPEC = Spec(
    paper="arXiv:1609.03499",
    config=WaveNetConfig,
    model=WaveNet,
    task=WaveNetTask,
    batch=WaveNetBatch,
    tiny=WaveNetConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        head="gaussian",
        layers=4,
        stacks=2,
        residual=8,
        gate=8,
        skip=8,
        strides=(4, 4, 4),
        speaker_width=4,
    ),
    crop=True,
)
