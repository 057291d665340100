"""The default vocoder: filters a pulse train and noise, frame by frame, by what it reads in a mel.

A stack of ConvNeXt blocks at the frame rate predicts, for every frame, the log magnitude and phase
of a filter for a pulse train at F0, and the log magnitude of a filter for white noise. Both sources
are cut into frames, filtered in the frequency domain, and overlap-added. Nothing runs at the sample
rate but two Fourier transforms, which is why it speaks hundreds of times faster than real time.

    Y_t = exp(a_t + i p_t) FFT(w pulses_t) + exp(b_t) FFT(w noise_t),   y = sum of shifted IFFT(Y_t)

The frames are as wide as `window_samples` and the transform is longer, so a filter may ring on
beyond its frame (linear, not circular convolution). The phase is the minimum phase that belongs to
the magnitude plus a learned remainder.

Sources: Liu et al. 2020, "Neural Homomorphic Vocoder", Interspeech (pulse train and noise through
filters made by a network); Engel et al. 2020, "DDSP", section 3, arXiv:2001.04643 (filtered noise);
Siuzdak 2023, "Vocos", arXiv:2306.00814 (ConvNeXt at the frame rate). The combination is ours.
"""

import copy
from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sori.learn.contracts import Mel, Spec, Update, Wave
from sori.learn.losses import spectral_distance
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.conv import ConvNeXtBlock
from sori.learn.nn.excitation import pulse_train, synchronous_pulse_train
from sori.learn.nn.prunable import FIXED, Structure

Pitch = Float[Tensor, "B T"]
Bins = Float[Tensor, "B T K"]
Spectrum = Complex[Tensor, "B T K"]

PITCH_CENTRE = 5.2  # log of 181 Hz, between the means of women's and men's voices
QUIET = -6.0  # where log magnitudes start; close to that of speech at ordinary loudness


@dataclass(config=strict, frozen=True)
class SourceFilterConfig:
    """Sizes of network and transform."""

    mel: MelSpec = field(default_factory=MelSpec)
    width: int = 192
    hidden: int = 576
    blocks: int = 6
    kernel: int = 7
    window_samples: int = 600
    fft_samples: int = 1024
    stft_resolutions: tuple[tuple[int, int], ...] = (
        (128, 32),
        (256, 64),
        (512, 128),
        (1024, 256),
        (2048, 512),
    )
    convergence_weight: float = 0.3
    phase_weight: float = 0.3

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


def minimum_phase_matrix(bins: int) -> Float[Tensor, "K K"]:
    """Maps log magnitudes at `bins` frequencies to the phase of the minimum-phase filter.

    The folded cepstrum of a minimum-phase filter is causal; every step from magnitude to phase is
    linear, so one matrix does them all.

    Source: Oppenheim & Schafer, "Discrete-Time Signal Processing", section on the realisation of
    the complex cepstrum.
    """
    cepstrum = torch.fft.irfft(torch.eye(bins, dtype=torch.float64), dim=1)
    half = bins - 1
    fold = torch.zeros(2 * half, dtype=torch.float64)
    fold[0] = fold[half] = 1
    fold[1:half] = 2
    return torch.fft.rfft(cepstrum * fold, dim=1).imag.float()


class SourceFilter(nn.Module):
    """Reads mel and F0, returns filters; `forward` also applies them to pulses and noise."""

    window: Tensor
    minimum_phase: Tensor

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
        self.phase = nn.Linear(config.width, bins)
        self.noise = nn.Linear(config.width, bins)
        nn.init.constant_(self.harmonic.bias, QUIET)
        nn.init.constant_(self.noise.bias, QUIET)
        nn.init.zeros_(self.phase.weight)
        nn.init.zeros_(self.phase.bias)
        self.register_buffer("minimum_phase", minimum_phase_matrix(bins), persistent=False)
        self.register_buffer("window", torch.hann_window(config.window_samples), persistent=False)

    def filters(self, mel: Mel, f0: Pitch) -> Filters:
        """Predict the filters of every frame."""
        voiced = (f0 > 0).to(mel.dtype)
        pitch = (f0.clamp(min=1.0).log() - PITCH_CENTRE) * voiced
        x = torch.cat([mel / 4 + 1, pitch[:, None], voiced[:, None]], dim=1)
        x = self.enter(x).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        # Eight bits of mantissa are too few for a phase, so the heads stay in full precision.
        with torch.autocast(x.device.type, enabled=False):
            x = self.norm(x.float())
            harmonic = self.harmonic(x)
            phase = self.phase(x)
            if len(self.minimum_phase):
                phase = phase + harmonic @ self.minimum_phase
            return Filters(harmonic, phase, self.noise(x))

    def folded(self) -> "SourceFilter":
        """An equal network whose phase head holds the minimum phase, so that it costs nothing."""
        twin = copy.deepcopy(self)
        with torch.no_grad():
            turn = self.minimum_phase.T
            twin.phase.weight.add_(turn @ self.harmonic.weight)
            twin.phase.bias.add_(turn @ self.harmonic.bias)
        twin.minimum_phase = torch.zeros(0)
        return twin.eval()

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

    def forward(self, mel: Mel, f0: Pitch, noise: Wave) -> Wave:
        pulses = pulse_train(f0, self.mel_spec.hop_samples, self.mel_spec.sample_rate)
        return self.synthesise(self.filters(mel, f0), pulses, noise)

    def vocode(self, mel: Mel, f0: Pitch) -> Wave:
        """Make the wave of a mel and its F0 (Hz per frame, 0 where unvoiced)."""
        samples = mel.shape[2] * self.mel_spec.hop_samples
        return self(mel, f0, torch.randn(mel.shape[0], samples, device=mel.device))


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
        distance = spectral_distance(batch.wave, fake, config.stft_resolutions)
        loss = (
            distance.magnitude
            + config.convergence_weight * distance.convergence
            + config.phase_weight * distance.phase
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
