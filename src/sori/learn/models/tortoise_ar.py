"""TorToise's autoregressive model: text and a voice become speech codes, one after the other.

Sources: Betker 2023, "Better speech synthesis through scaling", section 4.1, arXiv:2305.07243;
blocks from Radford et al. 2019, "Language Models are Unsupervised Multitask Learners" (GPT-2).
Deviations: text is phonemes, not byte pairs; padding is hidden from attention; in training the
voice is read from a part of the same recording, and where durations are known one head may be shown
which symbol is being spoken.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from sori.core.errors import SoriError
from sori.learn.contracts import Durations, Ids, Lengths, Mel, Scalar, Spec, Update
from sori.learn.losses import masked_mean
from sori.learn.mel import LOWEST, MEL_22_KHZ, MelSpec, strict, to_unit
from sori.learn.nn.attention import FrameAttention, attend
from sori.learn.nn.drawing import Sampling, draw, uniforms
from sori.learn.nn.masks import as_bias, length_mask
from sori.learn.nn.quantise import Codes, require_tokeniser
from sori.text.phonemes import SYMBOLS

Hidden = Float[Tensor, "B L D"]
Vector = Float[Tensor, "B D"]
Logits = Float[Tensor, "B V"]
Bias = Float[Tensor, "..."]
STOP_TEXT = 0  # silence, which also ends every sentence
FRAMES_PER_CODE = 4
FIRST_ROOM = 128  # codes that there is room for at first, 6 s
LIVE_SHARE = 0.75  # of a batch; with so few left the others leave
PUBLISHED_SILENCE = 83  # the code of silence of the published tokeniser
CALM_CODES = 8  # more silence than this in a row is no pause: the network lost its way


@dataclass(config=strict, frozen=True)
class TortoiseARConfig:
    """Defaults are the published values.

    Args:
        text_limit, code_limit: how many the position tables are made for.
        reference_frames: of the recording that a voice is read from in training, 6 s.
        repetition: what `Sampling` makes codes less likely by that were drawn before. Published
            for 8192 codes; fewer must come again within a sentence.
        guide_weight: of the loss that pulls one head's attention to the symbol being spoken. A
            network of hours finds it by itself, one of minutes does not.
    """

    mel: MelSpec = MEL_22_KHZ
    symbols: str = SYMBOLS
    codes: int = 8192
    width: int = 1024
    heads: int = 16
    blocks: int = 30
    voice_blocks: int = 6
    text_limit: int = 402
    code_limit: int = 604
    dropout: float = 0.1
    text_weight: float = 0.01
    reference_frames: int = 516
    repetition: float = 2.0
    guide_weight: float = 0.0

    @property
    def start(self) -> int:
        """The code before the first; one more is the code after the last."""
        return self.codes

    @property
    def stop(self) -> int:
        return self.codes + 1


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class TortoiseARBatch:
    ids: Ids
    ids_len: Lengths
    mel: Mel
    mel_len: Lengths
    durations: Durations  # zeros where they are not known


class Drawn(NamedTuple):
    """Candidates of one sentence.

    codes: filled up with stops behind `lengths`.
    latents: the state that each code was drawn from, (N, K, D).
    finished: whether it stopped before the limit.
    """

    codes: Int[Tensor, "N K"]
    lengths: Int[Tensor, " N"]
    latents: Float[Tensor, "N K D"]
    finished: Bool[Tensor, " N"]


class Cache:
    """Keys and values of all blocks (blocks, 2, B, heads, places, D), the first `used` filled."""

    def __init__(self, store: Float[Tensor, "G 2 B H L D"], used: int = 0):
        self.store, self.used = store, used

    def extend(self, block: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append to a block's keys and values, and give all of them; makes room where none is."""
        end = self.used + key.shape[2]
        if end > self.store.shape[4]:
            self.store = F.pad(self.store, (0, 0, 0, self.store.shape[4]))
        self.store[block, 0, :, :, self.used : end] = key
        self.store[block, 1, :, :, self.used : end] = value
        return self.store[block, 0, :, :, :end], self.store[block, 1, :, :, :end]

    def spread(self, rows: int, more: int) -> "Cache":
        """The one row of this cache for each of `rows`, with room for so many more places."""
        shape = list(self.store.shape)
        shape[2], shape[4] = rows, self.used + more
        store = self.store.new_empty(shape)
        store[..., : self.used, :] = self.store[..., : self.used, :]
        return Cache(store, self.used)

    def keep(self, rows: Bool[Tensor, " B"]) -> None:
        """Let go of all other rows."""
        self.store = self.store[:, :, rows]


