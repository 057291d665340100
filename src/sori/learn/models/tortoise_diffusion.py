"""TorToise's decoder: a mel drawn by diffusion, told what is said and in which voice.

Sources: Betker 2023, "Better speech synthesis through scaling", section 4.3, arXiv:2305.07243;
Nichol & Dhariwal 2021, "Improved DDPM", arXiv:2102.09672, for learned variances; Ho & Salimans
2022, "Classifier-Free Diffusion Guidance", arXiv:2207.12598.
Deviations: codes and latents are learned from side by side, half of a batch each, instead of codes
first; training cuts stretches of equal length out of sentences; in training the voice is read from
a part of the same recording; the bound takes the first step for a divergence like all others.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.core.errors import SoriError
from sori.learn.contracts import Ids, Lengths, Mel, Spec, Update
from sori.learn.mel import MEL_24_KHZ_100, MelSpec, from_unit, require_same, strict, to_unit
from sori.learn.nn import diffusion
from sori.learn.nn.attention import FrameAttention, group_norm
from sori.learn.nn.diffusion import Denoiser, Prediction, Schedule
from sori.learn.nn.distributions import gaussian_divergence
from sori.learn.nn.quantise import Codes
from sori.text.phonemes import SYMBOLS

Frames = Float[Tensor, "B C T"]
Vector = Float[Tensor, "B E"]
Latents = Float[Tensor, "B K D"]
Said = Float[Tensor, "B W K"]  # what is said, one vector for each code
FRAMES_PER_CODE = 4
SAMPLERS = {
    "ancestral": diffusion.sample_ancestral,
    "ddim": diffusion.sample_ddim,
    "solver": diffusion.sample_solver,
}


@dataclass(config=strict, frozen=True)
class TortoiseDiffusionConfig:
    """Defaults are the published values.

    Args:
        symbols: those of the autoregressive model, whose text it reads in training.
        code_sample_rate: in Hz, of the mels that codes were made from; their hop is the same.
        free_share: of the items that learn without being told anything, for guidance.
        layer_drop: how often a layer is left out in training.
        mel_weight: of the mel read from the condition alone.
        bound_weight: of the variational bound in the loss; it alone teaches the variances.
        crop_codes: most codes of a stretch in training.
    """

    mel: MelSpec = MEL_24_KHZ_100
    symbols: str = SYMBOLS
    code_sample_rate: int = 22050
    codes: int = 8192
    latent_width: int = 1024
    width: int = 1024
    heads: int = 16
    layers: int = 10
    steps: int = 4000
    dropout: float = 0.0
    free_share: float = 0.15
    layer_drop: float = 0.1
    mel_weight: float = 1.0
    bound_weight: float = 0.001
    crop_codes: int = 100


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class TortoiseDiffusionBatch:
    ids: Ids
    ids_len: Lengths
    mel: Mel
    mel_len: Lengths


@dataclass(config=strict, frozen=True)
class Guidance:
    """How far beyond what it learned the decoder follows its condition.

    Args:
        strength: 0 for as learned.
        ramped: whether it grows evenly from almost nothing at the first step to all at the last.
    """

    strength: float = 2.0
    ramped: bool = True

    def at(self, index: int, steps: int) -> float:
        """The strength at a step of the respaced schedule, of which the last taken is 0."""
        return self.strength * (1 - index / steps) if self.ramped else self.strength


class Residual(nn.Module):
    """Two convolutions under group norm, told of the step in between, added to their input."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.first_norm = group_norm(width)
        self.first = nn.Conv1d(width, width, 1)
        self.told = nn.Linear(width, 2 * width)
        self.second_norm = group_norm(width)
        self.second = nn.Conv1d(width, width, 3, padding=1)
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Frames, time: Vector) -> Frames:
        scale, shift = self.told(F.silu(time))[:, :, None].chunk(2, dim=1)
        h = self.first(F.silu(self.first_norm(x)))
        h = self.second_norm(h) * (1 + scale) + shift
        return x + self.second(self.drop(F.silu(h)))


