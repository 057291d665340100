import pytest
import torch

from sori.learn.nn.inverse import InverseTransform


def test_it_is_the_inverse_of_the_short_time_fourier_transform():
    torch.manual_seed(0)
    layer, wave = InverseTransform(64), torch.randn(2, 64 * 5)
    window = torch.hann_window(64)
    spectrum = torch.stft(wave, 64, 16, 64, window, return_complex=True, center=False)
    frames = torch.cat([spectrum.abs().log(), spectrum.angle()], dim=1)

    made = layer(frames)

    assert frames.shape[1] == layer.channels
    assert made.shape == (2, 16 * frames.shape[2])
    # Near the ends fewer than four frames meet; a frame's centre lies at the middle of its hop.
    inside = slice(64, -64)
    torch.testing.assert_close(made[:, inside], wave[:, 24:-24][:, inside], atol=1e-4, rtol=1e-4)


def test_its_gradient_is_finite_where_it_is_very_loud():
    frames = torch.full((1, 66, 4), 200.0, requires_grad=True)

    InverseTransform(64)(frames).square().sum().backward()

    assert frames.grad is not None
    assert frames.grad.isfinite().all()


def test_a_size_that_four_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="30 samples is no multiple of 4"):
        InverseTransform(30)
