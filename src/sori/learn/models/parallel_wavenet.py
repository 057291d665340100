"""Parallel WaveNet: a student that speaks in one pass, taught by a WaveNet that cannot.

Sources: van den Oord et al. 2018, "Parallel WaveNet", arXiv:1711.10433 (logistic flows, sampled
divergence, power and contrastive losses); Ping et al. 2018, "ClariNet", section 3,
arXiv:1807.07281 (Gaussian flows, divergence in closed form and its regulariser).
Deviations: mels are the condition, not linguistic features; there is no perceptual loss, for which
a recogniser would have to be trained; both forms use the power loss of the former paper. The last
convolution of every flow starts at zero, with a bias that scales noise down to the level of speech.
"""

from collections.abc import Iterator
from dataclasses import field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Lengths, Mel, Scalar, Spec, Update, Wave
from sori.learn.losses import power_distance
from sori.learn.mel import MelSpec, require_same, strict
from sori.learn.nn.conv import require_product, weight_norm
from sori.learn.nn.distributions import gaussian_divergence, logistic_entropy
from sori.learn.nn.noise import Chance
from sori.learn.nn.wavenet import GatedStack, SampleCondition, StackSize, wavenet_mel

Parameters = Float[Tensor, "B P S"]
Condition = Float[Tensor, "B K S"]
Draws = Float[Tensor, "N B S"]

QUIET = -4.0  # log scale at which noise is about as loud as speech in our features


@dataclass(config=strict, frozen=True)
class ParallelWaveNetConfig:
    """Defaults are the paper's values; ClariNet took 6 flows of 10 layers and `front_kernel` 32."""

    mel: MelSpec = field(default_factory=wavenet_mel)
    form: Literal["logistic", "gaussian"] = "logistic"
    flows: tuple[int, ...] = (10, 10, 10, 30)  # layers of each
    cycle: int = 10  # layers until dilations start anew from 1
    kernel: int = 3
    front_kernel: int = 1
    residual: int = 64
    gate: int = 64  # of the product; the convolution makes twice as many
    skip: int = 64
    strides: tuple[int, ...] = (4, 4, 4, 4)  # their product is mel.hop_samples
    speakers: tuple[str, ...] = ("speaker",)
    speaker_width: int = 16
    draws: int = 8  # of every sample, to estimate a cross-entropy that has no closed form
    power_fft_samples: int = 1024
    power_hop_samples: int = 256
    power_weight: float = 1.0
    contrast: float = 0.3  # gamma of the contrastive loss
    log_scale_floor: float = -7.0  # of the student in the Gaussian divergence
    regulariser_weight: float = 4.0  # of the Gaussian form

    def __post_init__(self) -> None:
        require_product(self.strides, self.mel)


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class ParallelWaveNetBatch:
    mel: Mel
    wave: Wave
    speaker: Lengths


class Spoken(NamedTuple):
    """A wave, and how each sample was distributed before its own noise was known.

    x_t = z_t s_t + m_t,   m_t and s_t functions of z_<t
    """

    wave: Wave
    mean: Wave
    log_scale: Wave


class InverseFlow(nn.Module):
    """Scales and shifts every sample by what a causal stack reads in those before it.

        x_t = z_t exp(s(z_<t, c)) + m(z_<t, c)

    Source: Kingma et al. 2016, "Inverse Autoregressive Flow", section 3, arXiv:1606.04934.
    """

    def __init__(self, config: ParallelWaveNetConfig, layers: int):
        super().__init__()
        self.front = config.front_kernel
        self.enter = weight_norm(nn.Conv1d(1, config.residual, self.front))
        self.stack = GatedStack(
            StackSize(
                config.residual,
                config.gate,
                config.skip,
                config.kernel,
                tuple(2 ** (layer % config.cycle) for layer in range(layers)),
                config.mel.bins + config.speaker_width,
                is_causal=True,
                residual_scale=0.5**0.5,
            )
        )
        self.middle = weight_norm(nn.Conv1d(config.skip, config.skip, 1))
        self.leave = nn.Conv1d(config.skip, 2, 1)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            # Mean, log scale; all flows together make the noise as quiet as it should be.
            self.leave.bias.copy_(torch.tensor([0.0, QUIET / len(config.flows)]))  # type: ignore[union-attr]

    def forward(self, z: Wave, condition: Condition) -> tuple[Wave, Wave]:
        """Mean and log scale of every sample of `z`."""
        past = F.pad(z, (self.front, -1))[:, None]
        skips = self.stack(F.relu(self.enter(past)), condition)
        h = F.relu(self.middle(F.relu(skips)))
        with torch.autocast(h.device.type, enabled=False):
            mean, log_scale = self.leave(h.to(self.leave.weight.dtype)).unbind(dim=1)
        return mean, log_scale


