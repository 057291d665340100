import math
from dataclasses import replace

import pytest
import torch
from torch.autograd.functional import jacobian

from sori.learn.losses import power_distance
from sori.learn.models import wavenet
from sori.learn.models.parallel_wavenet import (
    SPEC,
    ParallelWaveNet,
    ParallelWaveNetTask,
    Spoken,
    exact_divergence,
    sampled_divergence,
)
from sori.learn.nn.distributions import logistic_log_prob, logit
from tests.batches import example_batch

HOP = SPEC.tiny.mel.hop_samples


def make_student(form="logistic"):
    """A student whose flows read what they are given."""
    torch.manual_seed(0)
    model = ParallelWaveNet(replace(SPEC.tiny, form=form)).eval()
    for flow in model.flows:
        torch.nn.init.normal_(flow.leave.weight, std=0.5)
    return model


def make_task(form, head, **changes):
    torch.manual_seed(0)
    teacher = wavenet.WaveNet(replace(wavenet.SPEC.tiny, head=head))
    return ParallelWaveNetTask(replace(SPEC.tiny, form=form, **changes), teacher)


def test_flows_compose_to_one_scale_and_one_shift():
    model = make_student().double()
    mel = torch.randn(2, 40, 2).double() - 4
    noise = model.draw_noise(mel)[0].double()

    spoken = model(noise, mel)

    expected = noise * spoken.log_scale.exp() + spoken.mean
    torch.testing.assert_close(spoken.wave, expected, atol=1e-14, rtol=1e-13)


def test_the_jacobian_is_lower_triangular_with_the_scales_on_its_diagonal():
    model = make_student().double()
    mel = torch.randn(1, 40, 1).double() - 4
    noise = model.draw_noise(mel)[0].double()

    matrix = jacobian(lambda z: model(z, mel).wave, noise).reshape(HOP, HOP)

    log_scale = model(noise, mel).log_scale[0]
    assert not matrix.triu(1).any()
    assert matrix.tril(-1).abs().max() > 1e-4
    torch.testing.assert_close(matrix.diagonal().log(), log_scale, atol=1e-12, rtol=0)
    found = torch.linalg.slogdet(matrix).logabsdet
    torch.testing.assert_close(found, log_scale.sum(), atol=1e-10, rtol=0)


def test_flows_computed_sample_by_sample_give_the_same_wave():
    model = make_student().double()
    mel = torch.randn(1, 40, 1).double() - 4
    noise = model.draw_noise(mel)[0].double()

    with torch.no_grad():
        expected = model(noise, mel).wave
        wave, condition = noise, model.condition(mel)
        for flow in model.flows:
            made = torch.zeros_like(wave)
            for time in range(HOP):
                # Only what came before is known.
                known = torch.cat([wave[:, : time + 1], torch.zeros(1, HOP - time - 1)], dim=1)
                mean, log_scale = flow(known, condition)
                made[:, time] = wave[:, time] * log_scale[:, time].exp() + mean[:, time]
            wave = made

    torch.testing.assert_close(wave, expected, atol=1e-12, rtol=0)


def test_an_untrained_student_is_as_quiet_as_speech():
    torch.manual_seed(0)
    model = ParallelWaveNet(SPEC.tiny)

    wave = model.vocode(torch.randn(1, 40, 20) - 4)

    assert wave.shape == (1, 20 * HOP)
    assert wave.std().item() == pytest.approx(math.exp(-4) * math.pi / math.sqrt(3), rel=0.1)


def test_the_entropy_of_the_student_is_that_of_its_samples():
    model = make_student().double()
    mel = (torch.randn(1, 40, 1).double() - 4).expand(64, -1, -1)

    with torch.no_grad():
        logp, formula = [], []
        for _ in range(20):
            spoken = model(model.draw_noise(mel)[0].double(), mel)
            logp.append(logistic_log_prob(*spoken))
            formula.append(spoken.log_scale + 2)

    heard = -torch.stack(logp).mean().item()
    assert heard == pytest.approx(torch.stack(formula).mean().item(), abs=0.02)


