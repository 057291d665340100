"""What the parts of the learning half promise each other. Nothing inherits from these.

Axis letters, here and everywhere: `B` item, `N` text token, `T` mel frame, `S` sample, `M` mel bin,
`C` channel, `D` width.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Scalar = Float[Tensor, ""]
Ids = Int[Tensor, "B N"]
Lengths = Int[Tensor, " B"]
Durations = Int[Tensor, "B N"]
Size = int | Int[Tensor, ""]  # of an axis; a tensor while a graph is traced
Track = Float[Tensor, "B T"]
Mel = Float[Tensor, "B M T"]
Wave = Float[Tensor, "B S"]
Frames = Float[Tensor, "B C T"]
FrameMask = Bool[Tensor, "B T"]


@dataclass(frozen=True)
class AcousticBatch:
    """Sentences with all that acoustic models learn from."""

    ids: Ids
    ids_len: Lengths
    mel: Mel
    mel_len: Lengths
    durations: Durations
    f0: Track
    energy: Track
    speaker: Lengths


class Update(NamedTuple):
    """One optimizer step: who moves, what it minimises, what the log records."""

    player: str
    loss: Scalar
    terms: Mapping[str, Tensor]


@runtime_checkable
class Task(Protocol):
    """Trains a model. An adversarial task has two players, most have one.

    A task that has a buffer named `step` is told there which step it is, from 0.
    """

    @property
    def players(self) -> Mapping[str, nn.Module]: ...

    def training_step(self, batch: Any) -> Iterator[Update]: ...


@dataclass(frozen=True)
class Exhibit:
    """What a person looks at and hears to see how far a training has come, by titles.

    Args:
        mels: log-mel spectrograms.
        alignments: how much each token owns of each frame, from 0 to 1.
        waves: sound at the rate of the model's `MelSpec`.
    """

    mels: Mapping[str, Float[Tensor, "M T"]] = field(default_factory=dict)
    alignments: Mapping[str, Float[Tensor, "N T"]] = field(default_factory=dict)
    waves: Mapping[str, Float[Tensor, " S"]] = field(default_factory=dict)


@runtime_checkable
class Showing(Protocol):
    """A task that can show what its model has learned, from a batch of one item."""

    def show(self, batch: Any) -> Exhibit: ...


class Delivery(NamedTuple):
    """How a sentence is to be said.

    Args:
        speakers: a weight for each speaker of the model, (B, P), summing to 1.
        speed, pitch, energy: factors around 1.
    """

    speakers: Float[Tensor, "B P"]
    speed: float = 1.0
    pitch: float = 1.0
    energy: float = 1.0


class Acoustics(NamedTuple):
    """What an acoustic model says of sentences.

    durations: in frames, of every token.
    f0: in Hz, 0 where unvoiced.
    finished: whether it came to an end of its own accord.
    """

    durations: Int[Tensor, "B N"]
    f0: Float[Tensor, "B T"]
    mel: Mel
    finished: bool = True


@runtime_checkable
class AcousticModel(Protocol):
    """Makes mels of token ids; its config names its symbols and, if it has several, speakers.

    Raises:
        SoriError: it cannot deliver a sentence in this way.
    """

    config: Any
    mel_spec: Any

    def acoustics(self, ids: Ids, delivery: Delivery) -> Acoustics: ...


@dataclass(frozen=True)
class Spec:
    """The card that ends every model file. The registry reads nothing else."""

    paper: str
    config: type
    model: Callable[[Any], nn.Module]
    task: Callable[..., Task]
    batch: type  # its field names are the features the data layer prepares
    tiny: Any  # a config small enough to train for a step in a unit test
    # Trained models the task takes: argument and name of the model, {"teacher": "wavenet"}.
    frozen: Mapping[str, str] = field(default_factory=dict)
    crop: bool = False  # whether it trains on crops of `crop_frames` instead of whole sentences
