"""RealNVP and Glow, and what they share."""

import math
from dataclasses import replace

import pytest
import torch
from torch.autograd.functional import jacobian

from sori.learn import registry
from sori.learn.models.glow import Glow, GlowConfig, TriangularMix
from sori.learn.models.realnvp import MaskedCoupling, Network, checkerboard, half_of_channels
from sori.learn.nn.flows import ActNorm, Chain, ChannelMix, Coupling, fold_pixels, unfold_pixels
from sori.learn.nn.pixels import (
    bits_per_dimension,
    density_of_levels,
    dequantise,
    from_logits,
    quantise,
    to_logits,
)
from tests.batches import example_batch

NAMES = ["realnvp", "glow"]


def stirred(name, **changes):
    """A model whose zeros are filled, so that it is far from the identity."""
    torch.manual_seed(0)
    card = registry.spec(name)
    model = card.model(replace(card.tiny, **changes)).double()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def image(*size):
    return torch.rand(size, dtype=torch.float64) * 0.98 + 0.01


@pytest.mark.parametrize("name", NAMES)
def test_noise_leads_back_to_the_image(name):
    model, x = stirred(name), image(3, 1, 8, 12)

    z, _ = model(x)

    assert z.shape == x.shape
    torch.testing.assert_close(model.inverse(z), x, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_log_determinant_is_that_of_the_jacobian(name):
    model, x = stirred(name), image(1, 1, 4, 4)

    _, log_det = model(x)
    whole = jacobian(lambda x: model(x)[0], x).reshape(16, 16)

    torch.testing.assert_close(log_det[0], torch.linalg.slogdet(whole).logabsdet)


@pytest.mark.parametrize("name", NAMES)
def test_recomputing_saves_memory_and_changes_no_gradient(name):
    batch = example_batch(registry.spec(name))
    gradients, kept = [], []
    for recompute in (False, True):
        card = registry.spec(name)
        torch.manual_seed(0)
        task = card.task(replace(card.tiny, recompute=recompute)).train()
        held = []

        def note(tensor, held=held):
            held.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            torch.manual_seed(1)
            loss = next(task.training_step(batch)).loss
        kept.append(sum(held))
        loss.backward()
        gradients.append([p.grad for p in task.parameters()])

    assert kept[1] < kept[0] / 2
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_bits_count_one_bin_for_every_level(name):
    """A code of evenly likely levels needs log2 of their number, whatever the flow."""
    levels = registry.spec(name).tiny.levels
    pixels = torch.randint(levels, (5, 1, 4, 4))
    uniform = torch.zeros(5)  # the log density of images that are evenly spread over [0, 1]

    bits = bits_per_dimension(density_of_levels(uniform, pixels, levels), pixels)

    torch.testing.assert_close(bits, torch.full((5,), math.log2(levels)))


@pytest.mark.parametrize("mask", [checkerboard, half_of_channels])
def test_a_masked_coupling_keeps_one_side_and_its_jacobian_is_triangular(mask):
    torch.manual_seed(0)
    network = Network(2, 8, 1).double()
    torch.nn.init.normal_(network.leave.conv.weight)
    coupling = MaskedCoupling(network, lambda like: mask(like, False))
    x = torch.randn(1, 2, 2, 4, dtype=torch.float64)
    kept = mask(x, False).bool().flatten()

    y, log_det = coupling(x)
    whole = jacobian(lambda x: coupling(x)[0], x).reshape(16, 16)

    torch.testing.assert_close(y.flatten()[kept], x.flatten()[kept], rtol=0, atol=0)
    torch.testing.assert_close(whole[kept][:, kept], torch.eye(8, dtype=torch.float64))
    assert not whole[kept][:, ~kept].any()
    moved = whole[~kept][:, ~kept]
    assert not (moved - torch.diag(moved.diagonal())).any()
    torch.testing.assert_close(moved.diagonal().log().sum(), log_det[0])


def test_without_changing_sides_half_of_the_image_stays_as_it_is():
    torch.manual_seed(0)
    network = Network(1, 8, 1)
    torch.nn.init.normal_(network.leave.conv.weight)
    coupling = MaskedCoupling(network, lambda like: checkerboard(like, False))
    x = torch.randn(2, 1, 4, 4)

    y, _ = Chain([coupling] * 3)(x)

    kept = checkerboard(x, False).bool()
    assert torch.equal(y[kept], x[kept])
    assert not torch.isclose(y[~kept], x[~kept]).any()


def test_large_scales_can_be_undone():
    torch.manual_seed(0)
    network = Network(2, 8, 1).double()
    torch.nn.init.normal_(network.leave.conv.weight, std=30.0)
    torch.nn.init.constant_(network.reach, 3.0)
    coupling = MaskedCoupling(network, lambda like: checkerboard(like, True))
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)

    y, _ = coupling(x)

    torch.testing.assert_close(coupling.inverse(y), x, atol=1e-10, rtol=0)