class Twin(torch.nn.Module):
    """A teacher that expects exactly what a logistic student does."""

    config, mel_spec = None, SPEC.tiny.mel

    def log_density(self, parameters, wave):
        return logistic_log_prob(wave, parameters[:, 0], parameters[:, 1])


def test_the_sampled_divergence_of_a_student_from_itself_is_zero():
    torch.manual_seed(0)
    mean, log_scale = torch.randn(2, 500), torch.randn(2, 500) - 3
    alike = torch.stack([mean, log_scale], dim=1)
    noise = logit(torch.rand(200, 2, 500))

    divergence = sampled_divergence(Spoken(mean, mean, log_scale), Twin(), alike, noise)

    assert divergence.item() == pytest.approx(0, abs=0.01)


def test_a_teacher_with_one_logistic_agrees_with_a_student_like_it():
    torch.manual_seed(0)
    config = replace(wavenet.SPEC.tiny, head="mixture", mixtures=1)
    teacher = wavenet.WaveNet(config)
    mean, log_scale = 0.1 * torch.randn(2, 400), torch.full((2, 400), -4.0)
    alike = torch.stack([torch.zeros(2, 400), mean, log_scale], dim=1)
    wider = torch.stack([torch.zeros(2, 400), mean, log_scale + 1], dim=1)
    noise = logit(torch.rand(100, 2, 400))

    spoken = Spoken(mean, mean, log_scale)

    same = sampled_divergence(spoken, teacher, alike, noise)
    other = sampled_divergence(spoken, teacher, wider, noise)
    assert same.item() == pytest.approx(0, abs=0.01)
    assert other.item() > 0.1


def test_the_gaussian_divergence_is_zero_only_for_equal_parameters():
    mean, log_scale = torch.randn(2, 50), torch.randn(2, 50) - 3
    spoken = Spoken(mean, mean, log_scale)
    parameters = torch.stack([mean, log_scale], dim=1)

    assert exact_divergence(spoken, parameters, -20.0) == 0
    assert exact_divergence(spoken, parameters + 0.1, -20.0) > 0


@pytest.mark.parametrize(("form", "head"), [("gaussian", "gaussian"), ("logistic", "mixture")])
def test_the_contrastive_loss_of_equal_mels_keeps_its_share_of_the_divergence(form, head):
    task = make_task(form, head, power_weight=0.0, regulariser_weight=0.0)
    batch = example_batch(SPEC)
    same = replace(batch, mel=batch.mel[:1].expand(2, -1, -1).clone())

    update = next(task.training_step(same))

    kl = update.terms["kl"]
    torch.testing.assert_close(update.loss, (1 - 0.3) * kl, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("form", "head"), [("gaussian", "gaussian"), ("logistic", "mixture"), ("logistic", "gaussian")]
)
def test_the_teacher_receives_no_gradient_and_the_student_does(form, head):
    task = make_task(form, head)

    update = next(task.training_step(example_batch(SPEC)))
    update.loss.backward()

    assert torch.isfinite(update.loss)
    assert all(weight.grad is None for weight in task.teacher.parameters())
    assert all(flow.leave.weight.grad.any() for flow in task.model.flows)


def test_teachers_that_cannot_teach_are_refused():
    with pytest.raises(ValueError, match="gaussian student needs a teacher with head gaussian"):
        make_task("gaussian", "mixture")
    with pytest.raises(ValueError, match="needs a teacher with head gaussian or mixture"):
        make_task("logistic", "mu_law")
    with pytest.raises(ValueError, match="mel spectrograms differ; f_min_hz"):
        make_task("logistic", "mixture", mel=replace(SPEC.tiny.mel, f_min_hz=50.0))
    with pytest.raises(ValueError, match="knows speakers"):
        make_task("logistic", "mixture", speakers=("a", "b"))


def test_the_power_loss_hears_no_sign_and_is_zero_for_equal_waves():
    real, fake = torch.randn(2, 2000), torch.randn(2, 2000)

    assert power_distance(real, real, 256, 64) == 0
    torch.testing.assert_close(
        power_distance(real, fake, 256, 64), power_distance(-real, fake, 256, 64)
    )
