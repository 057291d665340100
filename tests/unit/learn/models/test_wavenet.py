import itertools
import math
from dataclasses import replace

import pytest
import torch

from sori.learn.models.wavenet import SPEC, WaveNet, WaveNetTask
from sori.learn.nn import compiled
from sori.learn.nn.wavenet import (
    GatedStack,
    StackSize,
    StretchUpsampler,
    cycled_dilations,
    receptive_field,
)
from tests.batches import example_batch

HEADS = ("mu_law", "mixture", "gaussian")
HOP = SPEC.tiny.mel.hop_samples


def make(head, **changes):
    torch.manual_seed(0)
    model = WaveNet(replace(SPEC.tiny, head=head, **changes)).eval()
    # Large enough that what is drawn depends on what was drawn before.
    torch.nn.init.normal_(model.leave.weight, std=0.5)
    torch.nn.init.constant_(model.leave.bias, -0.5)
    return model


def naive(model, mel, uniform, speaker=None):
    """Sampling by a full pass for every sample."""
    samples = mel.shape[2] * HOP
    wave = torch.zeros(mel.shape[0], samples, dtype=mel.dtype)
    for time in range(uniform.shape[2]):
        here = slice(time, time + 1)
        with torch.no_grad():
            found = model(wave, mel, speaker)
        wave[:, here] = model.head.draw(found[:, :, here], uniform[:, :, here])
    return wave[:, : uniform.shape[2]]


@pytest.mark.parametrize("head", HEADS)
def test_cached_sampling_is_naive_sampling(head):
    model = make(head).double()
    mel, speaker = torch.randn(2, 40, 1).double() - 4, torch.tensor([0, 0])
    uniform = torch.rand(2, model.head.draws, HOP).double()

    wave = model.generate(mel, uniform, speaker)

    assert wave.std() > 0.01
    torch.testing.assert_close(wave, naive(model, mel, uniform, speaker), atol=1e-12, rtol=0)


