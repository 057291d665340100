from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sori.learn.models.source_filter import (
    Crisp,
    Filters,
    SourceFilter,
    SourceFilterConfig,
    contrast_matrix,
    log_energy,
    phase_basis,
    quicken,
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
    f0[:, ::7] = f0[:, 200:350] = 0.0  # frames without pulses, alone and in a row
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


def test_phases_are_smooth_and_vanish_at_both_ends():
    phase = torch.randn(48) @ phase_basis(48, 513)

    assert phase[[0, -1]].abs().max() < 1e-4
    # Odd terms of a cepstrum: none of it lies beyond the 48th, so none of it rings for longer.
    response = torch.fft.irfft(torch.complex(torch.zeros(513), phase))
    assert response[1:49].abs().min() > 1e-6
    assert response[49:-48].abs().max() < 1e-5


def test_contrast_leaves_what_is_flat_and_raises_what_stands_out():
    matrix = contrast_matrix(0.4, 5.0, 65)
    flat, peak = torch.full((65,), -3.0), torch.zeros(65)
    peak[30] = 1.0

    torch.testing.assert_close(matrix @ flat, flat)
    assert (matrix @ peak)[30] == pytest.approx(1.4 - 0.4 / (5 * (2 * np.pi) ** 0.5), abs=1e-3)
    assert (matrix @ peak)[25] < 0


def test_quickening_leaves_what_is_steady_and_raises_what_is_short():
    steady, short = torch.full((1, 9, 2), 2.0), torch.zeros(1, 9, 2)
    short[:, 4] = 1.0

    torch.testing.assert_close(quicken(steady, 0.8), steady)
    torch.testing.assert_close(quicken(short, 0.8)[0, 3:6, 0], torch.tensor([-0.2, 1.4, -0.2]))


def test_what_speaks_has_breath_where_it_is_voiced_and_high(vocoder):
    mel = torch.randn(1, 80, 12)
    still = replace(TINY, breath=0.0)
    without = SourceFilter(still).eval()
    without.load_state_dict(vocoder.state_dict())
    f0 = torch.tensor([[0.0] * 6 + [100.0] * 6])

    with torch.no_grad():
        added = Crisp(vocoder).filters(mel, f0).noise - Crisp(without).filters(mel, f0).noise

    assert added[0, :6].abs().max() == 0
    torch.testing.assert_close(added[0, 6:, :64], torch.zeros(6, 64), atol=1e-5, rtol=0)
    torch.testing.assert_close(added[0, 6:, 171:], torch.full((6, 342), 0.8), atol=1e-5, rtol=0)


def test_every_voice_of_a_batch_has_its_own_breath(vocoder):
    mel, f0 = torch.randn(1, 80, 12), torch.full((1, 12), 100.0)
    crisp = Crisp(vocoder)

    with torch.no_grad():
        both = crisp.filters(
            mel.expand(2, -1, -1), f0.expand(2, -1), torch.tensor([[0.0], [1.6]])
        ).noise

    torch.testing.assert_close(
        (both[1] - both[0])[:, 171:], torch.full((12, 342), 1.6), atol=1e-5, rtol=0
    )


def test_what_speaks_has_contrast_in_its_heads_and_the_energy_of_what_was_trained(vocoder):
    torch.nn.init.normal_(vocoder.harmonic.weight, std=0.1)
    mel, f0 = torch.randn(1, 80, 12), torch.zeros(1, 12)
    matrix = contrast_matrix(TINY.contrast, TINY.contrast_hz * 1024 / 24000, 513)

    with torch.no_grad():
        plain, crisp = vocoder.filters(mel, f0), Crisp(vocoder).filters(mel, f0)

    expected = quicken(plain.harmonic @ matrix.T, TINY.quickness)
    centred = [part - part.mean(dim=2, keepdim=True) for part in (crisp.harmonic, expected)]
    torch.testing.assert_close(*centred, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(crisp.phase, plain.phase, atol=1e-4, rtol=1e-4)
    before, after = (
        log_energy(torch.cat([part.harmonic, part.noise], dim=2)) / 2 for part in (plain, crisp)
    )
    # Every eighth bin tells it well enough even of heads without any smoothness.
    assert (after - before).abs().max() < 0.15


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
