"""Tacotron 2: text to mel, a few frames after another, each step looking at the text it speaks.

Source: Shen et al. 2018, "Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram
Predictions", arXiv:1712.05884; attention after Chorowski et al. 2015, "Attention-Based Models for
Speech Recognition", section 2.1, arXiv:1506.07503.
Deviations: the error of the mel may be absolute as well as squared; F0 and voicing stand beside the
mel in every frame, because our vocoder needs them; `frames_per_step` frames leave at once (Wang et
al. 2017, "Tacotron", section 3.3, arXiv:1703.10135); the filters see the weights of the step before
as well as their sum, as in the public program NVIDIA/tacotron2; zoneout is kept to the LSTM that
attends, and the other one drops outputs instead, so that in training it runs over all steps at
once; stopping is refused until the attention has reached the end of the text.
"""

import math
from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sori.core.errors import SoriError
from sori.learn.contracts import (
    Acoustics,
    Delivery,
    Durations,
    Exhibit,
    Ids,
    Lengths,
    Mel,
    Spec,
    Track,
    Update,
)
from sori.learn.losses import masked_mean
from sori.learn.mel import MelSpec, strict
from sori.learn.nn.alignment import Alignment, owners, strayed
from sori.learn.nn.conv import NormedConvs, PostNet
from sori.learn.nn.masks import length_mask
from sori.text.phonemes import SYMBOLS

Text = Float[Tensor, "B N D"]
TextMask = Bool[Tensor, "B N"]
Weights = Float[Tensor, "B N"]
Frames = Float[Tensor, "B C T"]  # scaled mel, then log F0 less its centre, then logit of voicing

PITCH_CENTRE = 5.2  # log of 181 Hz
MEL_SCALE = 4.0  # brings log-mels near unit range
STOP_WEIGHT = 5.0  # one step of a sentence is its last; the public programs weigh it 5 to 10 times
WINDOW = (1, 5)  # tokens back and ahead: about two steps of fast speech
LONGEST_TOKEN_FRAMES = 40  # half a second for each token on average: no speech is so slow
END_TOKENS = 2  # the silence at the end of a text, and what may merge with it


@dataclass(config=strict, frozen=True)
class Tacotron2Config:
    """Defaults are the paper's values.

    Args:
        frames_per_step: the reduction factor.
        guide_weight: of the loss that keeps attention near its expected place; 0 for none.
        guide_width: how far it may stray, as a part of the text (g of Tachibana et al.).
        sharpness: weight of the absolute error of the mel beside the squared one, which is content
            with blurred frames; 0 in the paper.
    """

    mel: MelSpec = field(default_factory=MelSpec)
    symbols: str = SYMBOLS
    width: int = 512
    encoder_layers: int = 3
    kernel: int = 5
    attention_width: int = 128
    location_filters: int = 32
    location_kernel: int = 31
    prenet_width: int = 256
    prenet_dropout: float = 0.5
    decoder_width: int = 1024
    zoneout: float = 0.1
    dropout: float = 0.5
    postnet_layers: int = 5
    postnet_width: int = 512
    frames_per_step: int = 1
    guide_weight: float = 0.0
    guide_width: float = 0.2
    sharpness: float = 0.0


@dataclass(config={"arbitrary_types_allowed": True}, frozen=True)
class Tacotron2Batch:
    ids: Ids
    ids_len: Lengths
    mel: Mel
    mel_len: Lengths
    durations: Durations
    f0: Track


@dataclass(config=strict, frozen=True)
class Decoding:
    """How to speak.

    Args:
        limit_steps: give up then; what is given up is told (`Spoken.finished`).
        stop: probability of being at the end from which on it ends.
        window: how many tokens attention may go back and ahead from where it was; None for all.
    """

    limit_steps: int = 1000
    stop: float = 0.5
    window: tuple[int, int] | None = None


class Spoken(NamedTuple):
    """What the model says; `finished` is false where it met the limit instead of an end."""

    mel: Mel
    mel_len: Lengths
    f0: Track
    alignment: Alignment
    finished: Bool[Tensor, " B"]


