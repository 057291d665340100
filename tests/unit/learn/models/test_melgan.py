from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from sori.learn.losses import feature_distance, hinge_critic
from sori.learn.models.melgan import SPEC, MelGAN, MelGANConfig, MelGANTask
from sori.learn.nn.conv import fold_weight_norm, upsampling_conv
from sori.learn.nn.critics import ScaleCritics
from tests.batches import example_batch
from tests.sizes import millions

HOP = SPEC.tiny.mel.hop_samples


@pytest.fixture
def vocoder():
    torch.manual_seed(0)
    return MelGAN(SPEC.tiny).eval()


def test_sizes_are_the_published_ones():
    assert millions(MelGAN, MelGANConfig()) == pytest.approx(4.26, rel=0.01)
    assert millions(lambda _: ScaleCritics(3, 16, 1024), None) == pytest.approx(16.9, rel=0.01)


def test_strides_that_miss_the_hop_are_refused_with_both_numbers():
    with pytest.raises(ValidationError, match="multiply to 128.*hop_samples is 256"):
        MelGANConfig(strides=(8, 8, 2))


def test_a_frame_becomes_as_many_samples_as_the_hop(vocoder):
    for frames in (4, 11):
        assert vocoder(torch.randn(2, 40, frames)).shape == (2, frames * HOP)


@pytest.mark.parametrize("stride", [2, 4, 8, 3, 5])
def test_upsampling_covers_every_sample_equally_often(stride):
    conv = upsampling_conv(1, 1, stride)
    torch.nn.init.ones_(conv.weight)
    torch.nn.init.zeros_(conv.bias)

    covered = conv(torch.ones(1, 1, 10))[0, 0]

    assert covered.shape == (10 * stride,)
    assert torch.equal(covered[stride:-stride], torch.full((8 * stride,), 2.0))


def test_chunks_match_the_whole_away_from_their_ends(vocoder):
    mel = torch.randn(1, 40, 60)
    margin = 12

    with torch.no_grad():
        whole, chunk = vocoder(mel), vocoder(mel[:, :, 10:50])

    inside = slice(margin * HOP, -margin * HOP)
    torch.testing.assert_close(
        chunk[:, inside], whole[:, 10 * HOP : 50 * HOP][:, inside], atol=1e-6, rtol=1e-5
    )


def test_folding_weight_norm_changes_no_output(vocoder):
    mel = torch.randn(1, 40, 9)
    plain = MelGAN(SPEC.tiny).eval()
    plain.load_state_dict(vocoder.state_dict())

    fold_weight_norm(plain)

    assert not any("original" in name for name, _ in plain.named_parameters())
    with torch.no_grad():
        torch.testing.assert_close(plain(mel), vocoder(mel), atol=1e-7, rtol=1e-6)
        assert torch.equal(vocoder(mel), vocoder(mel))


def test_the_hinge_is_two_per_critic_that_says_nothing():
    silent = [torch.zeros(2, 1, 7), torch.zeros(2, 1, 3), torch.zeros(2, 1, 2)]

    assert float(hinge_critic(silent, silent)) == 6


def test_the_hinge_asks_nothing_of_a_critic_that_is_sure():
    real = torch.full((1, 1, 4), 1.5, requires_grad=True)
    fake = torch.full((1, 1, 4), -1.5, requires_grad=True)

    hinge_critic([real], [fake]).backward()

    assert not real.grad.any()
    assert not fake.grad.any()


def test_features_of_a_recording_match_themselves_and_take_no_gradient():
    critics = ScaleCritics(2, 4, 16)
    wave = torch.randn(1, 2000)

    real, judged = critics(wave), critics(wave)
    distance = feature_distance(real.features, judged.features)
    wanted = torch.autograd.grad(distance, real.features, allow_unused=True)

    assert distance.item() == 0
    assert all(gradient is None for gradient in wanted)


def test_the_generators_move_leaves_no_gradient_from_recordings_in_the_critics():
    task = MelGANTask(SPEC.tiny)
    batch = example_batch(SPEC)
    batch.wave.requires_grad_()

    updates = list(task.training_step(batch))
    updates[1].loss.backward()

    assert batch.wave.grad is None


def test_every_critic_hears_half_the_rate_of_the_one_before():
    scores = ScaleCritics(3, 4, 16)(torch.randn(1, 4096)).scores

    assert [score.shape[2] for score in scores] == [16, 8, 4]


def test_critics_join_when_they_are_told_to():
    task = MelGANTask(replace(SPEC.tiny, spectral_weight=1.0, critics_start_step=5))
    batch = example_batch(SPEC)

    before = [update.player for update in task.training_step(batch)]
    task.get_buffer("step").fill_(5)
    after = {update.player: set(update.terms) for update in task.training_step(batch)}

    assert before == ["generator"]
    assert after == {
        "critics": {"hinge"},
        "generator": {"magnitude", "convergence", "fool", "match"},
    }


def test_critics_that_join_late_leave_spectra_to_learn_from():
    with pytest.raises(ValidationError, match="nothing to learn from"):
        replace(SPEC.tiny, critics_start_step=5)