class Block(nn.Module):
    """Attention and a feed-forward layer, each under its layer norm, added to their input."""

    def __init__(self, config: TortoiseARConfig):
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.first_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.leave = nn.Linear(width, width)
        self.second_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Hidden, bias: Bias, number: int, cache: Cache | None) -> Hidden:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(self.first_norm(x)).chunk(3, dim=2)
        )
        if cache is not None:
            key, value = cache.extend(number, key, value)
        mixed = attend(query, key, value, bias, query.shape[3] ** -0.5)
        x = x + self.drop(self.leave(mixed.transpose(1, 2).flatten(2)))
        h = F.gelu(self.widen(self.second_norm(x)), approximate="tanh")
        return x + self.drop(self.narrow(h))

    def focus(self, x: Hidden, bias: Bias) -> Float[Tensor, "B L L"]:
        """Log of how much the first head attends from each place to each."""
        query, key, _ = self.project(self.first_norm(x)).chunk(3, dim=2)
        size = query.shape[2] // self.heads
        scores = query[..., :size] @ key[..., :size].transpose(1, 2) * size**-0.5
        return (scores + bias[:, 0]).float().log_softmax(dim=2)


class VoiceEncoder(nn.Module):
    """Reads a voice from a mel: what attention gathers at its first frame."""

    def __init__(self, config: TortoiseARConfig):
        super().__init__()
        self.enter = nn.Conv1d(config.mel.bins, config.width, 1)
        self.blocks = nn.ModuleList([
            FrameAttention(config.width, config.heads) for _ in range(config.voice_blocks)
        ])

    def forward(self, mel: Mel) -> Vector:
        x = self.enter(to_unit(mel))
        for block in self.blocks:
            x = block(x)
        return x[:, :, 0]


def causal(size: int, like: Tensor) -> Float[Tensor, "L L"]:
    """Bias that hides from each place those behind it."""
    return like.new_full((size, size), float("-inf")).triu(1)


