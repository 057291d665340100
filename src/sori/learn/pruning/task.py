"""Pruning as a wrapper around any task: its network is masked by gates that learn beside it.

Source: Huang et al. 2023, "Personalized Lightweight Text-to-Speech: Voice Cloning with Adaptive
Structured Pruning", section 2, arXiv:2303.11816.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sori.learn.contracts import Scalar, Task, Update
from sori.learn.nn.prunable import Axis, Masks, apply_masks, kept_weights
from sori.learn.pruning.compact import structure_of
from sori.learn.pruning.gates import Gates

JOINT_WEIGHT_STEP = 10  # of so many steps of joint training one moves the weights


class Masking(nn.Module):
    """Multiplies one weight by the masks of the moment."""

    def __init__(self, axes: tuple[Axis, ...], masks: Callable[[], Masks]):
        super().__init__()
        self.axes = axes
        self.masks = masks

    def forward(self, weight: Tensor) -> Tensor:
        return apply_masks(weight, self.axes, self.masks())


class SparseTask(nn.Module):
    """Adds the density of one player to its loss, and lets gates instead of weights move.

        L = L_task + w density,   density = (1 / N) sum of all masks, in [0, 1]

    With `joint`, every tenth step moves the weights.

    Args (of the constructor):
        player: the player that is pruned; its network declares a structure.
        penalty: "norm" takes the masks that were drawn, as the pruning paper does; "expected" takes
            the probability that they are not zero, as Louizos et al. do.
    """

    def __init__(
        self,
        task: Task,
        player: str,
        form: str = "stretched",
        joint: bool = False,
        penalty: Literal["norm", "expected"] = "norm",
    ):
        super().__init__()
        self.inner = task
        self.player = player
        self.joint = joint
        self.penalty = penalty
        self.weight = 1.0  # of the density in the loss; the paper's value
        self.structure = structure_of(self.network)
        self.gates = Gates(self.structure, form)
        self.total = sum(weight.numel() for weight in self.network.parameters())
        self.masks: Masks = self.gates.sample()
        self.steps = 0
        for name, axes in self.structure.axes.items():
            path, _, tensor = name.rpartition(".")
            masking = Masking(axes, lambda: self.masks)
            owner = self.network.get_submodule(path)
            parametrize.register_parametrization(owner, tensor, masking, unsafe=True)

    @property
    def network(self) -> nn.Module:
        return self.inner.players[self.player]

    @property
    def players(self) -> dict[str, nn.Module]:
        return {**self.inner.players, "gates": self.gates}

    def training_step(self, batch: Any) -> Iterator[Update]:
        self.masks = self.gates.sample()
        moves_weights = self.joint and self.steps % JOINT_WEIGHT_STEP == JOINT_WEIGHT_STEP - 1
        self.steps += 1
        for update in self.inner.training_step(batch):
            if update.player != self.player:
                yield update
                continue
            density = self.density()
            loss = update.loss + self.weight * density
            mover = self.player if moves_weights else "gates"
            yield Update(mover, loss, {**update.terms, "density": density})

    def density(self) -> Scalar:
        """The share of the weights that the gates let through, as the loss counts it."""
        masks = self.masks if self.penalty == "norm" else self.gates.probability_open()
        return kept_weights(self.network, self.structure, masks) / self.total

    @torch.no_grad()
    def decided_density(self, shift: float = 0.0) -> float:
        """The share of the weights that stay, if all logits were shifted by a number."""
        kept = {name: (logits + shift >= 0).float() for name, logits in self.gates.each().items()}
        return float(kept_weights(self.network, self.structure, kept)) / self.total

    def settle(self, keep: float) -> None:
        """Shift all logits alike until the share that stays is `keep`, as nearly as it can be."""
        low, high = -100.0, 100.0
        while high - low > 1e-4:
            middle = (low + high) / 2
            if self.decided_density(middle) > keep:
                high = middle
            else:
                low = middle
        self.gates.shift(low)

    def finish(self) -> dict[str, Tensor]:
        """Take the masks off the network; returns the channels that stay."""
        for name in self.structure.axes:
            path, _, tensor = name.rpartition(".")
            owner = self.network.get_submodule(path)
            parametrize.remove_parametrizations(owner, tensor, leave_parametrized=False)
        return self.gates.decide()