@pytest.mark.parametrize("head", HEADS)
def test_the_compiled_loop_draws_the_same_samples(head, monkeypatch):
    pytest.importorskip("numba")
    # Some layers look back further than a block of samples, some do not; and three chunks, the
    # last of them shorter.
    monkeypatch.setattr(compiled, "CHUNK", 7 * compiled.BLOCK)
    model = make(head, layers=5, stacks=1, residual=10, gate=9, skip=11)
    mel, speaker = torch.randn(2, 40, 2) - 4, torch.tensor([0, 0])
    uniform = torch.rand(2, model.head.draws, 2 * HOP)

    wave = model.generate_compiled(mel, uniform, speaker)

    expected = model.generate(mel, uniform, speaker)
    assert expected.std() > 0.01
    torch.testing.assert_close(wave, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("head", HEADS)
def test_parameters_found_one_by_one_are_those_found_at_once(head):
    model = make(head)
    mel, wave = torch.randn(1, 40, 1) - 4, torch.rand(1, HOP) - 0.5
    condition = model.condition(mel)
    memories = model.stack.memories(condition)
    past = torch.cat([torch.zeros(1, 1), wave[:, :-1]], dim=1)

    with torch.no_grad():
        whole = model(wave, mel)
        steps = [
            model.judge(
                model.stack.step(
                    model.enter(model.head.enter(past[:, t : t + 1])),
                    condition[:, :, t : t + 1],
                    memories,
                    t,
                )
            )
            for t in range(HOP)
        ]

    torch.testing.assert_close(torch.cat(steps, dim=2), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("head", ["mixture", "gaussian"])
def test_no_sample_hears_itself_or_the_future(head):
    model = make(head)
    wave = (0.1 * torch.randn(1, 2 * HOP)).requires_grad_()

    model(wave, torch.randn(1, 40, 2))[0, :, 70].sum().backward()

    assert not wave.grad[0, 70:].any()
    assert wave.grad[0, 69] != 0


def test_one_hot_inputs_reach_no_earlier_output():
    model = make("mu_law")
    inputs = torch.rand(1, 256, HOP, requires_grad=True)

    model.read(inputs, torch.randn(1, 44, HOP))[0, :, 30].sum().backward()

    assert not inputs.grad[0, :, 31:].any()
    assert inputs.grad[0, :, 30].any()


def test_mels_a_few_frames_ahead_may_be_heard_and_none_further():
    model = make("gaussian")
    mel = torch.randn(1, 40, 9, requires_grad=True)

    model(torch.zeros(1, 9 * HOP), mel)[0, :, 4 * HOP + HOP // 2].sum().backward()

    reached = mel.grad[0].abs().sum(dim=0) > 0
    assert reached[4]
    assert reached[6]
    # Two frames of context, and one more under the filters that smooth.
    assert not reached[8:].any()


@pytest.mark.parametrize(
    ("kernel", "layers", "stacks", "expected"),
    [(2, 10, 1, 1024), (2, 30, 3, 3070), (3, 30, 3, 6139), (3, 24, 4, 505), (2, 20, 2, 2047)],
)
def test_receptive_fields_are_the_published_ones_by_formula_and_by_gradient(
    kernel, layers, stacks, expected
):
    torch.manual_seed(0)
    dilations = cycled_dilations(layers, stacks)
    stack = GatedStack(StackSize(2, 2, 2, kernel, dilations, 0, True, 0.5**0.5)).double()
    x = torch.zeros(1, 2, expected + 20, dtype=torch.float64, requires_grad=True)

    stack(x)[0, :, -1].sum().backward()

    reached = x.grad[0].abs().sum(dim=0).nonzero()
    assert receptive_field(kernel, dilations) == expected
    assert len(x.grad[0, 0]) - int(reached[0]) == expected


def test_layers_that_do_not_fill_their_stacks_are_refused():
    with pytest.raises(ValueError, match="10 layers cannot be divided into 3"):
        replace(SPEC.tiny, layers=10, stacks=3)


def test_probabilities_of_all_short_sequences_sum_to_one():
    model = make("mu_law", classes=3)
    levels = (-1.0, 0.0, 1.0)
    waves = torch.tensor(list(itertools.product(levels, repeat=3)))
    waves = torch.nn.functional.pad(waves, (0, HOP - 3))
    mel = torch.randn(1, 40, 1).expand(len(waves), -1, -1)

    with torch.no_grad():
        logp = model.log_prob(model(waves, mel), waves)[:, :3].sum(dim=1)

    assert float(logp.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_a_network_that_says_nothing_pays_eight_bits_a_sample():
    model = make("mu_law")
    torch.nn.init.zeros_(model.leave.weight)
    torch.nn.init.zeros_(model.leave.bias)
    wave = torch.rand(1, HOP) - 0.5

    nll = -model.log_prob(model(wave, torch.randn(1, 40, 1)), wave).mean()

    assert nll.item() == pytest.approx(math.log(256), abs=1e-5)


def test_conditions_are_as_long_as_the_wave_and_constant_for_a_constant_mel():
    upsample = StretchUpsampler(4, (4, 4, 4, 4))

    y = upsample(torch.full((1, 4, 12), -3.0))

    assert y.shape == (1, 4, 12 * 256) == (1, 4, 12 * upsample.factor)
    inside = y[:, :, 5 * 256 : -5 * 256]
    torch.testing.assert_close(inside, inside[:, :, :1].expand_as(inside))


def test_speakers_sound_different():
    model = make("gaussian", speakers=("first", "second"))
    wave, mel = torch.rand(1, HOP) - 0.5, torch.randn(1, 40, 1)

    with torch.no_grad():
        first, second = (model(wave, mel, torch.tensor([number])) for number in (0, 1))
        default = model(wave, mel)

    assert torch.equal(first, default)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_and_speaks(head):
    torch.manual_seed(0)
    task = WaveNetTask(replace(SPEC.tiny, head=head))
    update = next(task.training_step(example_batch(SPEC)))

    update.loss.backward()

    assert torch.isfinite(update.loss)
    wave = task.model.vocode(torch.randn(1, 40, 1) - 4)
    assert wave.shape == (1, HOP)
    assert wave.abs().max() <= 1


@pytest.mark.parametrize("head", ["mixture", "gaussian"])
def test_no_scale_falls_below_the_floor(head):
    model = make(head, log_scale_floor=-5.0)
    wave = torch.full((1, 3), 0.25)
    sharp = torch.full((1, model.head.parameters, 3), 0.25)
    sharp[:, 20 if head == "mixture" else 1 :] = -30
    floored = sharp.clamp(min=-5)

    assert torch.equal(model.log_prob(sharp, wave), model.log_prob(floored, wave))


def test_densities_are_probabilities_over_the_width_of_a_bin():
    mixture, mu_law = make("mixture"), make("mu_law")
    wave, parameters = torch.rand(1, 5) - 0.5, torch.randn(1, 30, 5)

    gained = mixture.log_density(parameters, wave) - mixture.log_prob(parameters, wave)

    torch.testing.assert_close(gained, torch.full((1, 5), math.log(65535 / 2)))
    with pytest.raises(ValueError, match="head 'mu_law' has no density"):
        mu_law.log_density(torch.randn(1, 256, 5), wave)
