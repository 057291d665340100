"""Every vocoder behind one door: a trained network, an exported graph, or Griffin-Lim."""

import inspect
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from pydantic import TypeAdapter, ValidationError

from sori.audio.files import read
from sori.audio.resample import resample
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.contracts import Mel, Wave
from sori.learn.data import features
from sori.learn.mel import MelSpec, require_same
from sori.learn.nn.conv import fold_weight_norm
from sori.learn.nn.noise import Chance
from sori.learn.systems.griffin_lim import GriffinLim

GRIFFIN_LIM = "griffin-lim"  # stands in place of a file
MEL_SUFFIXES = (".npy", ".npz")
Precision = Literal["fp32", "bf16"]


@runtime_checkable
class Network(Protocol):
    """What makes waves of mels; some take F0 as well, as their second argument `f0`."""

    @property
    def mel_spec(self) -> MelSpec: ...

    @property
    def vocode(self) -> Any: ...


class Sound(NamedTuple):
    """What a vocoder hears: log-mel, F0 in Hz per frame if it is known, and the gain to undo."""

    mel: Float[np.ndarray, "T M"]
    f0: Float[np.ndarray, " T"] | None
    gain: float = 1.0


class Vocoder:
    """A vocoder that is ready to speak.

    Args (of the constructor):
        precision: of matrix products; "bf16" is for networks that speak in one pass.
    """

    def __init__(self, network: Network, name: str, precision: Precision = "fp32"):
        self.network = network
        self.precision = precision
        self.name = name
        self.spec = network.mel_spec
        self.wants_f0 = "f0" in inspect.signature(network.vocode).parameters

    def speak(self, sound: Sound, seed: int = 0) -> Audio:
        """The wave of a mel; the same seed gives the same samples.

        Raises:
            SoriError: the mel has another number of bands, or the vocoder needs F0.
        """
        if sound.mel.shape[1] != self.spec.bins:
            raise SoriError(f"the mel has {sound.mel.shape[1]} bands, {self.name} {self.spec.bins}")
        heard = [torch.from_numpy(np.ascontiguousarray(sound.mel.T, np.float32))[None]]
        if self.wants_f0:
            if sound.f0 is None:
                raise SoriError(
                    f"{self.name} needs F0; give a recording, or an .npz file with mel and f0"
                )
            heard.append(torch.from_numpy(sound.f0.astype(np.float32))[None])
        torch.manual_seed(seed)
        halved = torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), halved:
            wave = self.network.vocode(*heard)[0].float()
        return Audio(wave.numpy() / np.float32(sound.gain), self.spec.sample_rate)

    def hear(self, audio: Audio) -> Sound:
        """The mel of a recording, brought to the level that vocoders learn at; F0 if wanted.

        Raises:
            SoriError: it is shorter than one transform.
        """
        wave = resample(audio, self.spec.sample_rate).samples
        if len(wave) < self.spec.fft_samples:
            raise SoriError(
                f"the recording has {audio.seconds:.3f} s; {self.name} needs at least "
                f"{self.spec.fft_samples / self.spec.sample_rate:.3f} s"
            )
        levelled = features.normalise(wave, self.spec.sample_rate) if wave.any() else wave
        peak = int(np.abs(wave).argmax())
        gain = float(levelled[peak] / wave[peak]) if wave.any() else 1.0
        mel = features.mel(levelled, self.spec)
        return Sound(mel, features.f0(levelled, self.spec) if self.wants_f0 else None, gain)

    def copy(self, audio: Audio, seed: int = 0) -> Audio:
        """Copy synthesis: the recording again, from nothing but its mel (and F0)."""
        return self.speak(self.hear(audio), seed)