class Reconstruction(NamedTuple):
    """What teacher forcing gives: frames before and behind the post-net, logits of stopping."""

    before: Frames
    after: Frames
    stop: Float[Tensor, "B K"]
    alignment: Alignment


class Memory(NamedTuple):
    """A text as the attention reads it; keys are computed once for all steps."""

    text: Text
    keys: Float[Tensor, "B N A"]
    mask: TextMask


class State(NamedTuple):
    """Where the attending LSTM is: its output and cell, what it read, weights and their sum."""

    hidden: Float[Tensor, "B H"]
    cell: Float[Tensor, "B H"]
    context: Float[Tensor, "B D"]
    weights: Weights
    total: Weights


class Encoder(nn.Module):
    """Convolutions and an LSTM in both directions over phonemes."""

    def __init__(self, config: Tacotron2Config):
        super().__init__()
        width, layers = config.width, config.encoder_layers
        self.embed = nn.Embedding(len(config.symbols), width)
        self.convs = NormedConvs(
            [width] * (layers + 1), config.kernel, [F.relu] * layers, config.dropout
        )
        self.recur = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, ids: Ids, ids_len: Lengths, mask: TextMask) -> Text:
        x = self.convs(self.embed(ids).transpose(1, 2), mask[:, None].float()).transpose(1, 2)
        packed = pack_padded_sequence(x, ids_len.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recur(packed)[0], True, total_length=ids.shape[1])[0]


