"""Whom does a recording sound like? A classifier of speakers that learned from recordings alone.

Time-delay layers over log-mels, mean and deviation over time, and two dense layers.

Source: Snyder et al. 2018, "X-Vectors: Robust DNN Embeddings for Speaker Recognition", ICASSP,
section 2, at a quarter of its width. It is the evaluator of Huang et al. 2023, arXiv:2303.11816.
"""

import csv
import random
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sori.learn.data import features
from sori.learn.mel import MelSpec

WIDTH = 128
SHOTS = 20  # recordings of each speaker to learn from, and
TESTS = 4  # to test with; the recordings that are cloned or compared with are among neither
SECONDS = 6.0
CROP_FRAMES, BATCH, STEPS, RATE = 160, 32, 400, 2e-3
SPEC = MelSpec()


class SpeakerNet(nn.Module):
    """Log-mels in, a logit for every known speaker out."""

    def __init__(self, names: list[str]):
        super().__init__()
        self.names = names
        self.accuracy = 0.0  # on recordings that it did not learn from
        sizes = ((SPEC.bins, 5, 1), (WIDTH, 3, 2), (WIDTH, 3, 3), (WIDTH, 1, 1))
        self.frames = nn.Sequential(*(delayed(*size) for size in sizes))
        self.pooled = nn.Linear(2 * WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, len(names))

    def forward(self, mel: Float[Tensor, "B M T"]) -> Float[Tensor, "B P"]:
        # A level for each band is that of the microphone as much as of the speaker.
        x = self.frames(mel - mel.mean(dim=2, keepdim=True))
        x = torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1)
        return self.out(self.pooled(x).relu())


def delayed(channels_in: int, kernel: int, dilation: int) -> nn.Module:
    """One time-delay layer."""
    conv = nn.Conv1d(channels_in, WIDTH, kernel, dilation=dilation)
    return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm1d(WIDTH))


def mel_of(path: Path) -> Float[Tensor, "M T"]:
    """The beginning of a recording as log-mels."""
    wave = features.load_wave(path, SPEC.sample_rate)[: round(SECONDS * SPEC.sample_rate)]
    wave = features.normalise(wave, SPEC.sample_rate)
    wave = wave[: len(wave) // SPEC.hop_samples * SPEC.hop_samples]
    return torch.from_numpy(features.mel(wave, SPEC)).T


def files_by_speaker(corpus: Path, left_out: set[str]) -> dict[str, list[Path]]:
    """Recordings of every speaker, drawn with seed 1, without the files that are left out."""
    with (corpus / "metadata.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE)
        rows = [(row["speaker"], corpus / "audio" / row["audio"]) for row in table]
    random.Random(1).shuffle(rows)
    found: dict[str, list[Path]] = {}
    for speaker, path in rows:
        if path.name not in left_out:
            found.setdefault(speaker, []).append(path)
    return dict(sorted(found.items()))


def fit(corpus: Path, left_out: set[str], kept: Path) -> SpeakerNet:
    """The classifier of all speakers of a corpus, trained now or kept from a run before."""
    if kept.is_file():
        return torch.load(kept, weights_only=False)
    files = files_by_speaker(corpus, left_out)
    torch.manual_seed(0)
    net = SpeakerNet(list(files))
    train = [[mel_of(path) for path in files[name][TESTS : TESTS + SHOTS]] for name in net.names]
    test = [[mel_of(path) for path in files[name][:TESTS]] for name in net.names]
    optimizer = torch.optim.AdamW(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        owners = torch.randint(len(net.names), (BATCH,))
        mels = torch.stack([crop(random.choice(train[owner])) for owner in owners.tolist()])
        loss = F.cross_entropy(net(mels), owners, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()
    hits = [guess(net, mel) == owner for owner, mels in enumerate(test) for mel in mels]
    net.accuracy = sum(hits) / len(hits)
    torch.save(net, kept)
    return net


def crop(mel: Float[Tensor, "M T"]) -> Float[Tensor, "M T_crop"]:
    """A piece of a recording that begins anywhere."""
    first = int(torch.randint(max(mel.shape[1] - CROP_FRAMES, 0) + 1, ()))
    piece = mel[:, first : first + CROP_FRAMES]
    return F.pad(piece, (0, CROP_FRAMES - piece.shape[1]), mode="replicate")


@torch.inference_mode()
def guess(net: SpeakerNet, mel: Float[Tensor, "M T"]) -> int:
    return int(net(mel[None]).argmax())


def recognised(net: SpeakerNet, path: Path) -> str:
    """The name of the speaker that a recording sounds most like."""
    return net.names[guess(net, mel_of(path))]