class TortoiseAR(nn.Module):
    """A voice, the text between its start and stop, then codes; each predicted by all before it.

    `silence` is the code that the tokeniser has for it.
    """

    silence: Tensor

    def __init__(self, config: TortoiseARConfig):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        width, texts, codes = config.width, len(config.symbols) + 1, config.codes + 2
        self.voice = VoiceEncoder(config)
        self.text_table = nn.Embedding(texts, width)
        self.code_table = nn.Embedding(codes, width)
        # Two and four places more than the limits, as published.
        self.text_places = nn.Embedding(config.text_limit + 2, width)
        self.code_places = nn.Embedding(config.code_limit + 4, width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.blocks)])
        self.stack_norm = nn.LayerNorm(width)
        self.final_norm = nn.LayerNorm(width)
        self.text_head = nn.Linear(width, texts)
        self.code_head = nn.Linear(width, codes)
        self.register_buffer("silence", torch.tensor(PUBLISHED_SILENCE))
        for table in (self.text_table, self.code_table, self.text_places, self.code_places):
            nn.init.normal_(table.weight, std=0.02)

    def hear(self, references: Sequence[Tensor]) -> Vector:
        """The voice of one or more recordings, the mean over them.

        Args:
            references: mels (B, M, T), each of any length.

        Raises:
            SoriError: there is none.
        """
        if not references:
            raise SoriError("a voice needs at least one recording")
        return torch.stack([self.voice(mel) for mel in references]).mean(dim=0)

    def prefix(self, ids: Ids, voice: Vector) -> Hidden:
        """What comes before the codes, embedded.

        Raises:
            SoriError: the text is longer than the position table.
        """
        if ids.shape[1] > self.config.text_limit:
            raise SoriError(
                f"text of {ids.shape[1]} symbols, and the model takes {self.config.text_limit}; "
                "split it into sentences"
            )
        text = F.pad(ids, (1, 0), value=len(self.config.symbols))
        embedded = self.text_table(text) + self.text_places.weight[: text.shape[1]]
        return torch.cat([voice[:, None], embedded], dim=1)

    def embed_codes(self, codes: Codes) -> Hidden:
        """Codes behind the start, embedded.

        Raises:
            SoriError: there are more than the position table has places for.
        """
        if codes.shape[1] > self.config.code_limit:
            raise SoriError(
                f"{codes.shape[1]} codes, and the model takes {self.config.code_limit}; "
                "use shorter recordings or sentences"
            )
        begun = F.pad(codes, (1, 0), value=self.config.start)
        return self.code_table(begun) + self.code_places.weight[: begun.shape[1]]

    def run(self, x: Hidden, bias: Bias, cache: Cache | None = None, first: int = 0) -> Hidden:
        """States of places that see what the bias and the cache let them, from this block on."""
        for number, block in enumerate(self.blocks[first:], first):
            x = block(x, bias, number, cache)
        if cache is not None:
            cache.used += x.shape[1]
        return self.final_norm(self.stack_norm(x))

    def forward(
        self, ids: Ids, ids_len: Lengths, voice: Vector, codes: Codes
    ) -> tuple[Float[Tensor, "B N_in D"], Float[Tensor, "B K_in D"]]:
        """States at the start and all symbols of the text, and at the start and all codes.

        Each is what the next symbol or code is read from.
        """
        x, bias = self.embed(ids, ids_len, voice, codes)
        states = self.run(x, bias)
        return states[:, 1 : ids.shape[1] + 2], states[:, ids.shape[1] + 2 :]

    def embed(
        self, ids: Ids, ids_len: Lengths, voice: Vector, codes: Codes
    ) -> tuple[Hidden, Float[Tensor, "B 1 L L"]]:
        """What goes into the first block, and the bias that hides padding and what is behind."""
        x = torch.cat([self.prefix(ids, voice), self.embed_codes(codes)], dim=1)
        seen = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        seen[:, 2 : ids.shape[1] + 2] = length_mask(ids_len, ids.shape[1])
        return x, causal(x.shape[1], x) + as_bias(seen)[:, None, None, :]

    def latents(self, ids: Ids, voice: Vector, codes: Codes) -> Float[Tensor, "B K D"]:
        """The state that each code is read from, as `sample` gives it."""
        lengths = torch.full((len(ids),), ids.shape[1], device=ids.device)
        return self(ids, lengths, voice, codes)[1][:, :-1]

    @torch.no_grad()
    def sample(
        self,
        ids: Ids,
        voice: Vector,
        count: int,
        seed: int = 0,
        manner: Sampling | None = None,
        tell: Callable[[int, int], None] | None = None,
    ) -> Drawn:
        """Draw candidates of one sentence; candidate i is a function of the seed and i.

        Args:
            tell: is told how many codes are drawn, and of how many at most.
        """
        manner = manner or Sampling()
        limit = min(manner.limit, self.config.code_limit)
        prefix = self.prefix(ids, voice)
        heads, places = self.config.heads, prefix.shape[1]
        store = prefix.new_empty(len(self.blocks), 2, 1, heads, places, self.config.width // heads)
        cache = Cache(store)
        self.run(prefix, causal(places, prefix), cache)
        noise = uniforms(seed, count, limit).to(ids.device).split(manner.batch)
        parts = []
        for number, part in enumerate(noise):
            listen = partly(tell, number, len(noise)) if tell else None
            parts.append(self.sample_together(cache, part, manner, listen))
        longest = max(part.codes.shape[1] for part in parts)
        codes = [
            F.pad(p.codes, (0, longest - p.codes.shape[1]), value=self.config.stop) for p in parts
        ]
        latents = [F.pad(p.latents, (0, 0, 0, longest - p.codes.shape[1])) for p in parts]
        lengths, finished = (torch.cat([p[k] for p in parts]) for k in (1, 3))
        return Drawn(torch.cat(codes), lengths, torch.cat(latents), finished)

    def sample_together(
        self,
        prefix: Cache,
        noise: Float[Tensor, "N K"],
        manner: Sampling,
        tell: Callable[[int, int], None] | None = None,
    ) -> Drawn:
        """Draw as many candidates as there are rows of noise; who stops leaves the batch.

        Leaving copies all that is kept of the others, so some wait until it is worth it.
        """
        count, limit = noise.shape
        cache = prefix.spread(count, min(limit, FIRST_ROOM))
        rows = torch.arange(count, device=noise.device)
        last = torch.full_like(rows, self.config.start)
        codes = torch.full_like(noise, self.config.stop, dtype=torch.long)
        latents = self.code_table.weight.new_zeros(count, limit, self.config.width)
        lengths = torch.full_like(rows, limit)
        heard = torch.zeros(count, self.config.codes + 2, dtype=torch.bool, device=noise.device)
        free = latents.new_zeros(1, 1)
        live = torch.ones_like(rows, dtype=torch.bool)
        for place in range(limit):
            x = self.code_table(last) + self.code_places.weight[place]
            state = self.run(x[:, None], free, cache)[:, 0]
            logits = self.code_head(state)
            logits[:, self.config.start] = float("-inf")
            last = draw(logits, heard, noise[rows, place], manner)
            heard.scatter_(1, last[:, None], True)
            last = torch.where(live, last, self.config.stop)
            codes[rows, place] = last
            latents[rows[live], place] = state[live]
            lengths[rows[live & (last == self.config.stop)]] = place
            live = last != self.config.stop
            if tell:
                tell(place + 1, limit)
            if not live.any():
                break
            if live.float().mean() <= LIVE_SHARE:
                rows, last, heard = rows[live], last[live], heard[live]
                cache.keep(live)
                live = live[live]
        longest = int(lengths.max())
        return Drawn(codes[:, :longest], lengths, latents[:, :longest], lengths < limit)


def partly(tell: Callable[[int, int], None], number: int, parts: int) -> Callable[[int, int], None]:
    """Tell of one part of work as of a part of all."""
    return lambda done, total: tell(number * total + done, parts * total)


def calm_end(codes: Int[Tensor, " K"], silence: int) -> int:
    """How many codes there are before a silence that is too long to be a pause.

    Of that silence, `CALM_CODES` stay.
    """
    run = 0
    for place, code in enumerate(codes.tolist()):
        run = run + 1 if code == silence else 0
        if run > CALM_CODES:
            return place
    return len(codes)


class TortoiseARTask(nn.Module):
    """Cross entropy of codes and, with a small weight, of the text.

    Args (of the constructor):
        tokeniser: a trained `mel_codes`, which turns recordings into codes.
    """

    def __init__(self, config: TortoiseARConfig, tokeniser: Any):
        super().__init__()
        require_tokeniser(config, tokeniser)
        self.config = config
        self.model = TortoiseAR(config)
        self.tokeniser = tokeniser
        nothing = torch.full((1, config.mel.bins, 64), LOWEST)
        self.model.silence.fill_(tokeniser.encode(nothing)[0, 8])

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: TortoiseARBatch) -> Iterator[Update]:
        model, config = self.model, self.config
        with torch.no_grad():
            codes = self.tokeniser.encode(batch.mel, batch.mel_len)
            codes_len = self.tokeniser.count(batch.mel_len)
        codes = codes.masked_fill(~length_mask(codes_len, codes.shape[1]), config.stop)
        voice = model.voice(reference(batch.mel, batch.mel_len, config.reference_frames))
        x, bias = model.embed(batch.ids, batch.ids_len, voice, codes)
        middle = len(model.blocks) // 2
        for block in model.blocks[:middle]:
            x = block(x, bias, 0, None)
        states, texts = model.run(x, bias, first=middle), batch.ids.shape[1] + 2
        text = next_nll(model.text_head(states[:, 1:texts]), batch.ids, batch.ids_len, STOP_TEXT)
        nll = next_nll(model.code_head(states[:, texts:]), codes, codes_len, config.stop)
        loss, terms = nll + config.text_weight * text, {"nll": nll, "text": text}
        if config.guide_weight:
            heads: Any = model.blocks[middle]
            focus = heads.focus(x, bias)[:, texts:, 2:texts]
            terms["focus"] = astray(focus, batch.durations, self.tokeniser.count(batch.mel_len))
            loss = loss + config.guide_weight * terms["focus"]
        yield Update("model", loss, terms)


