"""One step of any task: every player makes its move."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from sori.learn.contracts import Task, Update
from sori.learn.training.clock import Clock
from sori.learn.training.processes import add_up

Log = dict[str, Tensor]


class Piece(NamedTuple):
    """A part of a batch: how much of the whole it is, and where its random numbers begin.

    Without a seed they go on from wherever they were.
    """

    batch: Any
    share: float = 1.0
    seed: int | None = None


class Tools(NamedTuple):
    """What moves the players: an optimizer for each, and the machine that they run on."""

    optimizers: Mapping[str, Optimizer]
    max_norm: float
    accelerator: Accelerator
    clock: Clock


def train_step(task: Task, batch: Any, optimizers: Mapping[str, Optimizer], max_norm: float) -> Log:
    """Let every player make its move on one batch, in full precision; return what to log."""
    return move_players(task, [Piece(batch)], Tools(optimizers, max_norm, Accelerator(), Clock()))


def guarded(
    updates: Iterator[Update], accelerator: Accelerator, seed: int | None = None
) -> Iterator[Update]:
    """Run the body of a training step in mixed precision, each part between two yields.

    Every part draws from a generator of its own, so what is drawn for one piece depends neither on
    the other pieces nor on the process that it fell to.
    """
    for turn in count():
        if seed is not None:
            torch.manual_seed(seed + turn)
        with accelerator.autocast():
            update = next(updates, None)
        if update is None:
            return
        yield update


def move_players(task: Task, pieces: Sequence[Piece], tools: Tools, wish: float = 0.0) -> Log:
    """Let every player of the task make its move on a batch in pieces; return what to log.

    Gradients add up over the pieces and over all processes before a player moves, so the step is
    that of the whole batch. A player whose gradient is not finite does not move; its log entry
    `<player>/skipped` is 1 then.

    Args:
        wish: a number whose sum over all processes is logged as `wish`.
    """
    log: Log = {"wish": torch.tensor(wish)}
    streams = [
        guarded(task.training_step(piece.batch), tools.accelerator, piece.seed) for piece in pieces
    ]
    while (round_ := push(pieces, streams, tools)) is not None:
        player, terms = round_
        weights = list(task.players[player].parameters())
        with tools.clock("optimizer"):
            wished = torch.tensor(wish, device=weights[0].device)
            *sums, log["wish"] = add_up(tools.accelerator, weights, [*terms.values(), wished])
            terms = dict(zip(terms, sums, strict=True))
            log |= pull(player, weights, tools)
        log |= {f"{player}/{name}": term for name, term in terms.items()}
    return log


def push(
    pieces: Sequence[Piece], streams: Sequence[Iterator[Update]], tools: Tools
) -> tuple[str, Log] | None:
    """Send the losses of all pieces backward for the next player; None when all have moved.

    The pieces take turns, so a graph is freed before the next one is built. What one player leaves
    for the next, a wave that critics judge, is kept for every piece.
    """
    player, terms = None, {}
    for piece, stream in zip(pieces, streams, strict=True):
        with tools.clock("forward"):
            update = next(stream, None)
        if update is None:
            continue
        if player is None:
            player = update.player
            tools.optimizers[player].zero_grad(set_to_none=True)
        with tools.clock("backward"):
            loss = update.loss if piece.share == 1 else update.loss * piece.share
            tools.accelerator.backward(loss)
        for name, term in update.terms.items():
            part = term.detach() * piece.share
            terms[name] = terms[name] + part if name in terms else part
    return None if player is None else (player, terms)


def pull(player: str, weights: list[torch.nn.Parameter], tools: Tools) -> Log:
    """Clip the gradient and move the player, unless the gradient is infinite or undefined."""
    optimizer, scaler = tools.optimizers[player], tools.accelerator.scaler
    if scaler is not None:  # fp16: gradients were scaled up so that small ones do not vanish
        scaler.unscale_(optimizer)
    norm = clip_grad_norm_(weights, tools.max_norm)
    if scaler is not None:
        scaler.step(optimizer)
        scaler.update()
    elif torch.isfinite(norm):
        optimizer.step()
    return {f"{player}/norm": norm.detach(), f"{player}/skipped": (~norm.isfinite()).float()}
