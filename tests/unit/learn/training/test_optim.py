"""Optimizers: what Muon does to a matrix, and that a training with it can be resumed."""

import copy
import shutil

import pytest
import torch
from torch import nn

from sori.core.errors import SoriError
from sori.learn.checkpoint import read_tensors
from sori.learn.training.optim import make_optimizer, rate_at
from sori.learn.training.run import Limits, Places, train
from tests.unit.learn.corpus import make_corpus
from tests.unit.learn.training.recipes import RECIPE, write_recipe

RATE = 1e-2


@pytest.fixture
def places(tmp_path):
    make_corpus(tmp_path / "corpora" / "tones")
    return Places(tmp_path / "corpora", tmp_path / "cache", tmp_path / "run")


class Small(nn.Module):
    """A table, two matrices, a convolution and biases."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(9, 12)
        self.wide = nn.Linear(12, 30)
        self.narrow = nn.Linear(30, 2)
        self.conv = nn.Conv1d(2, 2, 3)

    def forward(self, ids):
        return self.conv(self.narrow(torch.tanh(self.wide(self.table(ids)))).transpose(1, 2))


def move(model, optimizer, steps=1):
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(9, (4, 8), generator=generator)
        optimizer.zero_grad()
        (model(ids) - 1).square().mean().backward()
        optimizer.step()


def test_muon_moves_all_directions_of_a_matrix_by_about_equally_much():
    model = Small()
    before = model.wide.weight.detach().clone()

    move(model, make_optimizer(model, RATE, (0.9, 0.98), "muon"))

    moved = model.wide.weight.detach() - before * (1 - RATE * 0.01)  # less weight decay
    sizes = torch.linalg.svdvals(moved)
    # Of a batch of 32 rows; five rounds of Newton and Schulz bring what is not tiny near one.
    assert float(sizes.max() / sizes.median()) < 2
    # As large as a step of AdamW's, whose root mean square is about a fifth of the rate.
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.2 * RATE, rel=0.35)


def test_muon_leaves_tables_biases_convolutions_and_slim_matrices_to_adamw():
    with_muon, alone = Small(), Small()

    move(with_muon, make_optimizer(with_muon, RATE, (0.9, 0.98), "muon"))
    move(alone, make_optimizer(alone, RATE, (0.9, 0.98)))

    found, wanted = with_muon.state_dict(), alone.state_dict()
    same = {name for name in found if torch.equal(found[name], wanted[name])}
    assert same == found.keys() - {"wide.weight"}


def test_a_network_without_matrices_is_moved_by_adamw():
    assert isinstance(
        make_optimizer(nn.Conv1d(2, 2, 3), RATE, (0.9, 0.98), "muon"), torch.optim.AdamW
    )


def test_muon_goes_on_from_its_state_to_the_same_bits():
    straight = Small()
    optimizer = make_optimizer(straight, RATE, (0.9, 0.98), "muon")
    move(straight, optimizer, 3)
    resumed = copy.deepcopy(straight)
    again = make_optimizer(resumed, RATE, (0.9, 0.98), "muon")
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for group in (*optimizer.param_groups, *again.param_groups):
        group["lr"] = RATE / 2

    move(straight, optimizer, 3)
    move(resumed, again, 3)

    found, wanted = resumed.state_dict(), straight.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_training_with_muon_that_was_stopped_ends_with_the_same_bits(places, tmp_path):
    text = RECIPE + 'optimizer = "muon"\n'
    straight = Places(places.corpora, places.cache, tmp_path / "straight")
    train(write_recipe(tmp_path, 6, text), straight)
    train(write_recipe(tmp_path, 6, text), places, Limits(save_minutes=0.0))
    last = max(places.out.glob("checkpoints/*"))
    shutil.rmtree(last)

    train(write_recipe(tmp_path, 6, text), places)

    assert max(places.out.glob("checkpoints/*")).name == last.name
    whole, resumed = (
        read_tensors(max(p.out.glob("checkpoints/*")) / "state.safetensors")
        for p in (straight, places)
    )
    assert whole[1] == resumed[1]
    assert all(torch.equal(value, resumed[0][name]) for name, value in whole[0].items())


def test_another_optimizer_than_before_is_refused(places, tmp_path):
    train(write_recipe(tmp_path, 2), places)

    with pytest.raises(SoriError, match="trained with optimizer = 'adamw'; keep it, or use"):
        train(write_recipe(tmp_path, 4, RECIPE + 'optimizer = "muon"\n'), places)


def test_the_rate_warms_up_and_falls_to_a_twentieth():
    rates = [rate_at(step, 1.0, 10, 110) for step in range(111)]

    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.05)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
