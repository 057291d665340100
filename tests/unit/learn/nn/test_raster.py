import itertools

import pytest
import torch

from sori.learn import registry
from sori.learn.models.gated_pixelcnn import GatedPixelCNN, GatedPixelCNNConfig
from sori.learn.models.pixelcnn import PixelCNN, PixelCNNConfig
from sori.learn.nn.raster import log_prob, seen_by

MIDDLE = 12


def plain(layers, levels=4, **changes):
    """A PixelCNN of so many 3 x 3 layers, the first of them in front of the blocks."""
    torch.manual_seed(0)
    sizes = {"first_kernel": 3, "blocks": layers - 1, "width": 8, "last_width": 8}
    return PixelCNN(PixelCNNConfig(colours=1, levels=levels, **sizes | changes)).double()


def gated(layers, levels=4, **changes):
    torch.manual_seed(0)
    sizes = {"layers": layers, "kernel": 3, "width": 8, "last_width": 8}
    return GatedPixelCNN(
        GatedPixelCNNConfig(**{"colours": 1, "levels": levels} | sizes | changes)
    ).double()


def past_window(layers):
    """The pixels before the middle one that are no farther than `layers` from it."""
    side = 2 * MIDDLE + 1
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    near = ((rows - MIDDLE).abs() <= layers) & ((columns - MIDDLE).abs() <= layers)
    return near & (rows * side + columns < MIDDLE * side + MIDDLE)


def unseen(model, layers):
    side = 2 * MIDDLE + 1
    seen = seen_by(model.look, 1, (side, side), (MIDDLE, MIDDLE))
    window = past_window(layers)
    assert not (seen & ~window).any()
    return int((window & ~seen).sum())


@pytest.mark.parametrize("layers", [2, 3, 5, 10])
def test_the_blind_spot_of_a_pixelcnn_has_its_exact_size(layers):
    assert unseen(plain(layers), layers) == layers * (layers - 1) // 2


@pytest.mark.parametrize("layers", [2, 3, 5, 10])
def test_two_stacks_have_no_blind_spot(layers):
    assert unseen(gated(layers), layers) == 0


def test_without_the_link_between_the_stacks_only_the_own_row_is_seen():
    model = gated(4)
    for layer in model.layers:
        torch.nn.init.zeros_(layer.link.weight)

    seen = seen_by(model.look, 1, (25, 25), (MIDDLE, MIDDLE))

    assert seen[MIDDLE, :MIDDLE].sum() == 4
    assert seen.sum() == 4


@pytest.mark.parametrize("make", [plain, gated])
def test_probabilities_of_all_small_images_sum_to_one(make):
    model = make(3, levels=2).float()
    images = torch.tensor(list(itertools.product((0, 1), repeat=6))).view(-1, 1, 2, 3)

    total = log_prob(model(images), images).exp().sum()

    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("name", ["pixelcnn", "gated_pixelcnn"])
def test_a_colour_sees_only_those_before_it(name):
    card = registry.spec(name)
    torch.manual_seed(0)
    model = card.model(card.config(**vars(card.tiny) | {"colours": 3, "width": 9}))
    pixels = torch.randint(4, (1, 3, 3, 3))
    before = model(pixels)

    for colour in range(3):
        changed = pixels.clone()
        changed[:, colour, 1, 1] = 3 - changed[:, colour, 1, 1]
        moved = (model(changed) != before).any(dim=2)[0]

        order = torch.arange(27).view(3, 3, 3).permute(2, 0, 1)  # rows, columns, then colours
        assert not moved[order <= order[colour, 1, 1]].any()
        assert moved[order > order[colour, 1, 1]].any()


@pytest.mark.parametrize("name", ["pixelcnn", "gated_pixelcnn"])
def test_samples_are_what_the_logits_are_sure_of(name):
    card = registry.spec(name)
    torch.manual_seed(0)
    model = card.model(card.tiny)
    torch.nn.init.zeros_(model.leave.weight)
    with torch.no_grad():
        model.leave.bias.copy_(torch.tensor([0.0, 0.0, 100.0, 0.0]))

    drawn = model.sample((2, 1, 3, 4))

    assert torch.equal(drawn, torch.full((2, 1, 3, 4), 2))
