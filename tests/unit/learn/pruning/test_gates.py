"""The invariants of hard-concrete gates, against their closed forms."""

import math

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn.nn.prunable import Structure
from sori.learn.pruning.gates import (
    FORMS,
    Gates,
    decide,
    probability_open,
    sample,
    without_noise,
)

DRAWS = 200_000
STRETCHED, SOFT = FORMS["stretched"], FORMS["soft"]


def draw(log_alpha, form):
    torch.manual_seed(0)
    return sample(torch.full((DRAWS,), log_alpha), form)


@pytest.mark.parametrize(
    ("log_alpha", "closed", "open_", "mean"),
    [(0.0, 0.1682, 0.1682, 0.5), (-2.0, 0.599, 0.027, 0.143), (2.0, 0.027, 0.599, 0.857),
     (4.0, 0.0037, 0.917, 0.976)],
)  # fmt: skip
def test_gates_are_closed_open_and_between_as_often_as_derived(log_alpha, closed, open_, mean):
    z = draw(log_alpha, STRETCHED)

    assert float((z == 0).float().mean()) == pytest.approx(closed, abs=0.004)
    assert float((z == 1).float().mean()) == pytest.approx(open_, abs=0.004)
    assert float(z.mean()) == pytest.approx(mean, abs=0.004)


@pytest.mark.parametrize("log_alpha", [-3.0, 0.0, 2.0])
def test_the_penalty_is_the_probability_of_not_being_closed(log_alpha):
    drawn = float((draw(log_alpha, STRETCHED) > 0).float().mean())

    closed_form = float(probability_open(torch.tensor([log_alpha]), STRETCHED))

    assert closed_form == pytest.approx(drawn, abs=0.004)


def test_a_gate_is_closed_half_of_the_time_where_its_shift_says():
    assert STRETCHED.shift == pytest.approx(-1.5986, abs=1e-4)
    assert float(probability_open(torch.tensor([STRETCHED.shift]), STRETCHED)) == 0.5


def test_a_gate_without_noise_is_not_its_mean():
    assert float(without_noise(torch.tensor([2.0]), STRETCHED)) == pytest.approx(0.957, abs=1e-3)


def test_a_gate_without_stretch_never_closes_and_has_a_known_mean():
    keep = 0.99
    a = keep / (1 - keep)

    z = draw(math.log(a), SOFT)

    assert float((z == 0).float().mean()) == 0
    assert float(probability_open(torch.zeros(1), SOFT)) == 1
    assert float(z.mean()) == pytest.approx(a * (a - 1 - math.log(a)) / (a - 1) ** 2, abs=1e-3)


def test_a_clipped_gate_passes_no_gradient_and_the_penalty_always_does():
    torch.manual_seed(0)
    logits = torch.full((1000,), 3.0, requires_grad=True)
    z = sample(logits, STRETCHED)

    z.sum().backward()
    through_sample = logits.grad.clone()
    logits.grad = None
    probability_open(logits, STRETCHED).sum().backward()

    assert (through_sample[z == 1] == 0).all()
    assert (through_sample[(z > 0) & (z < 1)] > 0).all()
    assert (logits.grad > 0).all()


def test_masks_of_two_dimensions_are_independent():
    torch.manual_seed(0)
    rows, columns = torch.linspace(-2, 2, 5), torch.linspace(-3, 1, 7)
    counted = [
        (sample(rows, STRETCHED) > 0).sum() * (sample(columns, STRETCHED) > 0).sum()
        for _ in range(4000)
    ]

    expected = probability_open(rows, STRETCHED).sum() * probability_open(columns, STRETCHED).sum()

    mean = float(torch.stack(counted).float().mean())
    assert mean == pytest.approx(float(expected), rel=0.02)


def test_channels_stay_where_log_alpha_is_not_negative():
    logits = torch.tensor([-1.0, -1e-6, 0.0, 2.0])

    assert decide(logits).tolist() == [False, False, True, True]


def test_gates_begin_open():
    structure = Structure()
    structure.dimension("width", 40)

    stretched, soft = Gates(structure, "stretched"), Gates(structure, "soft")

    assert float(stretched.probability_open()["width"].detach().mean()) == pytest.approx(
        0.998, abs=5e-4
    )
    assert soft.logits[0][0].item() == pytest.approx(4.595, abs=1e-3)
    assert all(mask.all() for mask in stretched.decide().values())


def test_an_unknown_form_is_named_with_the_known_ones():
    with pytest.raises(SoriError, match="stretched, soft"):
        Gates(Structure(), "hard")
