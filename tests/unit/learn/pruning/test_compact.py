"""What is cut says what was masked, for every model that declares what can be pruned."""

import copy

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import save_model
from sori.learn.models.fastspeech2_conv import Controls
from sori.learn.nn.prunable import OriginalWidthNorm, Prunable, apply_masks, kept_weights
from sori.learn.pruning.compact import compact, pack, structure_of, unpack

ACOUSTIC = ("fastspeech2", "fastspeech2_conv")
MODELS = (*ACOUSTIC, "source_filter")
IDS = torch.tensor([[0, 5, 9, 12, 30, 7, 0]])


def build(name):
    torch.manual_seed(0)
    card = registry.spec(name)
    model = card.model(card.tiny).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        if name in ACOUSTIC:  # phonemes of four frames, however little of the network is left
            out = model.duration_out if name == "fastspeech2_conv" else model.duration.leave
            out.weight.mul_(0.1)
            out.bias.fill_(1.5)
    return model


def draw_masks(model, share, seed=1):
    random = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(size, generator=random) < share
        for name, size in structure_of(model).sizes.items()
    }


@torch.no_grad()
def masked(model, kept):
    """A copy of full size whose weights are multiplied by their masks."""
    twin = copy.deepcopy(model)
    masks = {name: mask.double() for name, mask in kept.items()}
    for name, axes in model.structure().axes.items():
        owner = twin.get_submodule(name.rpartition(".")[0])
        tensor = getattr(owner, name.rpartition(".")[2])
        tensor.data.copy_(apply_masks(tensor, axes, masks))
    return twin


@torch.no_grad()
def speak(model):
    """All outputs of a model, one behind another."""
    if hasattr(model, "vocode"):
        mel = torch.linspace(-8, 0, 80 * 30, dtype=torch.float64).view(1, 80, 30).sin()
        return torch.cat(model.filters(mel, torch.full((1, 30), 120.0).double()), dim=2)
    if hasattr(model, "positions"):
        return model(IDS, torch.tensor([0])).mel
    one = torch.ones(1, dtype=torch.float64)
    return model(IDS, one[None], Controls(one, one, one)).mel


@pytest.fixture(params=MODELS)
def model(request, monkeypatch):
    # Masks of text are single precision, which is all that the tiny models would add up in.
    monkeypatch.setattr("torch.Tensor.float", torch.Tensor.double)
    return build(request.param)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_the_compact_network_says_what_the_masked_one_says(model, share):
    kept = draw_masks(model, share)

    wanted, found = speak(masked(model, kept)), speak(compact(model, kept))

    assert wanted.std() > 0
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0.0)


@pytest.mark.parametrize("ending", ["keys", "values", "heads", "hidden", "width", "channels"])
def test_an_emptied_dimension_leaves_a_network_that_speaks(model, ending):
    kept = draw_masks(model, 0.6)
    emptied = [name for name in kept if ending in name]
    for name in emptied:
        kept[name] = torch.zeros_like(kept[name])

    wanted, found = speak(masked(model, kept)), speak(compact(model, kept))

    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0.0)


def test_an_ordinary_layer_norm_would_not_do(model):
    kept = {name: torch.ones_like(mask) for name, mask in draw_masks(model, 1.0).items()}
    kept["width"][::2] = False
    wanted, small = speak(masked(model, kept)), compact(model, kept)
    for layer in list(small.modules()):
        if isinstance(layer, OriginalWidthNorm):
            layer.width = len(layer.weight)

    # Durations may differ too, so compare what both have.
    assert (speak(small)[..., :20] - wanted[..., :20]).abs().max() > 1e-3


def test_the_compact_network_has_the_weights_that_the_masks_count(model):
    kept = draw_masks(model, 0.5)
    for mask in kept.values():
        mask[0] = True

    small = compact(model, kept)

    counted = sum(weight.numel() for weight in small.parameters())
    masks = {name: mask.float() for name, mask in kept.items()}
    assert counted == round(float(kept_weights(model, model.structure(), masks)))


def test_cutting_what_was_cut_changes_nothing(model):
    small = compact(model, draw_masks(model, 0.5))

    again = compact(
        small, {name: torch.ones(size).bool() for name, size in small.structure().sizes.items()}
    )

    assert torch.equal(speak(again), speak(small))


def test_every_weight_of_a_prunable_model_is_declared(model):
    structure = structure_of(model)
    fixed = {name for name, _ in model.named_parameters()} - structure.axes.keys()

    assert isinstance(model, Prunable)
    assert all("." not in name or "stack" in name for name in fixed), fixed


def test_a_pruned_channel_of_the_stream_is_zero_in_every_block():
    model = build("fastspeech2_conv").float()
    kept = draw_masks(model, 0.5)
    twin = masked(model, kept)
    streams = []
    for block in [*twin.text, *twin.decoder.blocks]:
        block.register_forward_hook(lambda _, __, out: streams.append(out))

    one = torch.ones(1)
    twin(IDS, one[None], Controls(one, one, one))

    assert len(streams) == 2
    assert all((stream[..., ~kept["width"]] == 0).all() for stream in streams)


def test_a_pruned_model_survives_its_file(tmp_path):
    model = build("fastspeech2_conv").float()
    kept = draw_masks(model, 0.4)
    small = compact(model, kept)
    save_model(
        tmp_path / "small.safetensors",
        "fastspeech2_conv",
        model.config,
        small,
        {"kept": pack(kept)},
    )

    read = registry.load(tmp_path / "small.safetensors")

    one = torch.ones(1)
    wanted, found = (m(IDS, one[None], Controls(one, one, one)).mel for m in (small, read))
    assert torch.equal(wanted, found)


def test_packed_masks_are_the_masks_again():
    model = build("source_filter")
    kept = draw_masks(model, 0.3)

    again = unpack(pack(kept), model.structure())

    assert all(torch.equal(again[name], mask) for name, mask in kept.items())


def test_a_model_without_a_structure_is_refused():
    with pytest.raises(SoriError, match="does not say what of it can be pruned"):
        structure_of(torch.nn.Linear(2, 2))