class LocationAttention(nn.Module):
    """Additive attention that also sees where it has been.

        e_i = v tanh(W s + V h_i + U (F * [a; sum a])_i + b),   a = softmax(e)

    Source: Chorowski et al. 2015, section 2.2, arXiv:1506.07503.
    """

    def __init__(self, config: Tacotron2Config):
        super().__init__()
        width, kernel = config.attention_width, config.location_kernel
        self.query = nn.Linear(config.decoder_width, width, bias=False)
        self.key = nn.Linear(config.width, width)
        self.filters = nn.Conv1d(
            2, config.location_filters, kernel, padding=kernel // 2, bias=False
        )
        self.location = nn.Linear(config.location_filters, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def read(self, text: Text, mask: TextMask) -> Memory:
        """Prepare a text for all steps."""
        return Memory(text, self.key(text), mask)

    def forward(
        self, query: Float[Tensor, "B H"], memory: Memory, state: State, window: TextMask | None
    ) -> tuple[Float[Tensor, "B D"], Weights]:
        """What is read at this step, and with which weights."""
        been = self.filters(torch.stack([state.weights, state.total], dim=1)).transpose(1, 2)
        seen = self.query(query)[:, None] + memory.keys + self.location(been)
        scores = self.score(torch.tanh(seen))[:, :, 0].float()
        allowed = memory.mask if window is None else memory.mask & window
        weights = scores.masked_fill(~allowed, float("-inf")).softmax(dim=1)
        return (weights[:, None] @ memory.text)[:, 0], weights


class PreNet(nn.Module):
    """A bottleneck of two layers whose dropout never ends, so the text stays worth looking at."""

    def __init__(self, bins: int, width: int, dropout: float):
        super().__init__()
        self.dropout = dropout
        self.layers = nn.ModuleList([nn.Linear(bins, width), nn.Linear(width, width)])

    def forward(self, x: Float[Tensor, "*B M"]) -> Float[Tensor, "*B P"]:
        for layer in self.layers:
            x = F.dropout(F.relu(layer(x)), self.dropout, training=True)
        return x


def zone_out(old: Tensor, new: Tensor, rate: float, training: bool) -> Tensor:
    """Let units keep their old value with probability `rate`; on average when not training.

    Source: Krueger et al. 2017, "Zoneout", Eq. 2, arXiv:1606.01305.
    """
    if not training:
        return torch.lerp(new, old, rate)
    return torch.where(torch.rand_like(new) < rate, old, new)


def near(weights: Weights, window: tuple[int, int]) -> TextMask:
    """The tokens that lie in a window around the most attended one."""
    centre = weights.argmax(dim=1, keepdim=True)
    places = torch.arange(weights.shape[1], device=weights.device)[None]
    return (places >= centre - window[0]) & (places <= centre + window[1])


class Tacotron2(nn.Module):
    """Phonemes in, mel and F0 out, one group of frames after another."""

    def __init__(self, config: Tacotron2Config):
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.frame = config.mel.bins + 2
        width, deep = config.width, config.decoder_width
        self.encoder = Encoder(config)
        self.attention = LocationAttention(config)
        self.prenet = PreNet(config.mel.bins, config.prenet_width, config.prenet_dropout)
        self.attend = nn.LSTMCell(config.prenet_width + width, deep)
        self.decode = nn.LSTM(deep + width, deep, batch_first=True)
        self.drop = nn.Dropout(config.zoneout)
        self.frames_out = nn.Linear(deep + width, self.frame * config.frames_per_step)
        self.stop_out = nn.Linear(deep + width, 1)
        self.postnet = PostNet(
            self.frame, config.postnet_width, config.postnet_layers, config.dropout
        )

    def read(self, ids: Ids, ids_len: Lengths) -> Memory:
        """The text, ready to be attended to."""
        mask = length_mask(ids_len, ids.shape[1])
        return self.attention.read(self.encoder(ids, ids_len, mask), mask)

    def start(self, memory: Memory) -> State:
        """Nothing said and nothing read."""
        items, tokens, width = memory.text.shape
        still = memory.text.new_zeros(items, self.config.decoder_width, dtype=torch.float32)
        unread = still.new_zeros(items, tokens)
        return State(still, still, still.new_zeros(items, width), unread, unread)

    def step(
        self,
        seen: Float[Tensor, "B P"],
        memory: Memory,
        state: State,
        window: TextMask | None = None,
    ) -> State:
        """Move the attention by one step, given the last frame as the pre-net sees it."""
        rate = self.config.zoneout
        hidden, cell = self.attend(
            torch.cat([seen, state.context], dim=1), (state.hidden, state.cell)
        )
        hidden = zone_out(state.hidden, hidden, rate, self.training)
        cell = zone_out(state.cell, cell, rate, self.training)
        context, weights = self.attention(hidden, memory, state, window)
        return State(hidden, cell, context, weights, state.total + weights)

    def emit(
        self, x: Float[Tensor, "B K E"], context: Float[Tensor, "B K D"]
    ) -> tuple[Frames, Float[Tensor, "B K"]]:
        """Frames and logits of stopping from what the second LSTM says at every step."""
        told = torch.cat([self.drop(x), context], dim=2)
        frames = self.frames_out(told).unflatten(2, (self.config.frames_per_step, self.frame))
        return frames.flatten(1, 2).transpose(1, 2), self.stop_out(told)[:, :, 0]

    def reconstruct(self, batch: Tacotron2Batch) -> Reconstruction:
        """Speak the batch again, every step given the recording up to it (teacher forcing)."""
        per_step = self.config.frames_per_step
        memory = self.read(batch.ids, batch.ids_len)
        steps = math.ceil(batch.mel.shape[2] / per_step)
        shown = scaled(batch.mel)[:, :, per_step - 1 : (steps - 1) * per_step : per_step]
        seen = self.prenet(F.pad(shown, (1, 0)).transpose(1, 2))
        with torch.autocast(seen.device.type, enabled=False):
            memory = Memory(memory.text.float(), memory.keys.float(), memory.mask)
            states, state = [], self.start(memory)
            for part in seen.float().unbind(dim=1):
                state = self.step(part, memory, state)
                states.append(state)
            hidden, _, context, weights, _ = (
                torch.stack(p, dim=1) for p in zip(*states, strict=True)
            )
            decoded = self.decode(torch.cat([hidden, context], dim=2))[0]
        before, stop = self.emit(decoded, context)
        before = before[:, :, : batch.mel.shape[2]]
        keep = length_mask(batch.mel_len, batch.mel.shape[2])[:, None].float()
        return Reconstruction(before, self.postnet(before, keep), stop, weights)

    @torch.no_grad()
    def forward(self, ids: Ids, ids_len: Lengths, how: Decoding = Decoding()) -> Spoken:  # noqa: B008
        """Speak; items of a batch end on their own, and the last one ends the loop.

        An item ends where stopping is probable and the attention has reached the end of its text:
        an end before would swallow words in silence.
        """
        memory = self.read(ids, ids_len)
        state, recurrence = self.start(memory), None
        last = memory.text.new_zeros(len(ids), self.config.mel.bins)
        steps_taken = torch.full_like(ids_len, how.limit_steps)
        finished = torch.zeros_like(ids_len, dtype=torch.bool)
        groups, alignment = [], []
        for number in range(how.limit_steps):
            window = None if how.window is None else near(state.weights, how.window)
            state = self.step(self.prenet(last), memory, state, window)
            x, recurrence = self.decode(
                torch.cat([state.hidden, state.context], dim=1)[:, None], recurrence
            )
            frames, stop = self.emit(x, state.context[:, None])
            groups.append(frames)
            alignment.append(state.weights)
            last = frames[:, : self.config.mel.bins, -1]
            at_end = state.weights.argmax(dim=1) >= ids_len - END_TOKENS
            ends = (stop[:, 0].sigmoid() > how.stop) & at_end & ~finished
            steps_taken = torch.where(ends, number + 1, steps_taken)
            finished = finished | ends
            if bool(finished.all()):
                break
        return self.finish(torch.cat(groups, dim=2), steps_taken, alignment, finished)

    def acoustics(self, ids: Ids, delivery: Delivery) -> Acoustics:
        """Speak one sentence; attention moves by a few tokens at a time, so it skips none.

        Raises:
            SoriError: another speed, pitch or energy is asked for; this model chooses its own.
        """
        if (delivery.speed, delivery.pitch, delivery.energy) != (1, 1, 1):
            raise SoriError("tacotron2 has no speed, pitch and energy to set; leave them at 1")
        limit = LONGEST_TOKEN_FRAMES * ids.shape[1] // self.config.frames_per_step
        how = Decoding(limit_steps=limit, window=WINDOW)
        spoken = self(ids, torch.tensor([ids.shape[1]]), how)
        read = F.one_hot(spoken.alignment.argmax(dim=2), ids.shape[1]).sum(dim=1)
        durations = read * self.config.frames_per_step
        return Acoustics(durations, spoken.f0, spoken.mel, bool(spoken.finished.all()))

    def finish(
        self,
        frames: Frames,
        steps_taken: Lengths,
        alignment: list[Weights],
        finished: Bool[Tensor, " B"],
    ) -> Spoken:
        """Refine the frames by the post-net and bring them to their units."""
        mel_len = steps_taken * self.config.frames_per_step
        keep = length_mask(mel_len, frames.shape[2])[:, None].float()
        frames = self.postnet(frames, keep)
        mel = unscaled(frames[:, :-2])
        f0 = (frames[:, -2] + PITCH_CENTRE).exp() * (frames[:, -1] > 0)
        return Spoken(mel, mel_len, f0, torch.stack(alignment, dim=1), finished)


def scaled(mel: Mel) -> Mel:
    """Log-mels near unit range, where silence is about -2 and loud speech 1."""
    return mel / MEL_SCALE + 1


def unscaled(x: Float[Tensor, "*B M T"]) -> Float[Tensor, "*B M T"]:
    """Inverse of `scaled`."""
    return (x - 1) * MEL_SCALE


def expected_places(batch: Tacotron2Batch, per_step: int, steps: int) -> Float[Tensor, "B K"]:
    """Where in the text, from 0 to 1, every step should look.

    The token that sounds there, where durations are known; else as far as the sentence has come.
    """
    middles = torch.arange(steps, device=batch.mel.device) * per_step + per_step // 2
    evenly = middles[None] / batch.mel_len[:, None]
    known = batch.durations.sum(dim=1, keepdim=True) > 0
    if not bool(known.any()):
        return evenly.clamp(max=1)
    owner = owners(batch.durations)
    sounding = owner.gather(1, middles.clamp(max=owner.shape[1] - 1).expand(len(owner), -1))
    return torch.where(known, (sounding + 0.5) / batch.ids_len[:, None], evenly).clamp(max=1)


class Tacotron2Task(nn.Module):
    """Squared errors of the frames before and behind the post-net, and knowing when to stop."""

    def __init__(self, config: Tacotron2Config):
        super().__init__()
        self.config = config
        self.model = Tacotron2(config)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def training_step(self, batch: Tacotron2Batch) -> Iterator[Update]:
        made = self.model.reconstruct(batch)
        before, after = self.errors(made.before, batch), self.errors(made.after, batch)
        per_step = self.config.frames_per_step
        steps = (batch.mel_len + per_step - 1) // per_step
        mask = length_mask(steps, made.stop.shape[1])
        expected = expected_places(batch, per_step, made.stop.shape[1])
        away = strayed(made.alignment, expected, batch.ids_len, self.config.guide_width)
        terms = {name: before[name] + after[name] for name in before}
        terms |= {
            "stop": self.stop_error(made.stop, steps, mask),
            "strayed": masked_mean(away, mask),
        }
        loss = torch.stack([terms[name] for name in ("mel", "pitch", "voiced", "stop")]).sum()
        loss = loss + self.config.guide_weight * terms["strayed"]
        yield Update("model", loss, terms | {"postnet": after["mel"] / before["mel"]})

    def errors(self, frames: Frames, batch: Tacotron2Batch) -> dict[str, Tensor]:
        """Errors of mel, pitch and voicing, masked to the data."""
        mask = length_mask(batch.mel_len, batch.mel.shape[2])
        voiced = batch.f0 > 0
        pitch = batch.f0.clamp(min=1).log() - PITCH_CENTRE
        doubt = F.binary_cross_entropy_with_logits(
            frames[:, -1].float(), voiced.float(), reduction="none"
        )
        missed = frames[:, :-2] - scaled(batch.mel)
        missed = missed.square() + self.config.sharpness * missed.abs()
        return {
            "mel": masked_mean(missed, mask[:, None]),
            "pitch": masked_mean((frames[:, -2] - pitch).square(), mask & voiced),
            "voiced": 0.1 * masked_mean(doubt, mask),
        }

    def show(self, batch: Tacotron2Batch) -> Exhibit:
        """The first recording, its mel made by teacher forcing, and where attention was."""
        made = self.model.reconstruct(batch)
        attention = made.alignment[0].T.repeat_interleave(self.config.frames_per_step, dim=1)
        return Exhibit(
            mels={"recording": batch.mel[0], "made": unscaled(made.after[0, :-2])},
            alignments={"attention": attention[:, : batch.mel.shape[2]]},
        )

    def stop_error(
        self, stop: Float[Tensor, "B K"], steps: Lengths, mask: Bool[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """Cross entropy of being at the last step."""
        numbers = torch.arange(stop.shape[1], device=stop.device)[None]
        last = (numbers == steps[:, None] - 1).float()
        doubt = F.binary_cross_entropy_with_logits(
            stop.float(), last, reduction="none", pos_weight=stop.new_tensor(STOP_WEIGHT).float()
        )
        return masked_mean(doubt, mask)


SPEC = Spec(
    paper="arXiv:1712.05884",
    config=Tacotron2Config,
    model=Tacotron2,
    task=Tacotron2Task,
    batch=Tacotron2Batch,
    tiny=Tacotron2Config(
        width=16,
        encoder_layers=1,
        attention_width=16,
        location_filters=4,
        location_kernel=5,
        prenet_width=16,
        decoder_width=16,
        postnet_layers=2,
        postnet_width=16,
        frames_per_step=3,
        guide_weight=1.0,
    ),
)