class Layer(nn.Module):
    """A residual block, then attention."""

    def __init__(self, config: TortoiseDiffusionConfig):
        super().__init__()
        self.residual = Residual(config.width, config.dropout)
        self.attend = FrameAttention(config.width, config.heads, relative=True)

    def forward(self, x: Frames, time: Vector) -> Frames:
        return self.attend(self.residual(x, time))


def attention(config: TortoiseDiffusionConfig, count: int, widen: int = 1) -> list[nn.Module]:
    """So many attention layers, one behind the other."""
    width = widen * config.width
    return [FrameAttention(width, config.heads, relative=True) for _ in range(count)]


class TortoiseDiffusion(nn.Module):
    """Says which noise is in a scaled mel, told what is said and by whom."""

    def __init__(self, config: TortoiseDiffusionConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        bins, width = config.mel.bins, config.width
        self.plan = diffusion.schedule(diffusion.linear_betas(config.steps))
        self.enter = nn.Conv1d(bins, width, 3, padding=1)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.code_table = nn.Embedding(config.codes + 1, width)
        self.code_blocks = nn.Sequential(*attention(config, 3))
        latent = nn.Conv1d(config.latent_width, width, 3, padding=1)
        self.latent_blocks = nn.Sequential(latent, *attention(config, 4))
        self.said_norm = group_norm(width)
        self.voice = nn.Sequential(
            nn.Conv1d(bins, width, 3, stride=2, padding=1),
            nn.Conv1d(width, 2 * width, 3, stride=2, padding=1),
            *attention(config, 5, widen=2),
        )
        self.free = nn.Parameter(torch.randn(1, width, 1))
        self.mel_head = nn.Conv1d(width, bins, 3, padding=1)
        self.prepare = nn.ModuleList([Layer(config) for _ in range(3)])
        self.join = nn.Conv1d(2 * width, width, 1)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.tail = nn.ModuleList([Residual(width, config.dropout) for _ in range(3)])
        self.norm = group_norm(width)
        self.leave = nn.Conv1d(width, 2 * bins, 3, padding=1)
        # Who is asked in sampling, where it is not this network: an exported graph of it.
        self.twin: Callable[[Mel, Lengths, Frames], Prediction] | None = None

    def frames_of(self, codes: int) -> int:
        """How many frames so many codes become."""
        return codes * FRAMES_PER_CODE * self.config.mel.sample_rate // self.config.code_sample_rate

    def hear(self, references: Sequence[Tensor]) -> Vector:
        """The voice of one or more recordings: the mean over their frames and over them.

        Args:
            references: log-mels (B, M, T), each of any length.

        Raises:
            SoriError: there is none.
        """
        if not references:
            raise SoriError("a voice needs at least one recording")
        return torch.stack([self.voice(to_unit(mel)).mean(dim=2) for mel in references]).mean(dim=0)

    def from_codes(self, codes: Codes) -> Said:
        """What codes say."""
        return self.code_blocks(self.code_table(codes).transpose(1, 2))

    def from_latents(self, latents: Latents) -> Said:
        """What the states of the autoregressive model say."""
        return self.latent_blocks(latents.transpose(1, 2))

    def condition(self, said: Said, voice: Vector) -> Frames:
        """What is said in this voice, at the frames of the mel."""
        scale, shift = voice[:, :, None].chunk(2, dim=1)
        told = self.said_norm(said) * (1 + scale) + shift
        return F.interpolate(told, size=self.frames_of(said.shape[2]), mode="nearest")

    def forward(self, noised: Mel, times: Lengths, condition: Frames) -> Prediction:
        """The noise in scaled mels at steps of the full schedule.

        Args:
            condition: from `condition`, or `free` where nothing is told.
        """
        time = self.time(diffusion.embed_times(times, self.config.width).to(noised.dtype))
        for layer in self.prepare:
            condition = layer(condition, time)
        x = self.join(torch.cat([self.enter(noised), condition], dim=1))
        for number, layer in enumerate(self.layers):
            # The first layer always works.
            if self.training and number and torch.rand(()) < self.config.layer_drop:
                continue
            x = layer(x, time)
        for block in self.tail:
            x = block(x, time)
        noise, spread = self.leave(F.silu(self.norm(x))).to(noised.dtype).chunk(2, dim=1)
        return Prediction(noise, (spread + 1) / 2)

    def denoiser(self, condition: Frames, plan: Schedule, guidance: Guidance) -> Denoiser:
        """Says the noise as `diffusion.guided` does; told and not told in one batch."""

        def ask(noised: Mel, times: Lengths, told: Frames) -> Prediction:
            # What is sampled stays in full precision, whatever the weights are in.
            said = (self.twin or self)(noised.to(told.dtype), times, told)
            assert said.spread is not None
            return Prediction(said.noise.to(noised.dtype), said.spread.to(noised.dtype))

        def follow(noised: Mel, times: Lengths) -> Prediction:
            return ask(noised, times, condition)

        both = torch.cat([condition, self.free.expand_as(condition)])

        def lead(noised: Mel, times: Lengths) -> Prediction:
            said = ask(noised.repeat(2, 1, 1), times.repeat(2), both)
            told, alone = said.noise.chunk(2)
            index = int(torch.searchsorted(plan.times, times[:1].to(plan.times.device)))
            weight = guidance.at(index, len(plan.times))
            assert said.spread is not None
            return Prediction(told + weight * (told - alone), said.spread.chunk(2)[0])

        return lead if guidance.strength else follow

    @torch.no_grad()
    def sample(
        self,
        condition: Frames,
        steps: int,
        sampler: str = "solver",
        guidance: Guidance | None = None,
        temperature: float = 1.0,
        tell: Callable[[int, int], None] | None = None,
    ) -> Mel:
        """Draw log-mels; every call draws other noise.

        Args:
            temperature: of the noise that sampling starts from.
            sampler: a name in `SAMPLERS`.
            tell: is told how many steps are done, and of how many.

        Raises:
            ValueError: more steps than were learned.
        """
        plan = diffusion.respaced(self.plan, steps)
        shape = (condition.shape[0], self.config.mel.bins, condition.shape[2])
        start = temperature * torch.randn(shape, device=condition.device)
        predict = self.denoiser(condition, plan, guidance or Guidance())
        if tell:
            predict = telling(predict, steps, tell)
        return from_unit(SAMPLERS[sampler](predict, plan, start, 1.0))


def telling(predict: Denoiser, steps: int, tell: Callable[[int, int], None]) -> Denoiser:
    """The same denoiser, which tells how often it was asked, and of how many times."""
    asked = itertools.count(1)

    def ask(noised: Mel, times: Lengths) -> Prediction:
        said = predict(noised, times)
        tell(next(asked), steps)
        return said

    return ask


class TortoiseDiffusionTask(nn.Module):
    """The squared error of the noise, the bound for its variances, and a mel from the condition.

    Args (of the constructor):
        tokeniser: a trained `mel_codes`, which turns recordings into codes.
        reader: a trained `tortoise_ar`, whose states are the latents.
    """

    def __init__(self, config: TortoiseDiffusionConfig, tokeniser: Any, reader: Any):
        super().__init__()
        require_same(config.mel, tokeniser.config.mel)
        if config.symbols != reader.config.symbols:
            raise ValueError("the symbols are not those of the reader")
        if config.latent_width != reader.config.width:
            raise ValueError(
                f"latent_width is {config.latent_width}, that of the reader {reader.config.width}"
            )
        self.config = config
        self.model = TortoiseDiffusion(config)
        self.tokeniser = tokeniser
        self.reader = reader

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    @torch.no_grad()
    def stretches(self, batch: TortoiseDiffusionBatch) -> tuple[Mel, Codes, Latents]:
        """Equally long stretches of the recordings, with their codes and latents."""
        whole = batch.mel_len // FRAMES_PER_CODE
        codes = self.tokeniser.encode(batch.mel, batch.mel_len)
        voice = self.reader.voice(batch.mel[:, :, : int(batch.mel_len.min())])
        latents = self.reader(batch.ids, batch.ids_len, voice, codes)[1][:, :-1]
        count = max(min(int(whole.min()), self.config.crop_codes), 1)
        first = (torch.rand(len(whole), device=whole.device) * (whole - count + 1)).long()
        places = first[:, None] + torch.arange(count, device=whole.device)
        frames = FRAMES_PER_CODE * first[:, None] + torch.arange(
            FRAMES_PER_CODE * count, device=whole.device
        )
        mel = batch.mel.gather(2, frames[:, None].expand(-1, batch.mel.shape[1], -1))
        chosen = latents.gather(1, places[:, :, None].expand(-1, -1, latents.shape[2]))
        return mel, codes.gather(1, places), chosen

    def training_step(self, batch: TortoiseDiffusionBatch) -> Iterator[Update]:
        model, config, plan = self.model, self.config, self.model.plan
        mel, codes, latents = self.stretches(batch)
        items = torch.arange(len(mel), device=mel.device)
        said = pick(items % 2 == 0, model.from_codes(codes), model.from_latents(latents))
        told = model.condition(said, model.hear([batch.mel[:, :, : mel.shape[2]]]))
        clean = to_unit(mel)
        from_condition = F.mse_loss(model.mel_head(told), clean)
        free = torch.rand(len(mel), device=mel.device) < config.free_share
        condition = pick(free, model.free.expand_as(told), told)
        step = torch.randint(config.steps, (len(mel),), device=mel.device)
        noise = torch.randn_like(clean)
        noised = diffusion.add_noise(plan, clean, noise, step)
        found = model(noised, step, condition)
        error = F.mse_loss(found.noise, noise)
        bound = self.bound(clean, noised, found, step)
        loss = error + config.bound_weight * bound + config.mel_weight * from_condition
        yield Update("model", loss, {"noise_error": error, "bound": bound, "mel": from_condition})

    def bound(self, clean: Mel, noised: Mel, found: Prediction, step: Lengths) -> Tensor:
        """The variational bound of a value, in nats, estimated from these steps.

        It teaches variances and leaves the means to the squared error.
        """
        plan = self.model.plan
        true = diffusion.posterior(plan, noised, clean, step)
        known = Prediction(found.noise.detach(), found.spread)
        made = diffusion.reverse(plan, noised, known, step)
        each = gaussian_divergence(
            true.mean, 0.5 * true.log_variance, made.mean, 0.5 * made.log_variance
        )
        return self.config.steps * each.mean()


def pick(mask: Bool[Tensor, " B"], yes: Frames, no: Frames) -> Frames:
    """The first where the mask is true, by items."""
    return torch.where(mask[:, None, None], yes, no)


SPEC = Spec(
    paper="arXiv:2305.07243",
    config=TortoiseDiffusionConfig,
    model=TortoiseDiffusion,
    task=TortoiseDiffusionTask,
    batch=TortoiseDiffusionBatch,
    tiny=TortoiseDiffusionConfig(
        mel=MelSpec(8000, 512, 512, 128, 40, 0.0, 4000.0),
        code_sample_rate=8000,
        codes=8,
        latent_width=16,
        width=16,
        heads=2,
        layers=2,
        steps=20,
        free_share=0.5,
        layer_drop=0.0,
    ),
    frozen={"tokeniser": "mel_codes", "reader": "tortoise_ar"},
)