def astray(focus: Float[Tensor, "B K N"], durations: Durations, codes_len: Lengths) -> Scalar:
    """How little attention the symbols get that are spoken at each code, in nats.

    Sentences whose durations are not known count nothing.
    """
    ends = durations.cumsum(dim=1)
    frame = FRAMES_PER_CODE * torch.arange(focus.shape[1], device=focus.device) + 2
    # The last code may stand for fewer than three frames.
    spoken = torch.searchsorted(ends, torch.minimum(frame, ends[:, -1:] - 1), right=True)
    found = focus.gather(2, spoken.clamp(max=focus.shape[2] - 1)[:, :, None])[:, :, 0]
    mask = length_mask(codes_len, focus.shape[1]) & (ends[:, -1:] > 0)
    return -torch.where(mask, found, 0).sum() / mask.sum().clamp(min=1)


def reference(mel: Mel, mel_len: Lengths, frames: int) -> Float[Tensor, "B M T_cut"]:
    """A stretch of each recording, from anywhere in it, at most half as long as the shortest."""
    frames = max(min(frames, int(mel_len.min()) // 2), 1)
    first = (torch.rand(len(mel), device=mel.device) * (mel_len - frames + 1)).long()
    places = first[:, None] + torch.arange(frames, device=mel.device)
    return mel.gather(2, places[:, None].expand(-1, mel.shape[1], -1))


def next_nll(
    logits: Float[Tensor, "B L V"], items: Int[Tensor, "B K"], lengths: Lengths, stop: int
) -> Float[Tensor, ""]:
    """Mean negative log probability of every item and of the stop behind the last, in nats."""
    wanted = F.pad(items, (0, 1), value=stop)
    wanted = wanted.scatter(1, lengths[:, None], stop)
    each = F.cross_entropy(logits.float().transpose(1, 2), wanted, reduction="none")
    return masked_mean(each, length_mask(lengths + 1, wanted.shape[1]))


SPEC = Spec(
    paper="arXiv:2305.07243",
    config=TortoiseARConfig,
    model=TortoiseAR,
    task=TortoiseARTask,
    batch=TortoiseARBatch,
    tiny=TortoiseARConfig(
        mel=MelSpec(8000, 512, 512, 128, 40, 0.0, 4000.0),
        codes=8,
        width=16,
        heads=2,
        blocks=2,
        voice_blocks=1,
        text_limit=24,
        code_limit=40,
        dropout=0.0,
    ),
    frozen={"tokeniser": "mel_codes"},
)
