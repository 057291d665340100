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
Mel = Float[Tensor, "B M T"]
Wave = Float[Tensor, "B S"]
Frames = Float[Tensor, "B C T"]
FrameMask = Bool[Tensor, "B T"]


class Update(NamedTuple):
    """One optimizer step: who moves, what it minimises, what the log records."""

    player: str
    loss: Scalar
    terms: Mapping[str, Tensor]


@runtime_checkable
class Task(Protocol):
    """Trains a model. An adversarial task has two players, most have one."""

    @property
    def players(self) -> Mapping[str, nn.Module]: ...

    def training_step(self, batch: Any) -> Iterator[Update]: ...


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
