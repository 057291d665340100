"""Pruning wraps a task: what it counts, what moves, and what it leaves behind."""

import pytest
import torch

from sori.learn import registry
from sori.learn.contracts import Task
from sori.learn.pruning.compact import compact
from sori.learn.pruning.task import JOINT_WEIGHT_STEP, SparseTask
from sori.learn.training.loop import train_step
from tests.batches import example_batch

PLAYERS = {"fastspeech2": "model", "fastspeech2_conv": "model", "source_filter": "generator"}


def make(name, **options):
    torch.manual_seed(0)
    card = registry.spec(name)
    return SparseTask(card.task(card.tiny), PLAYERS[name], **options), example_batch(card)


def optimizers_of(task, rate=0.5):
    return {name: torch.optim.Adam(p.parameters(), lr=rate) for name, p in task.players.items()}


def set_gates(task, value):
    task.masks = {name: torch.full_like(m, value) for name, m in task.masks.items()}


@pytest.fixture(params=PLAYERS)
def name(request):
    return request.param


def test_it_is_a_task_like_any_other(name):
    assert isinstance(make(name)[0], Task)


def test_density_is_one_where_all_gates_are_open_and_falls_to_what_no_gate_reaches(name):
    task, _ = make(name)

    set_gates(task, 1.0)
    whole = float(task.density())
    set_gates(task, 0.0)

    assert whole == pytest.approx(1.0, abs=1e-6)
    assert 0 <= float(task.density()) < 0.5


def test_soft_gates_begin_at_the_density_of_the_release():
    task, _ = make("fastspeech2_conv", form="soft")
    z = 0.9628  # mean of a soft gate that is open with probability 0.99
    hidden, width = task.structure.sizes["decoder.blocks.0.hidden"], task.structure.sizes["width"]

    torch.manual_seed(0)
    sums = []
    for _ in range(300):
        masks = task.gates.sample()
        sums.append(masks["decoder.blocks.0.hidden"].sum() * masks["width"].sum())

    assert float(torch.stack(sums).mean().detach()) / (hidden * width) == pytest.approx(
        z * z, abs=0.005
    )
    assert z * z == pytest.approx(0.927, abs=1e-3)


def test_a_shared_gate_answers_for_every_matrix_that_uses_it():
    task, _ = make("fastspeech2_conv")
    task.masks = {name: m.detach().clone() for name, m in task.masks.items()}
    set_gates(task, 1.0)
    width = task.masks["width"].requires_grad_()

    task.density().backward()

    users = [
        weight.numel() / task.structure.sizes["width"]
        for weight, axes in (
            (task.network.get_parameter(original(name)), axes)
            for name, axes in task.structure.axes.items()
        )
        if any(part == ("width",) for axis in axes for part in axis)
    ]
    assert width.grad[3].item() == pytest.approx(sum(users) / task.total, rel=1e-4)


def original(name):
    path, _, tensor = name.rpartition(".")
    return f"{path}.parametrizations.{tensor}.original".removeprefix(".")


def test_gates_move_and_weights_stay(name):
    # A drawn gate that is clipped passes no gradient; the expected penalty reaches all.
    task, batch = make(name, penalty="expected")
    weights = [w.detach().clone() for w in task.network.parameters()]
    logits = [g.detach().clone() for g in task.gates.parameters()]

    log = train_step(task, batch, optimizers_of(task), max_norm=1.0)

    assert all(torch.equal(a, b) for a, b in zip(weights, task.network.parameters(), strict=True))
    moved = [not torch.equal(a, b) for a, b in zip(logits, task.gates.parameters(), strict=True)]
    assert all(moved)
    assert 0.9 < float(log["gates/density"]) <= 1


def test_joint_training_moves_weights_every_tenth_step():
    task, batch = make("fastspeech2_conv", joint=True)

    movers = [next(iter(task.training_step(batch))).player for _ in range(2 * JOINT_WEIGHT_STEP)]

    assert movers == (["gates"] * (JOINT_WEIGHT_STEP - 1) + ["model"]) * 2


def test_a_masked_weight_receives_no_gradient():
    task, batch = make("fastspeech2_conv")
    hidden = "decoder.blocks.0.hidden"

    task.gates.sample = lambda: {
        name: torch.zeros(size) if name == hidden else torch.ones(size)
        for name, size in task.structure.sizes.items()
    }
    next(iter(task.training_step(batch))).loss.backward()

    narrow = task.network.get_parameter(original("decoder.blocks.0.narrow.weight"))
    assert (narrow.grad == 0).all()
    assert task.network.get_parameter(original("mel_out.weight")).grad.any()


def test_gates_close_when_only_density_counts(name):
    task, batch = make(name)
    task.weight = 1e4
    optimizers = optimizers_of(task, rate=1.0)

    for _ in range(25):
        log = train_step(task, batch, optimizers, max_norm=1e9)

    # Tiny networks consist of their outputs to a great part, which no gate reaches on both sides.
    assert float(log["gates/density"]) < 0.6


@pytest.mark.parametrize("keep", [0.7, 0.4, 0.2])
def test_settling_leaves_the_share_that_was_asked_for(keep):
    task, _ = make("fastspeech2_conv")
    with torch.no_grad():
        for logits in task.gates.logits:
            logits.add_(torch.randn_like(logits))

    task.settle(keep)
    decided = task.decided_density()
    kept = task.finish()

    small = sum(w.numel() for w in compact(task.network, kept).parameters())
    assert keep - 0.1 < decided <= keep
    assert small / task.total == pytest.approx(decided, abs=0.02)


def test_finishing_leaves_the_network_as_it_was(name):
    task, batch = make(name)
    before = {k: v.clone() for k, v in fresh(name).state_dict().items()}

    train_step(task, batch, optimizers_of(task), max_norm=1.0)
    task.finish()

    after = task.network.state_dict()
    assert before.keys() == after.keys()
    weights = {key for key, _ in task.network.named_parameters()}
    assert all(torch.equal(before[key], after[key]) for key in weights)


def fresh(name):
    torch.manual_seed(0)
    card = registry.spec(name)
    return card.task(card.tiny).players[PLAYERS[name]]
