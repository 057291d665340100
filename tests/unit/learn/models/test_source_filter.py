import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sori.learn.models.source_filter import (
    Filters,
    SourceFilter,
    SourceFilterConfig,
    minimum_phase_matrix,
)
from sori.learn.nn.excitation import pulse_train
from sori.speak import source_filter as spoken

TINY = SourceFilterConfig(width=16, hidden=32, blocks=2)
SIZES = spoken.Synthesis(300, 600, 1024)


@pytest.fixture
def vocoder():
    torch.manual_seed(0)
    model = SourceFilter(TINY).eval()
    torch.nn.init.normal_(model.phase.weight, std=0.3)
    return model


def test_the_speaking_half_filters_as_the_learning_half_does(vocoder):
    mel, f0 = torch.randn(1, 80, 700) - 4, torch.full((1, 700), 140.0)
    noise = torch.randn(1, 700 * 300)
    pulses = pulse_train(f0, 300, 24000)
    with torch.no_grad():
        filters = vocoder.filters(mel, f0)
        expected = vocoder.synthesise(filters, pulses, noise)[0]

    parts = spoken.Filters(*(part[0].numpy() for part in filters))
    hiss = spoken.Noise(vocoder.spectra(noise)[0].numpy(), np.arange(700))
    for threads in (1, 3):
        wave = spoken.filter_sources(pulses[0].numpy(), hiss, parts, SIZES, threads)

        np.testing.assert_allclose(wave, expected, atol=1e-6)


def test_drawn_noise_is_as_strong_as_continuous_noise():
    zeros = np.zeros((400, 513), np.float32)
    silent = spoken.Filters(zeros - 50, zeros, zeros)

    wave = spoken.synthesise(np.zeros(400), silent, SIZES, 24000, 0)[600:-600]

    # Power stays even where frames overlap: no hum at the frame rate.
    power = np.square(wave).reshape(-1, 300)
    assert power.mean() == pytest.approx(1.0, abs=0.05)
    ripple = power.mean(axis=0).reshape(10, 30).mean(axis=1)
    assert ripple.max() - ripple.min() < 0.25


def test_flat_filters_return_their_source(vocoder):
    zeros = torch.zeros(1, 20, 513)
    source = torch.randn(1, 20 * 300)

    wave = vocoder.synthesise(Filters(zeros, zeros, zeros - 100), source, torch.randn(1, 6000))

    # The windows of the first and the last half hop have no neighbour to add up with.
    torch.testing.assert_close(wave[:, 150:-150], source[:, 150:-150], atol=1e-5, rtol=0)


def test_output_has_hop_samples_for_every_frame(vocoder):
    with torch.no_grad():
        wave = vocoder.vocode(torch.randn(2, 80, 11), torch.zeros(2, 11))

    assert wave.shape == (2, 3300)


def test_minimum_phase_is_that_of_a_stable_filter_with_all_zeros_inside():
    response = np.fft.rfft([1.0, -0.6, 0.25, 0.1], 1024)
    log_magnitude = torch.from_numpy(np.log(np.abs(response))).float()

    phase = log_magnitude @ minimum_phase_matrix(513)

    np.testing.assert_allclose(phase, np.unwrap(np.angle(response)), atol=1e-4)


def test_folding_the_minimum_phase_into_the_head_changes_nothing(vocoder):
    mel, f0 = torch.randn(1, 80, 12), torch.full((1, 12), 100.0)

    with torch.no_grad():
        plain, folded = vocoder.filters(mel, f0), vocoder.folded().filters(mel, f0)

    for want, got in zip(plain, folded, strict=True):
        torch.testing.assert_close(got, want, atol=2e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_wave_and_another_seed_does_not():
    zeros = np.zeros((10, 513), np.float32)
    filters = spoken.Filters(zeros, zeros, zeros)
    f0 = np.full(10, 120.0)

    first, again, other = (spoken.synthesise(f0, filters, SIZES, 24000, seed) for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_window_that_is_not_two_hops_is_refused():
    with pytest.raises(ValidationError, match="window_samples 512 must be twice the hop, 300"):
        SourceFilterConfig(window_samples=512)
