"""The default vocoder: filters a pulse train and noise, frame by frame, by what it reads in a mel.

A stack of ConvNeXt blocks at the frame rate predicts, for every frame, the log magnitude and phase
of a filter for a pulse train at F0, and the log magnitude of a filter for white noise. Both sources
are cut into frames, filtered in the frequency domain, and overlap-added. Nothing runs at the sample
rate but two Fourier transforms, which is why it speaks hundreds of times faster than real time.

    Y_t = exp(a_t + i p_t) FFT(w pulses_t) + exp(b_t) FFT(w noise_t),   y = sum of shifted IFFT(Y_t)

The frames are as wide as `window_samples` and the transform is longer, so a filter may ring on
beyond its frame (linear, not circular convolution). The phase p_t is a sum of few sines over
frequency: smooth, so that what rings in one pulse stays together in time.

What is learned by distances alone comes out blurred, for it lies in the middle of all that might
have been said. Speaking therefore raises the contrast of the magnitudes across frequency and time,
and keeps the energy of every frame; training leaves them as they are.

Sources: Liu et al. 2020, "Neural Homomorphic Vocoder", Interspeech (pulse train and noise through
filters made by a network); Engel et al. 2020, "DDSP", section 3, arXiv:2001.04643 (filtered noise);
Siuzdak 2023, "Vocos", arXiv:2306.00814 (ConvNeXt at the frame rate); Takamichi et al. 2016,
"Postfilters to modify the modulation spectrum", IEEE/ACM TASLP 24(4), for the cause and the cure of
blur in learned spectra. The combination and this form of contrast are ours.
"""

from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sori.learn.contracts import Mel, Spec, Update, Wave
from sori.learn.losses import aligned_distance
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.conv import ConvNeXtBlock
from sori.learn.nn.excitation import pulse_train, synchronous_pulse_train
from sori.learn.nn.prunable import FIXED, Structure

Pitch = Float[Tensor, "B T"]
Bins = Float[Tensor, "B T K"]
Spectrum = Complex[Tensor, "B T K"]

PITCH_CENTRE = 5.2  # log of 181 Hz, between the means of women's and men's voices
QUIET = -6.0  # where log magnitudes start; close to that of speech at ordinary loudness
GAUGE_BINS = 4  # every so manieth bin is enough to tell the energy of a frame by
VOICED = 4.0  # of the input that says so: as large as others, which eight bits share with it


@dataclass(config=strict, frozen=True)
class SourceFilterConfig:
    """Sizes of network and transform.

    Args:
        phase_terms: sines that make up a phase; with n of them, delays change within
            sample_rate / n Hz at the quickest.
        drawn_resolutions: of `stft_resolutions`, for one step.
        contrast: by how much magnitudes are drawn away from their surroundings in frequency, which
            reach about `contrast_hz` to each side.
        quickness: the same in time, away from the mean with both neighbouring frames.
        breath: what is added to the log magnitude of noise in voiced frames, in full above the
            second of `breath_hz`, not below the first. Distances prefer pulses to noise: no noise
            is ever like that of the recording. Voices differ in how much they need.
    """

    mel: MelSpec = field(default_factory=MelSpec)
    width: int = 192
    hidden: int = 576
    blocks: int = 6
    kernel: int = 7
    window_samples: int = 600
    fft_samples: int = 1024
    phase_terms: int = 48
    stft_resolutions: tuple[tuple[int, int], ...] = (
        (128, 32),
        (256, 64),
        (512, 128),
        (1024, 256),
        (2048, 512),
    )
    drawn_resolutions: int = 2
    convergence_weight: float = 0.3
    phase_weight: float = 0.3
    envelope_weight: float = 2.0
    contrast: float = 0.4
    contrast_hz: float = 700.0
    quickness: float = 0.8
    breath: float = 0.8
    breath_hz: tuple[float, float] = (1500.0, 4000.0)

    def __post_init__(self) -> None:
        if self.window_samples != 2 * self.mel.hop_samples:
            raise ValueError(
                f"window_samples {self.window_samples} must be twice the hop, "
                f"{self.mel.hop_samples}: only then do Hann windows add up to one"
            )
        if self.fft_samples < self.window_samples:
            raise ValueError(
                f"fft_samples {self.fft_samples} is below window_samples {self.window_samples}"
            )


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class SourceFilterBatch:
    mel: Mel
    f0: Pitch
    cycles: Pitch
    wave: Wave


class Filters(NamedTuple):
    """Filters of every frame: log magnitude and phase for pulses, log magnitude for noise."""

    harmonic: Bins
    phase: Bins
    noise: Bins


def phase_basis(terms: int, bins: int) -> Float[Tensor, "N K"]:
    """Sines over frequency, the odd part of a cepstrum, as rows."""
    angle = torch.linspace(0, torch.pi, bins, dtype=torch.float64)
    return torch.sin(torch.arange(1, terms + 1)[:, None] * angle).float()


