import torch

from sori.learn.nn.critics import PeriodCritic, PeriodCritics, SpectrumCritics


def test_a_period_critic_never_mixes_samples_of_different_phase():
    torch.manual_seed(0)
    critic = PeriodCritic(5, (4, 8, 16, 16))
    wave = torch.randn(1, 400, requires_grad=True)

    scores, _ = critic(wave)
    scores[0, 0, :, 2].sum().backward()

    reached = wave.grad[0].abs() > 0
    assert reached[2::5].any()
    assert not any(reached[phase::5].any() for phase in (0, 1, 3, 4))


def test_every_critic_gives_a_score_and_its_layers():
    judged = PeriodCritics((2, 3), (4, 8, 16, 16))(torch.randn(2, 601))

    assert len(judged.scores) == 2
    assert len(judged.features) == 8


def test_critics_of_spectra_hear_no_sign():
    torch.manual_seed(0)
    critics = SpectrumCritics(((256, 32, 128), (128, 16, 64)), 4)
    wave = torch.randn(2, 2000)

    judged, turned = critics(wave), critics(-wave)

    assert len(judged.scores) == 2
    assert len(judged.features) == 10
    torch.testing.assert_close(judged.scores, turned.scores)
