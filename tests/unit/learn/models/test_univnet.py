import pytest
import torch
import torch.nn.functional as F

from sori.learn.losses import spectral_distance
from sori.learn.models.univnet import SPEC, UnivNet, UnivNetConfig, location_variable_conv
from sori.learn.nn.conv import fold_weight_norm
from tests.sizes import millions

SIZES = ((256, 32, 128), (128, 16, 64))


@pytest.fixture
def vocoder():
    torch.manual_seed(0)
    return UnivNet(SPEC.tiny).eval()


def test_sizes_are_the_published_ones():
    assert millions(UnivNet, UnivNetConfig(width=16)) == pytest.approx(3.98, rel=0.01)
    assert millions(UnivNet, UnivNetConfig()) == pytest.approx(14.79, rel=0.01)


def test_equal_kernels_in_every_frame_are_an_ordinary_convolution():
    x, kernel, bias = torch.randn(2, 3, 40), torch.randn(6, 3, 3), torch.randn(6)
    kernels = kernel.transpose(0, 1)[None, ..., None].expand(2, -1, -1, -1, 8)
    biases = bias[None, :, None].expand(2, -1, 8)

    y = location_variable_conv(x, kernels, biases)

    torch.testing.assert_close(y, F.conv1d(x, kernel, bias, padding=1), atol=1e-6, rtol=1e-5)


def test_a_location_variable_convolution_is_the_naive_loop():
    frames, hop = 5, 4
    x = torch.randn(1, 3, frames * hop)
    kernels, biases = torch.randn(1, 3, 6, 5, frames), torch.randn(1, 6, frames)
    padded = F.pad(x, (2, 2))[0]
    expected = torch.zeros(6, frames * hop)
    for sample in range(frames * hop):
        frame = sample // hop
        for out in range(6):
            seen = padded[:, sample : sample + 5]
            expected[out, sample] = (seen * kernels[0, :, out, :, frame]).sum()
            expected[out, sample] += biases[0, out, frame]

    y = location_variable_conv(x, kernels, biases)

    torch.testing.assert_close(y[0], expected, atol=1e-5, rtol=1e-5)


def test_kernels_that_cannot_share_the_samples_are_refused():
    with pytest.raises(ValueError, match="10 samples cannot be divided among 4"):
        location_variable_conv(
            torch.randn(1, 2, 10), torch.randn(1, 2, 4, 3, 4), torch.randn(1, 4, 4)
        )


def test_the_wave_is_as_long_as_the_mel_and_noise_of_another_length_is_refused(vocoder):
    mel = torch.randn(2, 40, 7)

    assert vocoder.vocode(mel).shape == (2, 7 * 64)
    with pytest.raises(ValueError, match="noise has 6 frames, the mel 7"):
        vocoder(mel, torch.randn(2, 8, 6))


def test_the_same_noise_gives_the_same_wave_and_other_noise_another(vocoder):
    mel = torch.randn(1, 40, 7)
    noise = vocoder.draw_noise(mel)

    with torch.no_grad():
        first, second = vocoder(mel, noise), vocoder(mel, noise)
        other = vocoder.vocode(mel)

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_spectral_distances_vanish_for_equal_waves_and_ignore_a_common_gain():
    real, fake = torch.randn(1, 4000), torch.randn(1, 4000)

    same = spectral_distance(real, real, SIZES)
    once, louder = (spectral_distance(g * real, g * fake, SIZES) for g in (1, 10))

    assert same.magnitude == 0
    assert same.convergence == 0
    torch.testing.assert_close(louder.convergence, once.convergence, rtol=1e-4, atol=0)
    torch.testing.assert_close(louder.magnitude, once.magnitude, rtol=1e-3, atol=0)


def their_name(name):
    """Where transformers' UnivNet keeps the weight that ours calls `name`."""
    if not name.startswith("blocks."):
        return name.replace("enter.", "conv_pre.").replace("leave.", "conv_post.")
    name = name.replace("blocks.", "resblocks.", 1).replace("upsample.", "convt_pre.")
    if ".convs." in name:
        head, tail = name.split(".convs.")
        layer, kind = tail.split(".")
        return f"{head}.resblocks.{layer}.conv.{kind}"
    for ours, theirs in (
        ("predict.enter", "kernel_predictor.input_conv"),
        ("predict.kernels", "kernel_predictor.kernel_conv"),
        ("predict.biases", "kernel_predictor.bias_conv"),
        ("predict.blocks", "kernel_predictor.resblocks"),
    ):
        name = name.replace(ours, theirs)
    if "kernel_predictor.resblocks" in name:
        name = name.replace(".0.weight", ".conv1.weight").replace(".0.bias", ".conv1.bias")
        name = name.replace(".2.weight", ".conv2.weight").replace(".2.bias", ".conv2.bias")
    return name


def test_an_independent_implementation_makes_the_same_wave_of_the_same_weights():
    univnet = pytest.importorskip("transformers.models.univnet")
    torch.manual_seed(0)
    config = UnivNetConfig(width=8, noise_channels=16, predictor_width=16, predictor_blocks=2)
    ours = UnivNet(config).eval()
    fold_weight_norm(ours)
    theirs = univnet.UnivNetModel(
        univnet.UnivNetConfig(
            model_in_channels=16,
            model_hidden_channels=8,
            num_mel_bins=100,
            kernel_predictor_num_blocks=2,
            kernel_predictor_hidden_channels=16,
        )
    ).eval()
    theirs.load_state_dict({their_name(k): v for k, v in ours.state_dict().items()})
    mel, noise = torch.randn(2, 100, 9) - 4, torch.randn(2, 16, 9)

    with torch.no_grad():
        wave = ours(mel, noise)
        expected = theirs(mel.transpose(1, 2), noise.transpose(1, 2)).waveforms

    assert wave.std() > 1e-3
    torch.testing.assert_close(wave, expected, atol=1e-5, rtol=1e-4)