def open_graph(path: Path) -> tuple[Any, dict[str, str]]:
    """An ONNX graph in onnxruntime, on as many threads as PyTorch has, and its metadata.

    Raises:
        SoriError: it cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # faults come as exceptions
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class for what a file can be
        raise SoriError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error
    return session, session.get_modelmeta().custom_metadata_map


class Graph:
    """An exported vocoder in onnxruntime; its noise is drawn here."""

    def __init__(self, path: Path):
        self.session, card = open_graph(path)
        try:
            described = json.loads(card["sori.vocoder"])
            self.spec = TypeAdapter(MelSpec).validate_python(described["mel"])
            self.noises = [Chance(**noise) for noise in described["noises"]]
        except (KeyError, ValueError, TypeError, ValidationError) as error:
            raise SoriError(f"{path} is not a vocoder that Sori exported: {error}") from error

    @property
    def mel_spec(self) -> MelSpec:
        return self.spec

    def vocode(self, mel: Mel) -> Wave:
        """Make a wave of a mel and noise."""
        feed = {"mel": mel.numpy()}
        for number, noise in enumerate(self.noises):
            feed[f"noise_{number}"] = noise.draw(mel).numpy()
        return torch.from_numpy(np.asarray(self.session.run(["wave"], feed)[0]))


def load_vocoder(place: str, like: MelSpec | None = None, precision: Precision = "fp32") -> Vocoder:
    """A vocoder by the path of its checkpoint or exported graph, or "griffin-lim".

    Args:
        like: the mels that Griffin-Lim shall invert; without it, those of our default vocoder.

    Raises:
        SoriError: there is no such file, it is not a vocoder, or it has no such precision.
    """
    path = Path(place)
    if precision != "fp32" and (place == GRIFFIN_LIM or path.suffix == ".onnx"):
        raise SoriError(f"{place} has no {precision}, which checkpoints have; leave it at fp32")
    if place == GRIFFIN_LIM:
        return Vocoder(GriffinLim(like or MelSpec()).eval(), GRIFFIN_LIM)
    if path.suffix == ".onnx":
        if not path.is_file():
            raise SoriError(f"there is no vocoder {path}")
        return Vocoder(Graph(path), path.name)
    network = registry.load(path)
    if not isinstance(network, Network):
        raise SoriError(f"{path} holds {type(network).__name__}, which is not a vocoder")
    if precision != "fp32" and not hasattr(network, "noises"):
        raise SoriError(f"{path} makes sample after sample, for which there is no {precision}")
    fold_weight_norm(network)  # type: ignore[arg-type]
    return Vocoder(network, path.parent.name or path.name, precision)


def read_sound(path: Path, vocoder: Vocoder) -> Sound:
    """What a file holds for a vocoder: a recording, or a saved mel.

    A saved mel is an array (M, T) in .npy, or `mel` in .npz beside `f0` and any fields of
    `MelSpec`, which must be the vocoder's.

    Raises:
        SoriError: it cannot be read, or was made for another vocoder; fields are named.
    """
    if path.suffix not in MEL_SUFFIXES:
        return vocoder.hear(read(path))
    try:
        held = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SoriError(f"cannot read the mel {path}: {error}") from error
    if isinstance(held, np.ndarray):
        return Sound(mel_of(held, path), None)
    with held:
        arrays = {name: held[name] for name in held.files}
    if "mel" not in arrays:
        raise SoriError(f"{path} has no array 'mel'; it has {', '.join(arrays) or 'none'}")
    agree(arrays, vocoder, path)
    mel, f0 = mel_of(arrays["mel"], path), arrays.get("f0")
    if f0 is not None and f0.shape != mel.shape[:1]:
        raise SoriError(f"{path}: f0 has shape {f0.shape}, the mel {len(mel)} frames")
    return Sound(mel, f0)


def agree(arrays: dict[str, np.ndarray], vocoder: Vocoder, path: Path) -> None:
    """Refuse a mel whose stated front end is not the vocoder's."""
    known = {f.name for f in fields(MelSpec)}
    stated = {name: value.item() for name, value in arrays.items() if name in known}
    try:
        require_same(MelSpec(**asdict(vocoder.spec) | stated), vocoder.spec)
    except (ValueError, ValidationError) as error:
        raise SoriError(f"{path} does not suit {vocoder.name}: {error}") from error


def mel_of(array: np.ndarray, path: Path) -> Float[np.ndarray, "T M"]:
    if array.ndim != 2 or not array.size or not np.issubdtype(array.dtype, np.floating):
        raise SoriError(
            f"{path}: a mel is (bands, frames) of floats, not {array.shape} of {array.dtype}"
        )
    return np.asarray(array.T, np.float32)
