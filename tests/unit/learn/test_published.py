"""Published checkpoints: real names and shapes, random weights, and what the authors compute."""

import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.models.hifigan import HiFiGAN, HiFiGANConfig
from sori.learn.models.melgan import MelGAN, MelGANConfig
from sori.learn.models.univnet import UnivNet, UnivNetConfig
from sori.learn.models.waveglow import WaveGlow, WaveGlowConfig
from sori.learn.published.convert import convert, import_published


def normed(tensors, name, shape, bias=None):
    """A layer with weight norm as PyTorch 1 stored it."""
    tensors[f"{name}.weight_g"] = torch.rand(shape[0], *[1] * (len(shape) - 1)) + 0.5
    tensors[f"{name}.weight_v"] = torch.randn(shape)
    tensors[f"{name}.bias"] = torch.randn(shape[0] if bias is None else bias)


def value(tensors, name):
    v = tensors[f"{name}.weight_v"]
    return v * tensors[f"{name}.weight_g"] / v.flatten(1).norm(dim=1).view(-1, *[1] * (v.ndim - 1))


def hifigan():
    """As in jik876/hifi-gan, at width 32."""
    tensors = {}
    normed(tensors, "conv_pre", (32, 80, 7))
    width = 32
    for stage, stride in enumerate((8, 8, 2, 2)):
        normed(tensors, f"ups.{stage}", (width, width // 2, 2 * stride), width // 2)
        width //= 2
        for block, kernel in enumerate((3, 7, 11)):
            for kind in ("convs1", "convs2"):
                for layer in range(3):
                    name = f"resblocks.{3 * stage + block}.{kind}.{layer}"
                    normed(tensors, name, (width, width, kernel))
    normed(tensors, "conv_post", (1, width, 7))
    return {"generator": tensors}


def hifigan_v3():
    """As in jik876/hifi-gan, with the short blocks of V3, at width 32."""
    tensors, width = {}, 32
    normed(tensors, "conv_pre", (width, 80, 7))
    for stage, stride in enumerate((8, 8, 4)):
        normed(tensors, f"ups.{stage}", (width, width // 2, 2 * stride), width // 2)
        width //= 2
        for block, kernel in enumerate((3, 5, 7)):
            for layer in range(2):
                name = f"resblocks.{3 * stage + block}.convs.{layer}"
                normed(tensors, name, (width, width, kernel))
    normed(tensors, "conv_post", (1, width, 7))
    return {"generator": tensors}


def melgan():
    """As in descriptinc/melgan-neurips, at 2 channels behind the last stage."""
    tensors, width, place = {}, 32, 3
    normed(tensors, "model.1", (32, 80, 7))
    for stride in (8, 8, 2, 2):
        normed(tensors, f"model.{place}", (width, width // 2, 2 * stride), width // 2)
        width //= 2
        for block in range(place + 1, place + 4):
            normed(tensors, f"model.{block}.block.2", (width, width, 3))
            normed(tensors, f"model.{block}.block.4", (width, width, 1))
            normed(tensors, f"model.{block}.shortcut", (width, width, 1))
        place += 5
    normed(tensors, f"model.{place + 1}", (1, width, 7))
    return tensors


def univnet():
    """As in maum-ai/univnet, at 4 channels; critics and optimizers lie beside."""
    tensors = {}
    normed(tensors, "conv_pre", (4, 64, 7))
    for block, stride in enumerate((8, 8, 4)):
        stack = f"res_stack.{block}"
        normed(tensors, f"{stack}.convt_pre.1", (4, 4, 2 * stride))
        for layer in range(4):
            normed(tensors, f"{stack}.conv_blocks.{layer}.1", (4, 4, 3))
        reads = f"{stack}.kernel_predictor"
        normed(tensors, f"{reads}.input_conv.0", (64, 100, 5))
        for layer in range(3):
            normed(tensors, f"{reads}.residual_convs.{layer}.1", (64, 64, 3))
            normed(tensors, f"{reads}.residual_convs.{layer}.3", (64, 64, 3))
        normed(tensors, f"{reads}.kernel_conv", (4 * 4 * 8 * 3, 64, 3))
        normed(tensors, f"{reads}.bias_conv", (4 * 8, 64, 3))
    normed(tensors, "conv_post.1", (1, 4, 7))
    return {"model_g": tensors, "model_d": {"x": torch.zeros(1)}, "epoch": 3}


def waveglow(width=16, layers=2, bins=80):
    """As in NVIDIA/waveglow, smaller."""
    tensors = {"upsample.weight": torch.randn(bins, bins, 1024), "upsample.bias": torch.randn(bins)}
    for flow in range(12):
        channels = 8 - 2 * (flow // 4)
        tensors[f"convinv.{flow}.conv.weight"] = torch.eye(channels)[:, :, None]
        theirs = f"WN.{flow}"
        normed(tensors, f"{theirs}.start", (width, channels // 2, 1))
        normed(tensors, f"{theirs}.cond_layer", (2 * width * layers, 8 * bins, 1))
        for layer in range(layers):
            normed(tensors, f"{theirs}.in_layers.{layer}", (2 * width, width, 3))
            out = width if layer == layers - 1 else 2 * width
            normed(tensors, f"{theirs}.res_skip_layers.{layer}", (out, width, 1))
        tensors[f"{theirs}.end.weight"] = torch.randn(channels, width, 1)
        tensors[f"{theirs}.end.bias"] = torch.randn(channels)
    return {"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}


V3 = {
    "width": 256,
    "strides": (8, 8, 4),
    "kernels": (3, 5, 7),
    "dilations": ((1, 2), (2, 6), (3, 12)),
    "blocks": "short",
}
MAKERS = {
    "hifigan": hifigan,
    "hifigan, V3": hifigan_v3,
    "melgan": melgan,
    "univnet": univnet,
    "waveglow": waveglow,
}


def weights(model):
    """Every weight by its name, norms folded."""
    return {
        f"{name}.{kind}": getattr(module, kind).detach()
        for name, module in model.named_modules()
        for kind in ("weight", "bias")
        if isinstance(getattr(module, kind, None), torch.Tensor)
        and not isinstance(module, parametrize.ParametrizationList)
    }


@pytest.mark.parametrize("name", MAKERS)
def test_every_tensor_of_a_published_layout_finds_its_place(name, tmp_path):
    torch.manual_seed(0)
    torch.save(MAKERS[name](), tmp_path / "theirs.pt")

    report = import_published(tmp_path / "theirs.pt", tmp_path / "ours.safetensors")
    model = registry.load(tmp_path / "ours.safetensors")

    assert report.model == name.split(",")[0]
    assert not report.missing
    assert not report.unexpected
    assert len(report.loaded) + len(report.transformed) == len(model.state_dict())
    assert model.vocode(torch.randn(1, model.mel_spec.bins, 5)).shape == (1, 5 * 256)


def test_weights_keep_their_values_under_their_new_names(tmp_path):
    torch.manual_seed(0)
    theirs = melgan()
    torch.save(theirs, tmp_path / "theirs.pt")

    model, config, _ = convert(tmp_path / "theirs.pt", {})
    ours = weights(model)

    assert config == MelGANConfig(width=32)
    for here, there in (
        ("enter.1", "model.1"),
        ("stages.1.upsample", "model.8"),
        ("stages.1.blocks.2.dilated.1", "model.11.block.2"),
        ("stages.3.blocks.0.shortcut", "model.19.shortcut"),
        ("leave.1", "model.24"),
    ):
        torch.testing.assert_close(ours[f"{here}.weight"], value(theirs, there))
        assert torch.equal(ours[f"{here}.bias"], theirs[f"{there}.bias"])


def test_waveglow_is_cut_into_the_layers_that_it_joins(tmp_path):
    torch.manual_seed(0)
    theirs = waveglow(width=16, layers=2)
    torch.save(theirs, tmp_path / "theirs.pt")
    tensors = {name.removeprefix("module."): t for name, t in theirs["state_dict"].items()}

    model, config, report = convert(tmp_path / "theirs.pt", {})
    ours = weights(model)

    assert config == WaveGlowConfig(width=16, layers=2)
    layer = "flows.5.couple.network.stack.layers"
    brings = value(tensors, "WN.5.cond_layer")
    torch.testing.assert_close(ours[f"{layer}.1.condition.weight"], brings[32:])
    torch.testing.assert_close(
        ours[f"{layer}.1.dilated.bias"],
        tensors["WN.5.in_layers.1.bias"] + tensors["WN.5.cond_layer.bias"][32:],
    )
    both = value(tensors, "WN.5.res_skip_layers.0")
    torch.testing.assert_close(ours[f"{layer}.0.residual.weight"], both[:16])
    torch.testing.assert_close(ours[f"{layer}.0.skip.weight"], both[16:])
    assert "rows 32 to 63" in " ".join(report.transformed.values())


@pytest.mark.parametrize(
    ("make", "config", "count"),
    [
        (HiFiGAN, HiFiGANConfig(), 13.93),
        (HiFiGAN, HiFiGANConfig(width=128), 0.93),
        (HiFiGAN, HiFiGANConfig(**V3), 1.46),
        (MelGAN, MelGANConfig(), 4.26),
        (UnivNet, UnivNetConfig(width=16), 3.98),
        (WaveGlow, WaveGlowConfig(), 87.73),
    ],
)
def test_models_that_can_be_imported_have_the_published_sizes(make, config, count):
    from tests.sizes import millions

    assert millions(make, config) == pytest.approx(count, rel=0.01)


def test_a_weight_without_norm_is_split_into_length_and_direction(tmp_path):
    torch.manual_seed(0)
    theirs = hifigan()["generator"]
    folded = {k: v for k, v in theirs.items() if not k.startswith("conv_post.weight")}
    folded["conv_post.weight"] = value(theirs, "conv_post")
    torch.save(folded, tmp_path / "theirs.pt")

    model, _, report = convert(tmp_path / "theirs.pt", {})

    torch.testing.assert_close(weights(model)["leave.weight"], value(theirs, "conv_post"))
    assert report.transformed == {
        "leave.parametrizations.weight.original0": "conv_post.weight (its length)"
    }


def authors_v3(tensors, mel):
    """The wave of HiFi-GAN V3, written down from the authors' program."""

    def conv(x, name, dilation=1):
        w = value(tensors, name)
        edge = (w.shape[2] - 1) // 2 * dilation
        return F.conv1d(x, w, tensors[f"{name}.bias"], padding=edge, dilation=dilation)

    x = conv(mel, "conv_pre")
    for stage, stride in enumerate((8, 8, 4)):
        up = f"ups.{stage}"
        x = F.leaky_relu(x, 0.1)
        x = F.conv_transpose1d(
            x, value(tensors, up), tensors[f"{up}.bias"], stride, padding=stride // 2
        )
        heard = []
        for block, dilations in enumerate(((1, 2), (2, 6), (3, 12))):
            h = x
            for layer, dilation in enumerate(dilations):
                name = f"resblocks.{3 * stage + block}.convs.{layer}"
                h = h + conv(F.leaky_relu(h, 0.1), name, dilation)
            heard.append(h)
        x = sum(heard) / 3
    return torch.tanh(conv(F.leaky_relu(x), "conv_post"))[:, 0]


def test_the_short_blocks_of_v3_make_the_authors_wave(tmp_path):
    torch.manual_seed(0)
    theirs = hifigan_v3()
    for name in theirs["generator"]:
        if name.endswith(".bias"):
            theirs["generator"][name] *= 0.1  # or the wave would be full scale throughout
    torch.save(theirs, tmp_path / "theirs.pt")
    mel = torch.randn(1, 80, 6)

    model, _, _ = convert(tmp_path / "theirs.pt", {})

    torch.testing.assert_close(model.vocode(mel), authors_v3(theirs["generator"], mel))


def test_what_is_missing_is_named_and_nothing_is_written(tmp_path):
    theirs = hifigan()
    del theirs["generator"]["resblocks.4.convs2.1.bias"]
    torch.save(theirs, tmp_path / "theirs.pt")

    with pytest.raises(SoriError, match=r"lacks 1 tensors of hifigan.*stages.1.blocks.1.plain.1"):
        import_published(tmp_path / "theirs.pt", tmp_path / "ours.safetensors")

    assert not (tmp_path / "ours.safetensors").exists()


def test_what_is_not_known_and_what_lies_beside_is_reported(tmp_path):
    theirs = univnet()
    theirs["model_g"]["strange.weight"] = torch.zeros(2)
    torch.save(theirs, tmp_path / "theirs.pt")

    _, _, report = convert(tmp_path / "theirs.pt", {})

    assert report.unexpected == ["strange.weight"]
    assert report.aside == ["model_d", "epoch"]
    assert "  strange.weight" in list(report.lines())


def test_sizes_that_shapes_cannot_tell_can_be_given(tmp_path):
    torch.save(hifigan(), tmp_path / "theirs.pt")
    (tmp_path / "changes.toml").write_text("[mel]\nsample_rate = 24000\n")

    import_published(
        tmp_path / "theirs.pt", tmp_path / "ours.safetensors", tmp_path / "changes.toml"
    )

    assert registry.load(tmp_path / "ours.safetensors").mel_spec.sample_rate == 24000


class Harmful:
    """Unpickled, it would run code."""

    def __reduce__(self):
        return (print, ("code was run",))


def test_code_in_a_file_is_never_run(tmp_path, capsys):
    (tmp_path / "whole.pt").write_bytes(pickle.dumps({"model": Harmful()}))
    torch.save(nn.Linear(2, 2), tmp_path / "object.pt")

    for name in ("whole.pt", "object.pt"):
        with pytest.raises(SoriError, match="runs no code from files"):
            convert(tmp_path / name, {})

    assert capsys.readouterr().out == ""


def test_files_that_are_no_vocoder_are_refused_in_one_line(tmp_path):
    torch.save({"other.weight": torch.zeros(1)}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("hello")

    for name, fault in (
        ("other.pt", "no layout that Sori knows"),
        ("text.pt", "text.pt"),
        ("none.pt", "there is no file"),
    ):
        with pytest.raises(SoriError, match=fault):
            convert(tmp_path / name, {})
