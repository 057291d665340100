import pytest
import torch
from torch.autograd.functional import jacobian

from sori.learn.nn.flows import (
    ActNorm,
    Chain,
    ChannelMix,
    Coupling,
    ShiftCoupling,
    squeeze,
    swap_halves,
    unsqueeze,
)


class Reader(torch.nn.Module):
    """Stands for the network of a coupling."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(3, 4, 3, padding=1)

    def forward(self, kept, condition):
        return torch.tanh(self.conv(torch.cat([kept, condition], dim=1)))


class ThreeReader(torch.nn.Module):
    """Stands for the network of a coupling that only shifts."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(5, 3, 3, padding=1)

    def forward(self, kept, condition):
        return torch.tanh(self.conv(torch.cat([kept, condition], dim=1)))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def determinant(function, x):
    """log|det| of a map of one item, from its Jacobian."""
    size = x.numel()
    return torch.linalg.slogdet(jacobian(function, x).reshape(size, size)).logabsdet


def test_squeezing_keeps_every_sample_and_can_be_undone():
    x = torch.arange(48.0).reshape(2, 3, 8)

    y = squeeze(x, 4)

    assert y.shape == (2, 12, 2)
    assert torch.equal(y[0, :4, 1], x[0, 0, 4:])
    assert torch.equal(unsqueeze(y, 4), x)


def test_lengths_that_cannot_be_squeezed_are_refused():
    with pytest.raises(ValueError, match="10 samples are not a multiple of 4"):
        squeeze(torch.zeros(1, 1, 10), 4)


def test_swapping_halves_twice_changes_nothing_and_keeps_volume():
    x = torch.randn(1, 4, 3).double()

    assert torch.equal(swap_halves(swap_halves(x)), x)
    assert float(determinant(swap_halves, x)) == 0


def test_the_first_batch_leaves_an_activation_norm_standardised():
    norm = ActNorm(3)
    x = 5 * torch.randn(4, 3, 50) + torch.tensor([1.0, -2.0, 7.0])[:, None]

    y, _ = norm(x)
    norm(torch.randn(4, 3, 50))

    torch.testing.assert_close(y.mean(dim=(0, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std(dim=(0, 2), correction=0), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm(x)[0], y)


def test_an_activation_norm_in_use_does_not_take_its_values_from_the_batch():
    norm = ActNorm(2).eval()

    y, log_det = norm(torch.full((1, 2, 4), 3.0))

    assert torch.equal(y, torch.full((1, 2, 4), 3.0))
    assert not norm.is_set
    assert log_det.item() == 0


@pytest.mark.parametrize("layer", [ActNorm(4), ChannelMix(4)])
def test_layers_invert_and_know_their_determinant(layer):
    layer = layer.double()
    x = torch.randn(2, 4, 5).double()
    layer(x)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.3 * torch.randn_like(weight))

    y, log_det = layer(x)

    torch.testing.assert_close(layer.inverse(y), x, atol=1e-12, rtol=0)
    for item in range(2):
        expected = determinant(lambda one: layer(one)[0], x[item : item + 1])
        torch.testing.assert_close(log_det[item], expected, atol=1e-10, rtol=0)


def test_a_coupling_inverts_and_knows_its_determinant():
    coupling = Coupling(Reader()).double()
    x, condition = torch.randn(2, 4, 5).double(), torch.randn(2, 1, 5).double()

    y, log_det = coupling(x, condition)

    assert torch.equal(y[:, :2], x[:, :2])
    torch.testing.assert_close(coupling.inverse(y, condition), x, atol=1e-12, rtol=0)
    expected = determinant(lambda one: coupling(one, condition[:1])[0], x[:1])
    torch.testing.assert_close(log_det[0], expected, atol=1e-10, rtol=0)


def test_mixing_starts_as_a_rotation():
    for channels in (2, 5, 8):
        weight = ChannelMix(channels).weight.detach()

        assert torch.linalg.det(weight).item() == pytest.approx(1, abs=1e-5)


def test_determinants_stay_in_full_precision_inside_mixed_precision():
    mix, coupling = ChannelMix(4), Coupling(Reader())
    x, condition = torch.randn(2, 4, 6), torch.randn(2, 1, 6)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, first = mix(x)
        y, second = coupling(mixed, condition)
        back = mix.inverse(coupling.inverse(y, condition))

    assert first.dtype == second.dtype == y.dtype == torch.float32
    torch.testing.assert_close(first, mix(x)[1])
    torch.testing.assert_close(back, x, atol=1e-5, rtol=0)


def test_a_chain_of_shifts_inverts_and_preserves_volume_exactly():
    chain = Chain([ShiftCoupling(ThreeReader()) for _ in range(4)]).double()
    x, condition = torch.randn(2, 6, 3).double(), torch.randn(2, 2, 3).double()

    y, log_det = chain(x, condition)

    assert torch.equal(log_det, torch.zeros(2).double())
    assert float(determinant(lambda part: chain(part, condition[:1])[0], x[:1])) == pytest.approx(0)
    assert not torch.allclose(x, y)
    torch.testing.assert_close(chain.inverse(y, condition), x, atol=1e-9, rtol=0)


def test_an_even_number_of_shifts_by_nothing_is_the_identity():
    readers = [ThreeReader() for _ in range(4)]
    for reader in readers:
        torch.nn.init.zeros_(reader.conv.weight)
        torch.nn.init.zeros_(reader.conv.bias)
    chain = Chain([ShiftCoupling(reader) for reader in readers])
    x, condition = torch.randn(2, 6, 3), torch.randn(2, 2, 3)

    assert torch.equal(chain(x, condition)[0], x)
