"""NaturalSpeech: text to wave in one network, a variational autoencoder whose prior reads the text.

Source: Tan et al. 2022, "NaturalSpeech", arXiv:2205.04421. Sizes and weights of losses that the
paper leaves open are those of its open implementations.
Deviations: the phonemes' blocks end in a convolution of kernel 1, as those of our FastSpeech 2; the
decoder begins with 512 channels, with which the weights come to about the 28.7 million that the
paper states; labels of durations come from a monotonic search or from the corpus; `mixed_phoneme`
has fewer sup-phonemes; and the memory's projections start as identity, so that at first a frame
becomes the rows that are like it.

With `sup_phonemes`, `differentiable_durator`, `bidirectional` and `memory` off and `e2e_weight` 0
it is VITS (Kim et al. 2021, arXiv:2106.06103) with a deterministic duration predictor.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import (
    Durations,
    Exhibit,
    Frames,
    Ids,
    Lengths,
    Scalar,
    Spec,
    Update,
    Wave,
)
from sori.learn.losses import (
    copy_losses,
    least_squares_critic,
    least_squares_generator,
    masked_mean,
)
from sori.learn.mel import MEL_22_KHZ, MelSpec, MelSpectrogram, strict
from sori.learn.nn.alignment import expand
from sori.learn.nn.conv import require_product, weight_norm
from sori.learn.nn.critics import CriticPair, PeriodCritics, ScaleCritics
from sori.learn.nn.durator import DurationPredictor, LearnedUpsampling, frame_counts
from sori.learn.nn.flows import Chain, ShiftCoupling
from sori.learn.nn.inverse import OVERLAP, InverseTransform
from sori.learn.nn.latents import (
    Gaussian,
    Keep,
    Mask,
    Noise,
    align,
    matched_divergence,
    warped_divergence,
)
from sori.learn.nn.masks import length_mask
from sori.learn.nn.memory import MemoryBank
from sori.learn.nn.phonemes import PhonemeReader
from sori.learn.nn.soft_dtw import Warping
from sori.learn.nn.upsampling import upsampling_stages
from sori.learn.nn.wavenet import GatedStack, StackSize
from sori.text.phonemes import SYMBOLS

Steps = Float[Tensor, "B N D"]
Lasting = Float[Tensor, "B N"]
LAST_SLOPE = 0.01  # of the activation before the last convolution, as in HiFi-GAN
REMEMBERED = 8  # posterior means that are kept for every row of the memory
PER_STEP = 256  # of these, new in a step


@dataclass(config=strict, frozen=True)
class NaturalSpeechConfig:
    """Defaults are the paper's values.

    Args:
        sup_phonemes: how many merges the phoneme encoder knows, 0 for none. Recipes start it from a
            trained `mixed_phoneme`.
        differentiable_durator: whether frames come from learned upsampling; else from repeating.
        bidirectional: whether the prior is also drawn towards the posterior through the flow.
        memory: whether the decoder hears the bank instead of the latent itself.
        inverse_fft: 0, or the size of an inverse transform that ends the decoder in place of
            convolutions; the strides then lead to its frames.
        searches: whether labels of durations come from the monotonic search; else from the corpus.
        warmup_steps: in which durations are labelled ones, and the bank waits.
        tuning_from: step from which critics also judge what is made from text alone.
        forward_weight, e2e_weight, duration_weight, mel_weight, feature_weight: beside the backward
            divergence, whose weight is 1.
    """

    mel: MelSpec = MEL_22_KHZ  # the network hears linear spectra; only a loss hears the bands
    symbols: str = SYMBOLS
    sup_phonemes: int = 4096
    differentiable_durator: bool = True
    bidirectional: bool = True
    memory: bool = True
    width: int = 192
    heads: int = 2
    encoder_blocks: int = 6
    filter_width: int = 768
    filter_kernel: int = 3
    dropout: float = 0.1
    posterior_layers: int = 16
    couplings: int = 4
    coupling_layers: int = 4
    kernel: int = 5
    memory_rows: int = 1000
    memory_heads: int = 2
    decoder_width: int = 512
    strides: tuple[int, ...] = (8, 8, 2, 2)
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    inverse_fft: int = 0
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_widths: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    critics: int = 1
    critic_width: int = 16
    critic_limit: int = 1024
    crop_frames: int = 32
    searches: bool = True
    warmup_steps: int = 117_000  # 1,000 of the paper's epochs
    tuning_from: int = 1_520_000  # the last 2,000 of 15,000
    gamma: float = 0.01
    penalty: float = 0.07
    band: int = 32
    forward_weight: float = 0.02
    e2e_weight: float = 0.1
    duration_weight: float = 5.0
    mel_weight: float = 45.0
    feature_weight: float = 2.0

    def __post_init__(self) -> None:
        require_product((*self.strides, max(self.inverse_fft // OVERLAP, 1)), self.mel)
        if self.couplings % 2 or self.width % 2:
            raise ValueError(
                f"couplings {self.couplings} and width {self.width} must be even: halves take turns"
            )


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class NaturalSpeechBatch:
    ids: Ids
    ids_len: Lengths
    wave: Wave
    mel_len: Lengths
    durations: Durations


class Spoken(NamedTuple):
    """Durations in frames, whole or not, and the wave."""

    durations: Lasting
    wave: Wave


class FrameNet(nn.Module):
    """Gated convolutions without dilation between two projections of single frames."""

    def __init__(self, channels_in: int, channels_out: int, layers: int, size: tuple[int, int]):
        super().__init__()
        width, kernel = size
        self.enter = nn.Conv1d(channels_in, width, 1)
        self.stack = GatedStack(StackSize(width, width, width, kernel, (1,) * layers, 0, False))
        self.leave = nn.Conv1d(width, channels_out, 1)

    def forward(self, x: Frames, keep: Keep) -> Float[Tensor, "B C_out T"]:
        return self.leave(self.stack(self.enter(x), keep=keep)) * keep


def shift_coupling(config: NaturalSpeechConfig) -> ShiftCoupling:
    """A coupling that starts as an exchange of the halves, so that the flow starts as identity."""
    half, size = config.width // 2, (config.width, config.kernel)
    network = FrameNet(half, half, config.coupling_layers, size)
    nn.init.zeros_(network.leave.weight)
    nn.init.zeros_(network.leave.bias)  # type: ignore[arg-type]
    return ShiftCoupling(network)


class Decoder(nn.Module):
    """Makes a wave of latent frames.

    Source: Kong et al. 2020, "HiFi-GAN", section 2.2, arXiv:2010.05646; where an inverse transform
    makes the samples, Kaneko et al. 2022, "iSTFTNet", arXiv:2203.02395.
    """

    def __init__(self, config: NaturalSpeechConfig):
        super().__init__()
        first, last = config.decoder_width, config.decoder_width >> len(config.strides)
        self.enter = weight_norm(nn.Conv1d(config.width, first, 7, padding=3))
        self.stages = upsampling_stages(first, config.strides, config.kernels, config.dilations)
        self.inverse = InverseTransform(config.inverse_fft) if config.inverse_fft else None
        outputs = self.inverse.channels if self.inverse else 1
        self.leave = weight_norm(nn.Conv1d(last, outputs, 7, padding=3, bias=False))

    def forward(self, z: Frames) -> Wave:
        x = self.leave(F.leaky_relu(self.stages(self.enter(z)), LAST_SLOPE))
        return torch.tanh(x)[:, 0] if self.inverse is None else self.inverse(x)


class NaturalSpeech(nn.Module):
    """Phonemes in, wave out; the posterior encoder is there for training alone."""

    def __init__(self, config: NaturalSpeechConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        width = config.width
        self.reader = PhonemeReader(config)
        self.duration = DurationPredictor(width)
        self.upsample = LearnedUpsampling(width) if config.differentiable_durator else None
        self.prior = nn.Linear(width, 2 * width)
        self.flow = Chain(shift_coupling(config) for _ in range(config.couplings))
        self.memory = (
            MemoryBank(config.memory_rows, width, config.memory_heads) if config.memory else None
        )
        self.decoder = Decoder(config)
        bins, size = config.mel.fft_samples // 2 + 1, (width, config.kernel)
        self.posterior = FrameNet(bins, 2 * width, config.posterior_layers, size)

    def encode(self, ids: Ids, mask: Bool[Tensor, "B N"]) -> Steps:
        """What every phoneme means in its sentence."""
        return self.reader(ids, self.reader.cut(ids), mask)

    def listen(self, spectrum: Float[Tensor, "B K T"], mask: Mask) -> Gaussian:
        """The posterior of the latent frames of a recording, q(z | x)."""
        found = self.posterior(spectrum, mask[:, None].float()).float()
        mean, log_scale = found.chunk(2, dim=1)
        return Gaussian(mean, log_scale, mask)

    def of_tokens(self, text: Steps, mask: Bool[Tensor, "B N"]) -> Gaussian:
        """The prior of a frame that belongs to one phoneme alone."""
        laid = text if self.upsample is None else self.upsample.of_tokens(text, mask)
        return self.gaussian(laid, mask)

    def lay(self, text: Steps, durations: Lasting, mask: Bool[Tensor, "B N"]) -> Gaussian:
        """The prior of latent frames, p(z' | y), for phonemes that last this many frames each."""
        if self.upsample is None:
            whole = whole_durations(durations)
            laid = expand(text, whole)
            return self.gaussian(laid, length_mask(whole.sum(dim=1), laid.shape[1]))
        counts = frame_counts(durations)
        laid = self.upsample(text, durations, mask, counts.max()).frames
        return self.gaussian(laid, length_mask(counts, laid.shape[1]))

    def gaussian(self, laid: Float[Tensor, "B T D"], mask: Mask) -> Gaussian:
        mean, log_scale = self.prior(laid).float().transpose(1, 2).chunk(2, dim=1)
        return Gaussian(mean, log_scale, mask)

    def decode(self, z: Frames) -> Wave:
        """Make a wave of latent frames; the memory stands in for them once it has been started."""
        if self.memory is not None and self.memory.is_set:
            z = self.memory(z)
        return self.decoder(z)

    def forward(self, ids: Ids, speed: float = 1.0, temperature: float = 0.667) -> Spoken:
        """Speak a batch whose items have equally many phonemes.

        Args:
            speed: factor on the tempo.
            temperature: scale of the prior's noise; less is steadier, and 0 is always the same.
        """
        mask = torch.ones_like(ids, dtype=torch.bool)
        return self.speak(self.encode(ids, mask), mask, speed, temperature)

    def speak(
        self,
        text: Steps,
        mask: Bool[Tensor, "B N"],
        speed: float | Float[Tensor, " 1"] = 1.0,
        temperature: float = 0.667,
        noise: Noise | None = None,
    ) -> Spoken:
        """Speak what the reader read; `noise` takes the place of chance, see `Gaussian.sample`."""
        durations = self.duration(text, mask) / speed
        prior = self.lay(text, durations, mask)
        drawn = prior.sample(temperature, noise)
        return Spoken(durations, self.decode(self.flow.inverse(drawn, prior.keep)))


def whole_durations(durations: Lasting) -> Durations:
    """Durations as whole frames; an item has one frame at least."""
    whole = durations.detach().round().long()
    whole[:, 0] += (whole.sum(dim=1) == 0).long()
    return whole


def cut(x: Tensor, starts: Lengths, size: int) -> Tensor:
    """A piece of `size` places of every item, along the last axis."""
    return torch.stack([
        row[..., int(start) : int(start) + size] for row, start in zip(x, starts, strict=True)
    ])


class Paths(NamedTuple):
    """What one pass over a batch finds: both distributions and what went through the flow.

    latent: z from the posterior; prior_latent: z = f(z') with z' from the prior.
    duration: the duration loss.
    """

    posterior: Gaussian
    prior: Gaussian
    latent: Frames
    prior_latent: Frames
    divergences: dict[str, Tensor]
    duration: Scalar


class NaturalSpeechTask(nn.Module):
    """L_bwd + L_fwd + L_rec + L_e2e, and the duration loss where durations are labelled.

    The staging is the paper's: warm-up with labelled durations and without memory; then predicted
    durations; at last also L_e2e.
    """

    step: Tensor
    heard: Tensor
    heard_count: Tensor

    def __init__(self, config: NaturalSpeechConfig):
        super().__init__()
        self.config = config
        self.model = NaturalSpeech(config)
        self.critics = CriticPair(
            PeriodCritics(config.periods, config.period_widths),
            ScaleCritics(config.critics, config.critic_width, config.critic_limit),
        )
        self.spectrum = MelSpectrogram(config.mel)
        self.mel = MelSpectrogram(replace(config.mel, f_max_hz=config.mel.sample_rate / 2))
        self.warping = Warping(config.gamma, config.penalty, config.band)
        remembered = REMEMBERED * config.memory_rows if config.memory else 0
        self.register_buffer("step", torch.tensor(0))
        self.register_buffer("heard", torch.zeros(remembered, config.width))
        self.register_buffer("heard_count", torch.tensor(0))

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model, "critics": self.critics}

    @property
    def is_warm(self) -> bool:
        return int(self.step) >= self.config.warmup_steps

    @torch.no_grad()
    def remember(self, posterior: Gaussian) -> None:
        """Keep some posterior means of warm-up; when it is over, start the memory from them."""
        memory = self.model.memory
        if not self.training or memory is None or memory.is_set:
            return
        frames = posterior.mean.transpose(1, 2)[posterior.mask]
        some = frames[torch.randperm(len(frames), device=frames.device)[:PER_STEP]]
        places = torch.arange(len(some), device=some.device) + self.heard_count
        self.heard[places % len(self.heard)] = some
        self.heard_count += len(some)
        if self.is_warm:
            memory.start_from(self.heard[: int(self.heard_count)])

    def divergence(self, z: Frames, q: Gaussian, p: Gaussian) -> Scalar:
        """KL(q || p), frame by frame where both have the same frames."""
        if torch.equal(q.mask, p.mask) and not (self.is_warm and self.model.upsample is not None):
            return matched_divergence(z, q, p)
        return warped_divergence(z, q, p, self.warping)

    def paths(self, batch: NaturalSpeechBatch) -> Paths:
        """Go from the recording to the text's side of the flow, and from the text back."""
        model, text_mask = self.model, length_mask(batch.ids_len, batch.ids.shape[1])
        with torch.autocast(batch.wave.device.type, enabled=False):
            spectrum = self.spectrum.magnitude(batch.wave)
        posterior = model.listen(spectrum, length_mask(batch.mel_len, spectrum.shape[2]))
        latent = posterior.sample()
        moved = model.flow(latent, posterior.keep)[0]
        text = model.encode(batch.ids, text_mask)
        learns_durations = model.upsample is not None
        guessed = model.duration(text if learns_durations else text.detach(), text_mask)
        duration = guessed.new_zeros(())
        if learns_durations and self.is_warm:
            durations = guessed
        else:
            durations = self.label(batch, text, moved, posterior)
            error = (guessed.log1p() - durations.log1p()).square()
            duration = masked_mean(error, text_mask)
        prior = model.lay(text, durations, text_mask)
        drawn = prior.sample()
        back = model.flow.inverse(drawn, prior.keep)
        with torch.autocast(latent.device.type, enabled=False):
            divergences = {"kl": self.divergence(moved, posterior, prior)}
            if self.config.bidirectional:
                divergences["forward_kl"] = self.divergence(back, prior, posterior)
        return Paths(posterior, prior, latent, back, divergences, duration)

    def label(
        self, batch: NaturalSpeechBatch, text: Steps, z: Frames, posterior: Gaussian
    ) -> Lasting:
        """Durations that the recording has, by search or from the corpus."""
        if not self.config.searches:
            return batch.durations.float()
        text_mask = length_mask(batch.ids_len, batch.ids.shape[1])
        return align(z, posterior, self.model.of_tokens(text, text_mask)).float()

    def crop(self, z: Frames, lengths: Lengths) -> tuple[Float[Tensor, "B C T_crop"], Lengths]:
        """A crop of every item, and where it starts."""
        size = min(self.config.crop_frames, int(lengths.min()))
        starts = (torch.rand(len(z), device=z.device) * (lengths - size + 1)).long()
        return cut(z, starts, size), starts

    def training_step(self, batch: NaturalSpeechBatch) -> Iterator[Update]:
        config, model, hop = self.config, self.model, self.config.mel.hop_samples
        found = self.paths(batch)
        self.remember(found.posterior)
        crop, starts = self.crop(found.latent, batch.mel_len)
        real = cut(batch.wave, starts * hop, crop.shape[2] * hop)
        made = {"copy": model.decode(crop)}
        if int(self.step) >= config.tuning_from and config.e2e_weight:
            frames = found.prior.mask.sum(dim=1)
            made["spoken"] = model.decode(self.crop(found.prior_latent, frames)[0])

        heard = self.critics(real).scores
        losses = {
            name: len(heard) * least_squares_critic(heard, self.critics(wave.detach()).scores)
            for name, wave in made.items()
        }
        yield Update("critics", torch.stack(list(losses.values())).sum(), losses)

        terms = found.divergences | copy_losses(self.critics, self.mel, real, made["copy"])
        loss = terms["kl"] + terms["fool"]
        loss = loss + config.feature_weight * terms["match"] + config.mel_weight * terms["mel"]
        if config.bidirectional:
            loss = loss + config.forward_weight * terms["forward_kl"]
        if "spoken" in made:
            scores = self.critics(made["spoken"]).scores
            terms["e2e"] = len(scores) * least_squares_generator(scores)
            loss = loss + config.e2e_weight * terms["e2e"]
        terms["duration"] = found.duration
        yield Update("model", loss + config.duration_weight * found.duration, terms)

    def show(self, batch: NaturalSpeechBatch) -> Exhibit:
        """The recording, its copy through the posterior, and the same text spoken."""
        with torch.no_grad():
            found = self.paths(batch)
            copy = self.model.decode(found.posterior.mean)
            spoken = self.model(batch.ids).wave
        waves = {"recording": batch.wave[0], "copy": copy[0], "spoken": spoken[0]}
        mels = {name: self.mel(wave[None])[0] for name, wave in waves.items()}
        return Exhibit(mels=mels, waves=waves)


SPEC = Spec(
    paper="arXiv:2205.04421",
    config=NaturalSpeechConfig,
    model=NaturalSpeech,
    task=NaturalSpeechTask,
    batch=NaturalSpeechBatch,
    tiny=NaturalSpeechConfig(
        mel=MelSpec(8000, 512, 512, 64, 40, 0.0, 4000.0),
        sup_phonemes=64,
        width=16,
        encoder_blocks=1,
        filter_width=32,
        posterior_layers=2,
        couplings=2,
        coupling_layers=1,
        memory_rows=8,
        decoder_width=16,
        strides=(4, 4, 2, 2),
        kernels=(3, 5),
        dilations=(1, 3),
        periods=(2, 3),
        period_widths=(4, 8),
        critic_width=4,
        critic_limit=16,
        crop_frames=8,
        warmup_steps=0,
        tuning_from=0,
    ),
)
