"""WaveGlow and FloWaveNet: both are flows, so both must invert and count volume."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.autograd.functional import jacobian

from sori.learn.models import flowavenet, waveglow
from sori.learn.models.flowavenet import FloWaveNet, FloWaveNetConfig, FloWaveNetTask, Guess
from sori.learn.models.waveglow import WaveGlow, WaveGlowConfig, WaveGlowTask
from sori.learn.nn.flows import ActNorm
from tests.batches import example_batch
from tests.sizes import millions

FLOWS = (waveglow.SPEC, flowavenet.SPEC)


def make(spec):
    """A model away from its start, where couplings do nothing."""
    torch.manual_seed(0)
    model = spec.model(spec.tiny)
    for name, weight in model.named_parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.05)
        assert "original0" not in name or weight.all()
    return model.eval()


def to_noise(model, wave, mel):
    """Noise flattened to one row, and log|det|."""
    noise, log_det = model(wave, mel)
    parts = noise if isinstance(noise, list) else [noise]
    return torch.cat([part.flatten(1) for part in parts], dim=1), log_det


def test_waveglow_has_the_published_size():
    assert millions(WaveGlow, WaveGlowConfig()) == pytest.approx(87.73, rel=0.01)


def test_flowavenet_has_the_published_size_but_for_weights_that_change_nothing():
    with torch.device("meta"):
        model = FloWaveNet(FloWaveNetConfig())
    ours = sum(weight.numel() for weight in model.parameters())
    networks = sum(isinstance(part, Guess) for part in model.modules())
    # The authors' program has a residual convolution behind the last layer of every network, which
    # no output depends on: matrix, bias and the lengths of weight norm.
    unread = 256 * 256 + 256 + 256
    # And both convolutions in front of a gate, of wave and mel, have a bias; their sum is ours.
    doubled = model.config.layers * 2 * 256

    assert networks == 49
    assert round((ours + networks * (unread + doubled)) / 1e6, 2) == 182.64


@pytest.mark.parametrize("spec", FLOWS)
def test_the_wave_of_its_own_noise_is_the_wave(spec):
    model = make(spec)
    wave, mel = 0.1 * torch.randn(2, 3 * 64), torch.randn(2, 40, 3) - 4

    with torch.no_grad():
        noise, _ = model(wave, mel)
        back = model.inverse(noise, mel)

    assert (back - wave).abs().max() < 1e-5


@pytest.mark.parametrize("spec", FLOWS)
def test_the_log_determinant_is_that_of_the_jacobian(spec):
    model = make(spec)
    wave, mel = 0.1 * torch.randn(1, 64), torch.randn(1, 40, 1) - 4

    _, log_det = to_noise(model, wave, mel)
    matrix = jacobian(lambda x: to_noise(model, x, mel)[0], wave).reshape(64, 64)

    expected = torch.linalg.slogdet(matrix.double()).logabsdet.float()
    assert abs(log_det.item()) > 0.1
    torch.testing.assert_close(log_det[0], expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("spec", FLOWS)
def test_half_precision_networks_leave_determinants_and_inversion_exact(spec):
    model = make(spec)
    wave, mel = 0.1 * torch.randn(2, 64), torch.randn(2, 40, 1) - 4

    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        noise, log_det = model(wave, mel)
        back = model.inverse(noise, mel)

    assert log_det.dtype == torch.float32
    assert (back - wave).abs().max() < 1e-4


@pytest.mark.parametrize("spec", FLOWS)
def test_speaking_takes_a_mel_and_noise_only(spec):
    model = make(spec)
    mel = torch.randn(2, 40, 3) - 4

    torch.manual_seed(1)
    first, second = model.vocode(mel), model.vocode(mel)
    torch.manual_seed(1)
    again = model.vocode(mel)

    assert first.shape == (2, 3 * 64)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_waveglow_starts_as_a_rotation_of_groups():
    torch.manual_seed(0)
    model = WaveGlow(waveglow.SPEC.tiny)
    wave = torch.randn(1, 64)

    noise, log_det = model(wave, torch.randn(1, 40, 1))

    assert log_det.item() == pytest.approx(0, abs=1e-4)
    torch.testing.assert_close(noise.norm(), wave.norm())


def test_channels_that_leave_waveglow_early_skip_the_later_flows():
    model = make(waveglow.SPEC)
    wave, mel = 0.1 * torch.randn(1, 64), torch.randn(1, 40, 1)

    before, _ = model(wave, mel)
    for flow in list(model.flows)[2:]:
        torch.nn.init.normal_(flow.couple.network.leave.weight)
    after, _ = model(wave, mel)

    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])


def test_waveglow_has_no_activation_norm_and_flowavenet_one_per_flow():
    models = (make(waveglow.SPEC), make(flowavenet.SPEC))

    norms = [sum(isinstance(layer, ActNorm) for layer in m.modules()) for m in models]

    assert norms == [0, 6]


def test_flowavenet_starts_as_a_gaussian_fit_of_its_channels():
    torch.manual_seed(0)
    task = FloWaveNetTask(flowavenet.SPEC.tiny)
    batch = example_batch(flowavenet.SPEC)

    terms = next(task.training_step(batch)).terms

    # Activation norms set to the batch leave unit variance, and couplings leave it alone.
    assert terms["prior"].item() == pytest.approx(0.5 * (1 + math.log(2 * math.pi)), abs=1e-3)
    entropy = 0.5 * math.log(2 * math.pi * math.e * batch.wave.var().item())
    assert terms["nll"].item() == pytest.approx(entropy, abs=0.05)


def test_waveglow_reports_the_likelihood_of_normal_noise():
    torch.manual_seed(0)
    task = WaveGlowTask(waveglow.SPEC.tiny)
    batch = example_batch(waveglow.SPEC)

    nll = next(task.training_step(batch)).terms["nll"].item()

    # Before training the flow is a rotation, so the wave itself is scored as standard noise.
    expected = 0.5 * (math.log(2 * math.pi) + batch.wave.square().mean().item())
    assert nll == pytest.approx(expected, abs=1e-4)


def test_hops_that_cannot_be_squeezed_are_refused_with_both_numbers():
    with pytest.raises(ValidationError, match="hop_samples 256 is not a multiple.*512"):
        FloWaveNetConfig(blocks=9)
    with pytest.raises(ValidationError, match="hop_samples 256 is not a multiple of group 6"):
        WaveGlowConfig(group=6)
    with pytest.raises(ValidationError, match="flows need even ones"):
        WaveGlowConfig(early_every=1)
