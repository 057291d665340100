"""DDPM: noise turned into an image by many small steps of a network that sees noise.

Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239, with the
cosine schedule, the learned variances and the hybrid loss of Nichol & Dhariwal 2021, "Improved
DDPM", arXiv:2102.09672.
Deviation: two resolutions and no attention, for images of 8 to 32 pixels.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.contracts import Lengths, Spec, Update
from sori.learn.mel import strict
from sori.learn.nn import diffusion
from sori.learn.nn.diffusion import Prediction, Schedule
from sori.learn.nn.distributions import gaussian_divergence, normal_bin_log_prob
from sori.learn.nn.pixels import Image, PerItem, PixelBatch, Pixels, bits_per_dimension, centred

LIMIT = 1.0  # of pixels, once centred
SCHEDULES = {"linear": diffusion.linear_betas, "cosine": diffusion.cosine_betas}
SAMPLERS = {
    "ancestral": diffusion.sample_ancestral,
    "ddim": diffusion.sample_ddim,
    "solver": diffusion.sample_solver,
}


@dataclass(config=strict, frozen=True)
class DDPMConfig:
    """Sizes for small images.

    Args:
        target: what the network learns to say, noise or velocity.
        bound_weight: of the variational bound in the loss; it alone teaches the variances.
    """

    colours: int = 3
    levels: int = 256
    steps: int = 1000
    schedule: Literal["linear", "cosine"] = "cosine"
    target: Literal["noise", "velocity"] = "noise"
    width: int = 64
    blocks: int = 2  # at each resolution, on the way down and on the way up
    groups: int = 8
    bound_weight: float = 0.001


class Block(nn.Module):
    """Two convolutions under group norm, told of the step in between, added to their input."""

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.first_norm = nn.GroupNorm(groups, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.told = nn.Linear(width, 2 * width)
        self.second_norm = nn.GroupNorm(groups, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Image, time: Float[Tensor, "B D"]) -> Image:
        scale, shift = self.told(time)[:, :, None, None].chunk(2, dim=1)
        h = self.first(F.silu(self.first_norm(x)))
        h = self.second_norm(h) * (1 + scale) + shift
        return x + self.second(F.silu(h))


class Network(nn.Module):
    """From a noised image to what was learned to be said of it: the target, and the spread.

    Down to half the resolution and up again, with a bridge between equal resolutions.

    Source: Ronneberger et al. 2015, "U-Net", arXiv:1505.04597.
    """

    def __init__(self, config: DDPMConfig):
        super().__init__()
        width = config.width
        stages = [
            nn.ModuleList([Block(width, config.groups) for _ in range(config.blocks)])
            for _ in range(3)
        ]
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.enter = nn.Conv2d(config.colours, width, 3, padding=1)
        self.fine, self.coarse, self.refine = stages
        self.down = nn.Conv2d(width, width, 2, stride=2)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.bridge = nn.Conv2d(2 * width, width, 1)
        self.norm = nn.GroupNorm(config.groups, width)
        self.leave = nn.Conv2d(width, 2 * config.colours, 3, padding=1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, noised: Image, times: Lengths) -> tuple[Image, Image]:
        time = F.silu(self.time(diffusion.embed_times(times, self.width)))
        x = self.enter(noised)
        for block in self.fine:
            x = block(x, time)
        y = self.down(x)
        for block in self.coarse:
            y = block(y, time)
        x = self.bridge(torch.cat([x, self.up(y)], dim=1))
        for block in self.refine:
            x = block(x, time)
        said, spread = self.leave(F.silu(self.norm(x))).to(noised.dtype).chunk(2, dim=1)
        return said, torch.sigmoid(spread)


class DDPM(nn.Module):
    """Says which noise is in an image, and draws images by it."""

    def __init__(self, config: DDPMConfig):
        super().__init__()
        self.config = config
        self.network = Network(config)
        self.plan = diffusion.schedule(SCHEDULES[config.schedule](config.steps))

    def forward(self, noised: Image, times: Lengths) -> Prediction:
        """The noise in images at steps of the full schedule."""
        said, spread = self.network(noised, times)
        if self.config.target == "velocity":
            said = diffusion.noise_of_velocity(self.plan, noised, said, times)
        return Prediction(said, spread)

    def bound(self, pixels: Pixels, noised: Image, said: Prediction, step: Lengths) -> PerItem:
        """The terms of the variational bound at these steps, in nats (Eq. 5)."""
        clean = centred(pixels, self.config.levels)
        true = diffusion.posterior(self.plan, noised, clean, step)
        made = diffusion.reverse(self.plan, noised, said, step, LIMIT)
        mean, log_scale = made.mean, 0.5 * made.log_variance
        each = gaussian_divergence(true.mean, 0.5 * true.log_variance, mean, log_scale)
        # The first step ends at levels, whose probability is that of their bins (Eq. 13).
        decoded = -normal_bin_log_prob(clean, mean, log_scale, self.config.levels)
        is_first = (step == 0)[:, None, None, None]
        return torch.where(is_first, decoded, each).flatten(1).sum(dim=1)

    @torch.no_grad()
    def bits(self, pixels: Pixels, looks: int = 50) -> PerItem:
        """At most so many bits per dimension: the variational bound, its sum over steps estimated.

        Args:
            looks: how many steps are looked at, evenly spread from a random one on.
        """
        steps = self.config.steps
        looks = min(looks, steps)
        clean = centred(pixels, self.config.levels)
        total = diffusion.prior_divergence(self.plan, clean).flatten(1).sum(dim=1)
        # Step 1 is by far the largest term and is always looked at; the others share the looks,
        # and every item begins at a place of its own.
        stride = (steps - 1) / max(looks - 1, 1)
        begins = torch.rand(len(pixels))
        first = torch.zeros(len(pixels), dtype=torch.long)
        others = [1 + ((look + begins) * stride).long() for look in range(looks - 1)]
        for number, step in enumerate([first, *others]):
            noised = diffusion.add_noise(self.plan, clean, torch.randn_like(clean), step)
            nats = self.bound(pixels, noised, self(noised, step), step)
            total = total + (stride if number else 1.0) * nats
        return bits_per_dimension(-total, pixels)

    def sample(
        self,
        size: tuple[int, int, int, int],
        sampler: Literal["ancestral", "ddim", "solver"] = "ancestral",
        steps: int | None = None,
    ) -> Pixels:
        """Draw images, in fewer steps than were learned where told."""
        plan: Schedule = self.plan if steps is None else diffusion.respaced(self.plan, steps)
        image = SAMPLERS[sampler](self, plan, torch.randn(size), LIMIT)
        levels = self.config.levels
        return ((image + 1) / 2 * (levels - 1)).round().long().clamp(0, levels - 1)


class DDPMTask(nn.Module):
    """The squared error of the target, and a little of the bound for the variances."""

    def __init__(self, config: DDPMConfig):
        super().__init__()
        self.config = config
        self.model = DDPM(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: PixelBatch) -> Iterator[Update]:
        model, config, plan = self.model, self.config, self.model.plan
        clean = centred(batch.pixels, config.levels)
        step = torch.randint(config.steps, (len(clean),), device=clean.device)
        noise = torch.randn_like(clean)
        noised = diffusion.add_noise(plan, clean, noise, step)
        said, spread = model.network(noised, step)
        wanted = noise
        if config.target == "velocity":
            wanted = diffusion.velocity(plan, clean, noise, step)
        error = F.mse_loss(said, wanted)
        # The bound teaches variances and leaves the means to the squared error.
        known = said.detach()
        if config.target == "velocity":
            known = diffusion.noise_of_velocity(plan, noised, known, step)
        nats = model.bound(batch.pixels, noised, Prediction(known, spread), step)
        bound = config.steps * bits_per_dimension(-nats, batch.pixels).mean()
        loss = error + config.bound_weight * bound
        yield Update("model", loss, {"noise_error": error, "bound": bound})


SPEC = Spec(
    paper="arXiv:2006.11239",
    config=DDPMConfig,
    model=DDPM,
    task=DDPMTask,
    batch=PixelBatch,
    tiny=DDPMConfig(colours=1, levels=4, steps=20, width=8, blocks=1, groups=2),
)
