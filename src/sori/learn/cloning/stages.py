"""The stages of cloning: a place among known speakers, tuning, masks, and cutting.

Source: Huang et al. 2023, "Personalized Lightweight Text-to-Speech: Voice Cloning with Adaptive
Structured Pruning", section 2.3, arXiv:2303.11816.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer

from sori.core.errors import SoriError
from sori.learn.contracts import Task
from sori.learn.models.fastspeech2_conv import ConvFastSpeech2
from sori.learn.nn.prunable import apply_masks
from sori.learn.pruning.gates import FORMS, OPEN_LOGIT, sample
from sori.learn.pruning.task import SparseTask
from sori.learn.training.loop import train_step
from sori.learn.training.optim import Choice, make_optimizer, rate_at

Batches = Callable[[int], Any]  # the batch of a step
Tell = Callable[[int, int], None]  # steps done, and of how many

MAX_NORM = 1.0
WARMUP_SHARE = 0.1
BETAS = (0.9, 0.98)
# How hard the density is pushed towards its goal, at once and in the long run.
PUSH, PULL = 20.0, 0.5
FALLING_SHARE = 0.7  # of the steps, in which the goal falls from 1 to the density asked for


@dataclass(frozen=True)
class Pace:
    """How many steps a stage takes, the highest learning rate of each player, and how it moves.

    A small network spends its time on changing numbers to bfloat16 and back: float32 is quicker.
    """

    steps: int
    rates: Mapping[str, float]
    precision: torch.dtype = torch.bfloat16
    optimizer: Choice = "adamw"


def learn(
    task: Task,
    optimizers: Mapping[str, Optimizer],
    batches: Batches,
    pace: Pace,
    tell: Tell,
    before: Callable[[int, Mapping[str, Tensor]], None] = lambda step, log: None,
) -> None:
    """Train for as many steps as the pace says.

    Args:
        before: called in front of every step with the log of the step before it.

    Raises:
        SoriError: the loss is not finite.
    """
    assert isinstance(task, nn.Module)
    task.train()
    log: Mapping[str, Tensor] = {}
    for step in range(pace.steps):
        before(step, log)
        for player, optimizer in optimizers.items():
            rate = rate_at(step, pace.rates[player], round(WARMUP_SHARE * pace.steps), pace.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
        with torch.autocast("cpu", pace.precision, enabled=pace.precision != torch.float32):
            log = train_step(task, batches(step), optimizers, MAX_NORM)
        if any(bool(log[name]) for name in log if name.endswith("skipped")):
            raise SoriError("the loss is not finite; are the recordings speech?")
        tell(step + 1, pace.steps)
    task.eval()


class Blend(nn.Module):
    """A new speaker as a mixture of some of the known ones: a convex combination, and gates.

    Source: Huang et al. 2023, section 3.1 (the embedding of a new speaker), arXiv:2303.11816.
    """

    def __init__(self, speakers: Float[Tensor, "D P"]):
        super().__init__()
        self.speakers = speakers
        self.logits = nn.Parameter(torch.zeros(speakers.shape[1]))
        self.gates = nn.Parameter(torch.full((speakers.shape[1],), OPEN_LOGIT))

    def shares(self) -> Float[Tensor, " P"]:
        """How much of each known speaker there is; they sum to 1."""
        opened = sample(self.gates, FORMS["stretched"]) if self.training else self.gates >= 0
        shares = self.logits.softmax(dim=0) * opened
        return shares / shares.sum().clamp(min=1e-6)

    def forward(self, column: Float[Tensor, "D 1"]) -> Float[Tensor, "D 1"]:
        return (self.speakers @ self.shares())[:, None]


class Blending(nn.Module):
    """Another task, of which only a blend of speakers learns."""

    def __init__(self, task: Task, blend: Blend):
        super().__init__()
        self.task = task
        self.blend = blend

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"blend": self.blend}

    def training_step(self, batch: Any) -> Any:
        for update in self.task.training_step(batch):
            yield update._replace(player="blend")


def for_one(base: ConvFastSpeech2, name: str) -> ConvFastSpeech2:
    """The base model with a table of one speaker, who is the mean of all it knows."""
    model = ConvFastSpeech2(replace(base.config, speakers=(name,)))
    weights = dict(base.state_dict())
    weights["speakers.weight"] = weights["speakers.weight"].mean(dim=1, keepdim=True)
    model.load_state_dict(weights)
    return model


def place(
    task: Any, known: Float[Tensor, "D P"], batches: Batches, pace: Pace, tell: Tell
) -> Float[Tensor, " P"]:
    """Put the one speaker of a task's model where a blend of known ones sounds most alike.

    Returns:
        The share of every known speaker.
    """
    model = task.model
    model.requires_grad_(False)
    blend = Blend(known)
    parametrize.register_parametrization(model.speakers, "weight", blend)
    optimizer = torch.optim.Adam(blend.parameters(), lr=pace.rates["blend"])
    learn(Blending(task, blend), {"blend": optimizer}, batches, pace, tell)
    shares = blend.eval().shares().detach()
    parametrize.remove_parametrizations(model.speakers, "weight", leave_parametrized=True)
    model.requires_grad_(True)
    return shares


def tune(task: Task, batches: Batches, pace: Pace, tell: Tell) -> None:
    """Fine-tune every player of a task."""
    optimizers = {
        name: make_optimizer(player, pace.rates[name], BETAS, pace.optimizer)
        for name, player in task.players.items()
    }
    learn(task, optimizers, batches, pace, tell)


def without_dropout(model: nn.Module) -> None:
    """Let nothing be dropped in training: what learns from a teacher has no noise to be kept from,
    and a pruned network has no units to spare."""
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0


def magnitude_masks(sparse: SparseTask, keep: float) -> dict[str, Tensor]:
    """The channels with the largest weights: what pruning is without learning, to compare with.

    A channel counts by the sum of squares of all weights that its mask reaches, which is half the
    derivative of the squared norm by that mask, beside the mean of its dimension.

    Source: Li et al. 2017, "Pruning Filters for Efficient ConvNets", arXiv:1608.08710.
    """
    weights = {k: v for k, v in sparse.network.named_parameters() if "original" in k}
    masks = {k: torch.ones_like(v).requires_grad_() for k, v in sparse.gates.each().items()}
    total = torch.zeros(())
    for name, axes in sparse.structure.axes.items():
        path, _, tensor = name.rpartition(".")
        weight = weights.get(f"{path}.parametrizations.{tensor}.original".removeprefix("."))
        if weight is not None:
            total = total + apply_masks(weight.detach().square(), axes, masks).sum()
    sums = torch.autograd.grad(total, list(masks.values()))
    with torch.no_grad():
        for logits, found in zip(sparse.gates.logits, sums, strict=True):
            logits.copy_((found / found.mean()).clamp(min=1e-6).log())
    sparse.settle(keep)
    return sparse.finish()


def find_masks(
    sparse: SparseTask, batches: Batches, pace: Pace, keep: float | None, tell: Tell
) -> dict[str, Tensor]:
    """Let gates learn which channels a speaker needs; returns those that stay.

    Args:
        keep: the share of the weights that stays. The density's weight in the loss then follows the
            method of multipliers, towards a goal that falls from 1 to `keep`. Without it the weight
            is the paper's, 1, and the density is what comes of it.

    Source: for the multipliers, Wang et al. 2020, "Structured Pruning of Large Language Models",
    section 3.3, arXiv:1910.04732.
    """
    network = sparse.network
    if not sparse.joint:
        network.requires_grad_(False)
    optimizers: dict[str, Optimizer] = {
        "gates": torch.optim.Adam(sparse.gates.parameters(), lr=pace.rates["gates"])
    }
    if sparse.joint:
        optimizers[sparse.player] = make_optimizer(network, pace.rates[sparse.player], BETAS)
    pulled = 0.0

    def push(step: int, log: Mapping[str, Tensor]) -> None:
        nonlocal pulled
        if keep is None or not log:
            return
        goal = keep ** min(step / (FALLING_SHARE * pace.steps), 1.0)
        excess = float(next(v for k, v in log.items() if k.endswith("/density"))) - goal
        pulled = max(pulled + PULL * excess, 0.0)
        sparse.weight = max(pulled + PUSH * excess, 0.0)

    learn(sparse, optimizers, batches, pace, tell, push)
    if keep is not None:
        sparse.settle(keep)
    network.requires_grad_(True)
    return sparse.finish()