def test_a_density_on_the_plane_integrates_to_one():
    """One coupling and one mix over two numbers."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 1), torch.nn.Tanh(), torch.nn.Conv2d(16, 2, 1)
    )
    chain = Chain([ActNorm(2), ChannelMix(2), Coupling(network)]).double().eval()
    line = torch.linspace(-9, 9, 361, dtype=torch.float64)
    points = torch.cartesian_prod(line, line)[:, :, None, None]

    z, log_det = chain(points)
    log_density = (-z.square() / 2 - math.log(2 * math.pi) / 2).flatten(1).sum(dim=1) + log_det

    total = log_density.exp().sum() * (line[1] - line[0]) ** 2
    assert abs(float(total.detach()) - 1) < 1e-2


def test_both_forms_of_the_mix_are_one_function():
    torch.manual_seed(0)
    triangular = TriangularMix(6).double()
    for weight in triangular.parameters():
        torch.nn.init.normal_(weight)
    dense = ChannelMix(6).double()
    dense.weight.data.copy_(triangular.weight())
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64)

    for one, other in zip(triangular(x), dense(x), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(triangular.inverse(x), dense.inverse(x))


def test_a_mix_starts_as_a_rotation():
    torch.manual_seed(0)
    mix = TriangularMix(5)

    _, log_det = mix(torch.randn(1, 5, 2, 2))

    torch.testing.assert_close(log_det, torch.zeros(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(mix.weight() @ mix.weight().T, torch.eye(5), atol=1e-5, rtol=0)


def test_a_permutation_is_a_mix_that_keeps_volume():
    mix = ChannelMix(3)
    mix.weight.data.copy_(torch.eye(3)[[2, 0, 1]])
    x = torch.randn(1, 3, 2, 2)

    y, log_det = mix(x)

    assert torch.equal(y, x[:, [2, 0, 1]])
    assert log_det.item() == 0


def test_couplings_of_glow_start_at_a_scale_of_0_88():
    model = Glow(GlowConfig(colours=1, levels=4, scales=1, steps=1, width=8))
    x = torch.randn(2, 4, 2, 2)

    y, _ = model.scale.steps.flows[-1](x)

    torch.testing.assert_close(y[:, 2:], 0.8808 * x[:, 2:], atol=1e-4, rtol=0)


def test_the_first_images_leave_an_activation_norm_standardised_even_after_saving():
    norm = ActNorm(2)
    x = 3 * torch.randn(8, 2, 4, 4) + 5

    y, _ = norm(x)
    twin = ActNorm(2)
    twin.load_state_dict(norm.state_dict())

    torch.testing.assert_close(y.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std(dim=(0, 2, 3), correction=0), torch.ones(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(twin(x + 1)[0], norm(x + 1)[0])


def test_folding_pixels_can_be_undone_and_odd_sides_are_refused():
    x = torch.arange(32.0).reshape(1, 2, 4, 4)

    y = fold_pixels(x)

    assert y.shape == (1, 8, 2, 2)
    assert y[0, :4, 0, 0].tolist() == [0, 1, 4, 5]
    assert torch.equal(unfold_pixels(y), x)
    with pytest.raises(ValueError, match="5 x 4 has an odd side"):
        fold_pixels(torch.zeros(1, 1, 5, 4))


def test_levels_survive_dequantising_and_logits():
    torch.manual_seed(0)
    pixels = torch.arange(16).reshape(1, 1, 4, 4)

    spread = dequantise(pixels, 16)
    y, log_det = to_logits(spread.double())
    slopes = jacobian(lambda x: to_logits(x)[0], spread.double()).reshape(16, 16).diagonal()

    assert torch.equal(quantise(spread, 16), pixels)
    torch.testing.assert_close(from_logits(y), spread.double())
    torch.testing.assert_close(log_det[0], slopes.log().sum())


@pytest.mark.parametrize("name", NAMES)
def test_colder_samples_lie_closer_together(name):
    model = stirred(name, levels=256)

    def spread(temperature):
        torch.manual_seed(1)
        return model.inverse(temperature * torch.randn(16, 1, 8, 8).double()).std(dim=0).mean()

    assert spread(0.2) < spread(1.0)
