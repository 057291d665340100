from dataclasses import replace

import pytest
import torch

from sori.learn import registry
from sori.learn.models.ddpm import DDPM, DDPMTask
from sori.learn.nn.diffusion import Prediction

SPEC = registry.spec("ddpm")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return DDPM(SPEC.tiny).eval()


def test_the_bound_is_near_its_estimate_from_few_steps(model):
    pixels = torch.randint(4, (64, 1, 8, 8))

    all_steps = model.bits(pixels, looks=SPEC.tiny.steps).mean()
    few = torch.stack([model.bits(pixels, looks=6).mean() for _ in range(8)]).mean()

    assert float(few) == pytest.approx(float(all_steps), rel=0.1)


def test_whoever_knows_the_image_codes_it_in_almost_no_bits(model):
    pixels = torch.randint(4, (8, 1, 8, 8))
    clean = 2 * pixels / 3 - 1

    def knowing(noised, times):
        kept = model.plan.kept[times].to(noised.dtype).view(-1, 1, 1, 1)
        noise = (noised - kept.sqrt() * clean) / (1 - kept).sqrt()
        return Prediction(noise, torch.zeros_like(noised))

    model.forward = knowing

    assert model.bits(pixels, looks=SPEC.tiny.steps).max() < 0.01


@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "solver"])
@pytest.mark.parametrize("steps", [None, 4])
def test_samples_are_levels(model, sampler, steps):
    drawn = model.sample((2, 1, 8, 8), sampler, steps)

    assert drawn.shape == (2, 1, 8, 8)
    assert drawn.min() >= 0
    assert drawn.max() <= 3


def test_velocity_is_another_way_to_say_which_noise_there_is():
    """A network that says "none of the image" means the same in both languages."""
    torch.manual_seed(0)
    model = DDPM(replace(SPEC.tiny, target="velocity")).eval()
    noised, times = torch.randn(3, 1, 8, 8), torch.tensor([0, 10, 19])

    said = model(noised, times).noise  # the last layer starts at zero, so v is its bias alone
    kept = model.plan.kept[times].to(said.dtype).view(-1, 1, 1, 1)
    v = model.network(noised, times)[0]

    torch.testing.assert_close(said, kept.sqrt() * v + (1 - kept).sqrt() * noised)


def test_the_bound_teaches_variances_and_leaves_means_alone():
    torch.manual_seed(0)
    task = DDPMTask(replace(SPEC.tiny, bound_weight=1e9))
    batch = SPEC.batch(torch.randint(4, (4, 1, 8, 8)))

    next(task.training_step(batch)).loss.backward()

    leave = task.model.network.leave.weight.grad
    assert leave[1].abs().max() > 1e3  # channel 1 says the spread
    assert leave[0].abs().max() < 10