def contrast_matrix(amount: float, reach_bins: float, bins: int) -> Float[Tensor, "K K"]:
    """Maps values over frequency to x + amount (x - smooth x), where smooth is a Gaussian mean."""
    place = torch.arange(bins, dtype=torch.float64)
    weight = torch.exp(-0.5 * ((place[:, None] - place) / reach_bins).square())
    smooth = weight / weight.sum(dim=1, keepdim=True)
    return ((1 + amount) * torch.eye(bins) - amount * smooth).float()


def quicken(x: Float[Tensor, "B T D"], amount: float) -> Float[Tensor, "B T D"]:
    """Draw every frame away from its mean with both neighbours."""
    around = torch.cat([x[:, :1], x, x[:, -1:]], dim=1)
    smooth = (around[:, :-2] + 2 * x + around[:, 2:]) / 4
    return x + amount * (x - smooth)


class SourceFilter(nn.Module):
    """Reads mel and F0, returns filters; `forward` also applies them to pulses and noise."""

    window: Tensor
    basis: Tensor

    def __init__(self, config: SourceFilterConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        bins = config.fft_samples // 2 + 1
        self.enter = nn.Conv1d(config.mel.bins + 2, config.width, 3, padding=1)
        self.blocks = nn.ModuleList([
            ConvNeXtBlock(config.width, config.hidden, config.kernel, 1 / config.blocks)
            for _ in range(config.blocks)
        ])
        self.norm = nn.LayerNorm(config.width)
        self.harmonic = nn.Linear(config.width, bins)
        self.phase = nn.Linear(config.width, config.phase_terms)
        self.noise = nn.Linear(config.width, bins)
        nn.init.constant_(self.harmonic.bias, QUIET)
        nn.init.constant_(self.noise.bias, QUIET)
        nn.init.zeros_(self.phase.weight)
        nn.init.zeros_(self.phase.bias)
        self.register_buffer("basis", phase_basis(config.phase_terms, bins), persistent=False)
        self.register_buffer("window", torch.hann_window(config.window_samples), persistent=False)

    def hidden(self, mel: Mel, f0: Pitch) -> Float[Tensor, "B T D"]:
        """What the network knows of every frame."""
        voiced = (f0 > 0).to(mel.dtype)
        pitch = (f0.clamp(min=1.0).log() - PITCH_CENTRE) * voiced
        x = torch.cat([mel / 4 + 1, pitch[:, None], voiced[:, None]], dim=1)
        x = self.enter(x).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        # Eight bits of mantissa are too few for a phase, so the heads stay in full precision.
        with torch.autocast(x.device.type, enabled=False):
            return self.norm(x.float())

    def filters(self, mel: Mel, f0: Pitch) -> Filters:
        """Predict the filters of every frame."""
        x = self.hidden(mel, f0)
        with torch.autocast(x.device.type, enabled=False):
            return Filters(self.harmonic(x), self.phase(x) @ self.basis, self.noise(x))

    def structure(self) -> Structure:
        """One residual stream and the hidden channels of its blocks."""
        structure = Structure()
        width = structure.dimension("width", self.enter.out_channels)
        structure.layer("enter", self.enter, width)
        for number, block in enumerate(self.blocks):
            assert isinstance(block, ConvNeXtBlock)
            block.declare(structure, f"blocks.{number}", width)
        structure.layer("norm", self.norm, width)
        for name in ("harmonic", "phase", "noise"):
            structure.layer(name, self.get_submodule(name), FIXED, width)
        return structure

    def spectra(self, source: Wave) -> Spectrum:
        """Fourier transform of the windowed frames; each lies in the middle of its transform."""
        config = self.config
        edge = (config.window_samples - config.mel.hop_samples) // 2
        frames = F.pad(source, (edge, edge)).unfold(
            1, config.window_samples, config.mel.hop_samples
        )
        spare = config.fft_samples - config.window_samples
        return torch.fft.rfft(F.pad(frames * self.window, (spare // 2, spare - spare // 2)))

    def overlap_add(self, spectrum: Spectrum) -> Wave:
        """Add up the inverse transforms of all frames, each at its own place."""
        size, hop = self.config.fft_samples, self.config.mel.hop_samples
        frames = torch.fft.irfft(spectrum, n=size)
        total = (frames.shape[1] - 1) * hop + size
        wave = F.fold(frames.transpose(1, 2), (1, total), (1, size), stride=(1, hop))[:, 0, 0]
        edge = (size - hop) // 2
        return wave[:, edge : edge + frames.shape[1] * hop]

    def synthesise(self, filters: Filters, pulses: Wave, noise: Wave) -> Wave:
        """Send both sources through their filters."""
        harmonic = torch.polar(filters.harmonic.exp(), filters.phase)
        spectrum = harmonic * self.spectra(pulses) + filters.noise.exp() * self.spectra(noise)
        return self.overlap_add(spectrum)

    def vocode(self, mel: Mel, f0: Pitch) -> Wave:
        """Make the wave of a mel and its F0 (Hz per frame, 0 where unvoiced)."""
        samples = mel.shape[2] * self.mel_spec.hop_samples
        pulses = pulse_train(f0, self.mel_spec.hop_samples, self.mel_spec.sample_rate)
        noise = torch.randn(mel.shape[0], samples, device=mel.device)
        return self.synthesise(Crisp(self).filters(mel, f0), pulses, noise)


class Crisp(nn.Module):
    """A trained network as it speaks: with breath and with contrast, which its heads hold.

    Contrast across frequency is linear, so one matrix with that of a head is one head again. What
    it adds in energy is taken back frame by frame, measured at every `GAUGE_BINS`-th bin.
    """

    def __init__(self, network: SourceFilter):
        super().__init__()
        config = network.config
        bins = config.fft_samples // 2 + 1
        reach = config.contrast_hz * config.fft_samples / config.mel.sample_rate
        matrix = contrast_matrix(config.contrast, reach, bins).to(network.basis.device)
        low, high = config.breath_hz
        place = torch.linspace(0, config.mel.sample_rate / 2, bins).to(matrix)
        rise = ((place - low) / (high - low)).clamp(0, 1)
        harmonic, phase, noise = network.harmonic, network.phase, network.noise
        self.config = config
        self.network = network
        self.harmonic = linear(matrix @ harmonic.weight, matrix @ harmonic.bias)
        # Breath while voiced is one more input of this head.
        self.noise = linear(
            torch.cat([matrix @ noise.weight, rise[:, None] / VOICED], dim=1), matrix @ noise.bias
        )
        self.phase = linear(network.basis.T @ phase.weight, network.basis.T @ phase.bias)
        self.gauge = linear(
            torch.cat([head.weight[::GAUGE_BINS] for head in (harmonic, noise)]),
            torch.cat([head.bias[::GAUGE_BINS] for head in (harmonic, noise)]),
        )

    def filters(self, mel: Mel, f0: Pitch, breath: Float[Tensor, "B 1"] | None = None) -> Filters:
        """Predict the filters of every frame, with breath in nepers for each of the batch."""
        x = self.network.hidden(mel, f0)
        quick = quicken(x, self.config.quickness)
        amount = self.config.breath if breath is None else breath[..., None]
        voiced = VOICED * amount * (f0 > 0).to(x.dtype)[..., None]
        harmonic, noise = self.harmonic(quick), self.noise(torch.cat([quick, voiced], dim=-1))
        still = noise[..., ::GAUGE_BINS] - voiced * self.noise.weight[::GAUGE_BINS, -1]
        raised = torch.cat([harmonic[..., ::GAUGE_BINS], still], dim=-1)
        level = (log_energy(self.gauge(x)) - log_energy(raised)) / 2
        return Filters(harmonic + level, self.phase(x), noise + level)


def linear(weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"]) -> nn.Linear:
    """A layer with these weights."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def log_energy(log_magnitude: Bins) -> Float[Tensor, "B T 1"]:
    """Logarithm of the sum of squares over frequency."""
    # The runtime is slow at torch.logsumexp, and magnitudes of speech are far from overflowing.
    return log_magnitude.exp().square().sum(dim=-1, keepdim=True).log()


class SourceFilterTask(nn.Module):
    """Spectral distance at several resolutions, with pulses where the recording has them.

    Pulses that are free to fall anywhere leave the phase of the filters unlearnable: no loss could
    compare it. In step with the recording's fundamental, short windows and complex spectra can.
    """

    def __init__(self, config: SourceFilterConfig):
        super().__init__()
        self.config = config
        self.generator = SourceFilter(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def training_step(self, batch: SourceFilterBatch) -> Iterator[Update]:
        spec, config = self.config.mel, self.config
        pulses = synchronous_pulse_train(batch.cycles, batch.f0, spec.hop_samples, spec.sample_rate)
        filters = self.generator.filters(batch.mel, batch.f0)
        fake = self.generator.synthesise(filters, pulses, torch.randn_like(batch.wave))
        # A few resolutions a step, drawn anew, teach what all of them do and cost less.
        drawn = torch.randperm(len(config.stft_resolutions))[: config.drawn_resolutions]
        resolutions = [config.stft_resolutions[i] for i in drawn.tolist()]
        distance = aligned_distance(batch.wave, fake, resolutions)
        loss = (
            distance.magnitude
            + config.convergence_weight * distance.convergence
            + config.phase_weight * distance.phase
            + config.envelope_weight * distance.envelope
        )
        yield Update("generator", loss, distance._asdict())


SPEC = Spec(
    paper="ours; after Neural Homomorphic Vocoder (Interspeech 2020), Vocos (arXiv:2306.00814)",
    config=SourceFilterConfig,
    model=SourceFilter,
    task=SourceFilterTask,
    batch=SourceFilterBatch,
    tiny=SourceFilterConfig(width=16, hidden=32, blocks=2),
    crop=True,
)
