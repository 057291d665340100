from dataclasses import replace

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.mel import to_unit
from sori.learn.models.tortoise_diffusion import (
    SPEC,
    Guidance,
    TortoiseDiffusion,
    TortoiseDiffusionConfig,
    TortoiseDiffusionTask,
)
from sori.learn.nn import diffusion
from tests.batches import example_batch
from tests.sizes import millions


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = TortoiseDiffusion(SPEC.tiny).eval()
    for name, weight in model.named_parameters():
        if not weight.any() and name.endswith("weight"):  # layers that start as the identity
            torch.nn.init.normal_(weight, std=0.2)
    return model


@pytest.fixture
def told(model):
    with torch.no_grad():
        voice = model.hear([torch.randn(1, 40, 20) - 4])
        return model.condition(model.from_codes(torch.randint(8, (1, 5))), voice)


def noised(condition):
    return torch.randn(1, 40, condition.shape[2]), torch.tensor([7])


def test_the_size_is_the_published_one():
    assert millions(TortoiseDiffusion, TortoiseDiffusionConfig()) == pytest.approx(
        292.3, rel=0.0005
    )


@pytest.mark.parametrize(("codes", "frames"), [(1, 4), (50, 217), (107, 465)])
def test_frames_at_the_published_rates_last_as_long_as_their_codes(codes, frames):
    with torch.device("meta"):
        model = TortoiseDiffusion(TortoiseDiffusionConfig(width=32, layers=1))

    assert model.frames_of(codes) == frames
    assert abs(frames * 256 / 24000 - codes * 1024 / 22050) <= 256 / 24000


def test_codes_and_latents_become_four_frames_each(model):
    voice = model.hear([torch.randn(2, 40, 20) - 4])

    by_codes = model.condition(model.from_codes(torch.randint(8, (2, 5))), voice)
    by_latents = model.condition(model.from_latents(torch.randn(2, 5, 16)), voice)

    assert by_codes.shape == by_latents.shape == (2, 16, 20)


def test_a_voice_is_the_mean_of_its_recordings_in_any_order(model):
    first, second = torch.randn(1, 40, 9) - 4, torch.randn(1, 40, 14) - 4

    torch.testing.assert_close(model.hear([first, first]), model.hear([first]))
    torch.testing.assert_close(model.hear([first, second]), model.hear([second, first]))
    with pytest.raises(SoriError, match="at least one recording"):
        model.hear([])


@torch.no_grad()
def test_guidance_in_one_batch_is_guidance_in_two_passes(model, told):
    plan = diffusion.respaced(model.plan, 4)
    x, times = noised(told)[0], plan.times[2:3]
    two_passes = diffusion.guided(
        lambda x, t: model(x, t, told),
        lambda x, t: model(x, t, model.free.expand_as(told)),
        1.5,
    )

    found = model.denoiser(told, plan, Guidance(1.5, ramped=False))(x, times)

    expected = two_passes(x, times)
    torch.testing.assert_close(found.noise, expected.noise, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.spread, expected.spread, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found.noise, model(x, times, told).noise, atol=1e-3)


@torch.no_grad()
def test_without_guidance_the_decoder_says_what_it_learned(model, told):
    x, times = noised(told)

    found = model.denoiser(told, model.plan, Guidance(0.0))(x, times)

    assert torch.equal(found.noise, model(x, times, told).noise)


@torch.no_grad()
def test_a_ramp_guides_at_each_step_by_its_number_in_the_respaced_schedule(model, told):
    plan = diffusion.respaced(model.plan, 5)
    x, _ = noised(told)

    for index, strength in ((4, 0.4), (2, 1.2), (0, 2.0)):
        times = plan.times[index : index + 1]
        ramped = model.denoiser(told, plan, Guidance(2.0))(x, times)
        constant = model.denoiser(told, plan, Guidance(strength, ramped=False))(x, times)
        torch.testing.assert_close(ramped.noise, constant.noise)


@torch.no_grad()
@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "solver"])
def test_samples_are_mels_and_the_same_for_the_same_seed(model, told, sampler):
    mels = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        mels.append(model.sample(told, 3, sampler))

    assert mels[0].shape == (1, 40, 20)
    assert to_unit(mels[0]).abs().max() < 1.5
    assert torch.equal(mels[0], mels[1])
    assert not torch.equal(mels[0], mels[2])


@torch.no_grad()
def test_every_frame_hears_of_every_code_and_of_the_voice(model):
    codes = torch.zeros(1, 5, dtype=torch.long)
    voice = model.hear([torch.randn(1, 40, 20) - 4])
    x, times = torch.randn(1, 40, 20), torch.tensor([7])
    plain = model(x, times, model.condition(model.from_codes(codes), voice)).noise

    for place in range(5):
        other = codes.clone()
        other[0, place] = 3
        said = model(x, times, model.condition(model.from_codes(other), voice)).noise
        assert ((said - plain).abs().amax(dim=1) > 0).all()
    louder = model(x, times, model.condition(model.from_codes(codes), voice + 1)).noise
    assert ((louder - plain).abs().amax(dim=1) > 0).all()


def make_task(config):
    cards = {argument: registry.spec(name) for argument, name in SPEC.frozen.items()}
    frozen = {argument: card.model(card.tiny).eval() for argument, card in cards.items()}
    return TortoiseDiffusionTask(config, **frozen)


def test_stretches_of_mels_are_those_of_their_codes_and_latents():
    torch.manual_seed(0)
    task = make_task(replace(SPEC.tiny, crop_codes=2))
    batch = example_batch(SPEC)
    places = torch.arange(6)

    def encode(mel, mel_len):
        return places.expand(2, -1)  # each code names its place

    task.tokeniser.encode = encode
    batch.mel[:] = places.repeat_interleave(4)

    mel, codes, latents = task.stretches(batch)

    assert codes.shape == (2, 2)
    assert latents.shape == (2, 2, 16)
    assert torch.equal(mel[:, 0], codes.repeat_interleave(4, dim=1).float())


def test_a_reader_of_another_width_is_refused():
    with pytest.raises(ValueError, match="latent_width is 24, that of the reader 16"):
        make_task(replace(SPEC.tiny, latent_width=24))


@torch.no_grad()
def test_the_bound_of_a_perfect_guess_is_the_gap_between_the_variances():
    torch.manual_seed(0)
    task, plan = make_task(SPEC.tiny), diffusion.schedule(diffusion.linear_betas(20))
    clean, noise, step = torch.randn(4, 40, 8), torch.randn(4, 40, 8), torch.tensor([1, 5, 9, 19])
    x = diffusion.add_noise(plan, clean, noise, step)

    bounds = [
        float(task.bound(clean, x, diffusion.Prediction(noise, torch.full_like(x, spread)), step))
        for spread in (0.0, 0.5, 1.0)
    ]

    assert bounds[0] == pytest.approx(0, abs=1e-4)
    assert bounds[0] < bounds[1] < bounds[2]
