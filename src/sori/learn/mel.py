"""The only spectrogram front end, and the values two models must agree on to exchange mels."""

from dataclasses import asdict

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sori.learn.contracts import Mel, Wave

strict = ConfigDict(extra="forbid")  # an unknown key is an error that names its full path


@dataclass(config=strict, frozen=True)
class MelSpec:
    """Everything that defines a log-mel spectrogram.

    Frame `t` is centred on sample `hop_samples * (t + 1/2)`, so `hop_samples * T` samples make
    exactly `T` frames. Bands are triangles on the Slaney mel scale with unit area; magnitudes are
    natural logs with a floor.
    """

    sample_rate: int = 24000
    fft_samples: int = 1024
    window_samples: int = 1024
    hop_samples: int = 300
    bins: int = 80
    f_min_hz: float = 0.0
    f_max_hz: float = 8000.0
    floor: float = 1e-5

    def __post_init__(self) -> None:
        if self.window_samples > self.fft_samples:
            raise ValueError(
                f"window_samples {self.window_samples} exceeds fft_samples {self.fft_samples}"
            )
        if self.f_max_hz > self.sample_rate / 2:
            raise ValueError(
                f"f_max_hz {self.f_max_hz} exceeds half the sample rate, {self.sample_rate / 2}"
            )


# Front ends that several papers share.
MEL_22_KHZ = MelSpec(sample_rate=22050, hop_samples=256)
MEL_24_KHZ_100 = MelSpec(sample_rate=24000, hop_samples=256, bins=100, f_max_hz=12000.0)


def require_same(acoustic: MelSpec, vocoder: MelSpec) -> None:
    """Refuse to join models that disagree, and say where they disagree.

    Raises:
        ValueError: names every field that differs, with both values.
    """
    theirs = asdict(vocoder)
    differences = [
        f"{name}: acoustic {value}, vocoder {theirs[name]}"
        for name, value in asdict(acoustic).items()
        if value != theirs[name]
    ]
    if differences:
        raise ValueError("mel spectrograms differ; " + "; ".join(differences))


# Log-mels of speech lie between these, as in TorToise: Betker 2023, arXiv:2305.07243.
LOWEST, HIGHEST = -11.512925148010254, 2.3143386840820312


def to_unit(mel: Mel) -> Mel:
    """Log-mels scaled so that speech lies between -1 and 1."""
    return 2 * (mel - LOWEST) / (HIGHEST - LOWEST) - 1


def from_unit(scaled: Mel) -> Mel:
    """Inverse of `to_unit`."""
    return (scaled + 1) / 2 * (HIGHEST - LOWEST) + LOWEST


def hz_to_mel(hz: float | np.ndarray) -> np.ndarray:
    """Slaney's scale: linear below 1 kHz, logarithmic above.

    Source: Slaney 1998, "Auditory Toolbox", technical report 1998-010.
    """
    hz = np.asarray(hz, dtype=np.float64)
    above = 15 + np.log(np.maximum(hz, 1000.0) / 1000.0) * 27 / np.log(6.4)
    return np.where(hz < 1000.0, 3 * hz / 200, above)


def mel_to_hz(mel: float | np.ndarray) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def filterbank(spec: MelSpec) -> Float[Tensor, "M K"]:
    """Triangular bands over the bins of the Fourier transform, each of unit area."""
    edges = mel_to_hz(
        np.linspace(hz_to_mel(spec.f_min_hz), hz_to_mel(spec.f_max_hz), spec.bins + 2)
    )
    bin_hz = np.linspace(0, spec.sample_rate / 2, spec.fft_samples // 2 + 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bin_hz - low) / (centre - low)
    falling = (high - bin_hz) / (high - centre)
    bands = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return torch.from_numpy(bands.astype(np.float32))


class MelSpectrogram(nn.Module):
    """Log-mel spectrogram of a batch of waves."""

    window: Tensor
    bands: Tensor

    def __init__(self, spec: MelSpec):
        super().__init__()
        self.spec = spec
        self.register_buffer("window", torch.hann_window(spec.window_samples), persistent=False)
        self.register_buffer("bands", filterbank(spec), persistent=False)

    def magnitude(self, wave: Wave) -> Float[Tensor, "B K T"]:
        """Magnitude of the short-time Fourier transform at the frames of the spec."""
        spare = self.spec.fft_samples - self.spec.hop_samples
        padded = F.pad(wave[:, None], (spare // 2, spare - spare // 2), mode="reflect")[:, 0]
        spectrum = torch.stft(
            padded,
            self.spec.fft_samples,
            self.spec.hop_samples,
            self.spec.window_samples,
            self.window,
            center=False,
            return_complex=True,
        )
        # The gradient of the square root has no bound at zero; 1e-9 is far below the floor.
        return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-9)

    def forward(self, wave: Wave) -> Mel:
        return torch.log((self.bands @ self.magnitude(wave)).clamp(min=self.spec.floor))