class ParallelWaveNet(nn.Module):
    """Turns noise into a wave through a few flows, each in one pass."""

    def __init__(self, config: ParallelWaveNetConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.condition = SampleCondition(
            config.mel.bins, config.strides, len(config.speakers), config.speaker_width
        )
        self.flows = nn.ModuleList([InverseFlow(config, layers) for layers in config.flows])

    def forward(self, noise: Wave, mel: Mel, speaker: Lengths | None = None) -> Spoken:
        """The wave of a noise, with the distribution that every sample had."""
        condition = self.condition(mel, speaker)
        wave, mean, total = noise, torch.zeros_like(noise), torch.zeros_like(noise)
        for flow in self.flows:
            shift, log_scale = flow(wave, condition)
            scale = log_scale.exp()
            wave, mean, total = wave * scale + shift, mean * scale + shift, total + log_scale
        return Spoken(wave, mean, total)

    def draw_noise(self, mel: Mel, draws: int = 1) -> Draws:
        """Standard noise of the config's form, `draws` times as long as the mel's wave."""
        return torch.stack([self.noises[0].draw(mel) for _ in range(draws)])

    @property
    def noises(self) -> tuple[Chance, ...]:
        kind = "normal" if self.config.form == "gaussian" else "logistic"
        return (Chance(kind, channels=0, per_frame=self.mel_spec.hop_samples),)

    def speak(self, mel: Mel, noise: Wave, speaker: Lengths | None = None) -> Wave:
        """The wave of a mel and noise, within full scale."""
        return self(noise, mel, speaker).wave.clamp(-1, 1)

    def vocode(self, mel: Mel, speaker: Lengths | None = None) -> Wave:
        """Make a wave of a mel and noise."""
        return self.speak(mel, self.noises[0].draw(mel), speaker)


@runtime_checkable
class Teacher(Protocol):
    """A trained network that tells how every sample of a wave is distributed, as WaveNet does."""

    config: Any
    mel_spec: MelSpec

    def __call__(self, wave: Wave, mel: Mel, speaker: Lengths | None = None) -> Parameters: ...

    def log_density(self, parameters: Parameters, wave: Wave) -> Wave: ...

    def requires_grad_(self, requires_grad: bool = True) -> Any: ...


def sampled_divergence(
    spoken: Spoken, teacher: Teacher, parameters: Parameters, noise: Draws
) -> Scalar:
    """KL(student || teacher) per sample, for logistic students and any teacher.

        H(p_S, p_T) - H(p_S),   H(p_S) = ln s + 2

    The teacher's distribution of a sample depends on those before it only, so many samples are
    drawn for each run of the teacher.

    Source: van den Oord et al. 2018, "Probability density distillation".
    """
    scale = spoken.log_scale.exp()
    surprise = torch.stack([
        -teacher.log_density(parameters, spoken.mean + scale * one).mean() for one in noise
    ])
    return surprise.mean() - logistic_entropy(spoken.log_scale).mean()


def exact_divergence(spoken: Spoken, parameters: Parameters, floor: float) -> Scalar:
    """KL(student || teacher) per sample, where both are Gaussian.

    Source: Ping et al. 2018, section 3, "Regularized KL divergence".
    """
    mean, log_scale = parameters.unbind(dim=1)
    student = spoken.log_scale.clamp(min=floor)
    return gaussian_divergence(spoken.mean, student, mean, log_scale).mean()


class ParallelWaveNetTask(nn.Module):
    """Probability density distillation: be likely to the teacher, as varied as the teacher, as
    strong as the recording, and unlike what the teacher would say to another mel.

    Args (of the constructor):
        teacher: a trained WaveNet with a Gaussian head, or for the logistic form one with a mixture
            of logistics; it does not learn here.
    """

    def __init__(self, config: ParallelWaveNetConfig, teacher: Teacher):
        super().__init__()
        require_same(teacher.mel_spec, config.mel)
        heads = ("gaussian",) if config.form == "gaussian" else ("gaussian", "mixture")
        if teacher.config.head not in heads:
            raise ValueError(
                f"a {config.form} student needs a teacher with head {' or '.join(heads)}, "
                f"not {teacher.config.head}"
            )
        if teacher.config.speakers != config.speakers:
            raise ValueError(
                f"the teacher knows speakers {teacher.config.speakers}, "
                f"the student {config.speakers}"
            )
        self.config = config
        self.model = ParallelWaveNet(config)
        self.teacher = teacher.requires_grad_(False)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def teach(self, wave: Wave, mel: Mel, speaker: Lengths) -> Parameters:
        """What the teacher expects of a wave, no scale below the teacher's floor."""
        parameters = self.teacher(wave, mel, speaker)
        if self.config.form == "logistic":
            return parameters
        mean, log_scale = parameters.unbind(dim=1)
        floor = self.teacher.config.log_scale_floor
        return torch.stack([mean, log_scale.clamp(min=floor)], dim=1)

    def divergence(self, spoken: Spoken, parameters: Parameters, noise: Draws) -> Scalar:
        """KL(student || teacher) per sample, by the config's form."""
        if self.config.form == "gaussian":
            return exact_divergence(spoken, parameters, self.config.log_scale_floor)
        return sampled_divergence(spoken, self.teacher, parameters, noise)

    def training_step(self, batch: ParallelWaveNetBatch) -> Iterator[Update]:
        config = self.config
        spoken = self.model(self.model.draw_noise(batch.mel)[0], batch.mel, batch.speaker)
        noise = self.model.draw_noise(batch.mel, config.draws)
        parameters = self.teach(spoken.wave, batch.mel, batch.speaker)
        kl = self.divergence(spoken, parameters, noise)
        sizes = (config.power_fft_samples, config.power_hop_samples)
        power = power_distance(batch.wave, spoken.wave, *sizes)
        loss = kl + config.power_weight * power
        terms = {"kl": kl, "power": power}
        if config.contrast:
            others = batch.mel.roll(1, dims=0), batch.speaker.roll(1, dims=0)
            elsewhere = self.divergence(spoken, self.teach(spoken.wave, *others), noise)
            loss = loss - config.contrast * elsewhere
            terms["kl_elsewhere"] = elsewhere
        if config.form == "gaussian":
            student = spoken.log_scale.clamp(min=config.log_scale_floor)
            apart = (parameters[:, 1] - student).square().mean()
            loss = loss + config.regulariser_weight * apart
            terms["scale"] = apart
        yield Update("model", loss, terms)


SPEC = Spec(
    paper="arXiv:1711.10433",
    config=ParallelWaveNetConfig,
    model=ParallelWaveNet,
    task=ParallelWaveNetTask,
    batch=ParallelWaveNetBatch,
    tiny=ParallelWaveNetConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        flows=(2, 2),
        residual=8,
        gate=8,
        skip=8,
        strides=(4, 4, 4),
        speaker_width=4,
        draws=2,
        power_fft_samples=256,
        power_hop_samples=64,
    ),
    frozen={"teacher": "wavenet"},
    crop=True,
)
