"""What to clone and how, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from sori.core.errors import SoriError
from sori.learn.cloning.recordings import Finding
from sori.learn.data.corpora import Utterance
from sori.learn.export.voice import SpeakerCard, VoiceCard

# What a pipeline does with the acoustic model once the speaker has a place among the known ones.
# Masks are "foreign" where they were learned without a recording of the speaker: the paper's
# Prune', with what the base model says instead of its corpora.
PIPELINES = {
    "ft-prune-ft": ("tune", "mask", "mend"),
    "prune-ft": ("mask", "mend"),
    "ft-prune": ("tune", "mask"),
    "joint": ("joint",),
    "prune": ("mask",),
    "base-prune": ("foreign",),
    "base-prune-ft": ("foreign", "mend"),
    "magnitude-ft": ("magnitude", "mend"),
    "ft": ("tune",),
}
IMAGINED_SENTENCES = 720
DEFAULT_STEPS = 2000
DEFAULT_KEEP, VOCODER_KEEP = 0.14, 0.5
BYTES_PER_WEIGHT, BYTES_BESIDE = 1.1, 250_000  # of an int8 voice file
WEIGHTS = {
    "acoustic": "fastspeech2-english.safetensors",
    "vocoder": "source-filter-english-tuned.safetensors",
    "aligner": "aligner-english.safetensors",
}
WEIGHTS_PACKAGE = "sori_weights"  # what `pip install ./weights` in a checkout installs


class StoppedError(SoriError):
    """Somebody stopped a clone on its way; the same order goes on from there."""


class Progress(NamedTuple):
    """Where a run is: the stage, steps done of how many, and the share of the whole run."""

    stage: str
    done: int
    total: int
    share: float


Tell = Callable[[Progress], None]


def default_base() -> Path:
    """The folder with the weights to start from: of the installed package, else `weights`."""
    package = find_spec(WEIGHTS_PACKAGE)
    places = (package.submodule_search_locations if package else None) or ["weights"]
    return Path(next(iter(places)))


@dataclass(frozen=True)
class Order:
    """What to clone and how.

    Args:
        folder: of the recordings.
        consent: what was said of the speaker's agreement; it is written into the voice's card.
        base: folder with the weights of the multi-speaker voice, `WEIGHTS`.
        keep: the share of the acoustic model's weights that stay; None lets the paper's loss say.
        vocoder_keep: the same of the vocoder's.
        max_mb: instead of both, the most megabytes of the voice file.
        form: of the gates, "stretched" (the paper) or "soft" (its release).
        steps: of all stages of the acoustic model together.
        imagined: sentences that the whole network says to teach the pruned one; 0 is the paper.
    """

    folder: Path
    name: str
    out: Path
    consent: str
    base: Path = field(default_factory=default_base)
    accent: str = "us"
    pipeline: str = "ft-prune-ft"
    keep: float | None = DEFAULT_KEEP
    vocoder_keep: float = VOCODER_KEEP
    max_mb: float | None = None
    form: str = "stretched"
    steps: int = DEFAULT_STEPS
    imagined: int = IMAGINED_SENTENCES
    whisper: str | None = None

    def __post_init__(self) -> None:
        if self.pipeline not in PIPELINES:
            known = ", ".join(PIPELINES)
            raise SoriError(f"there is no pipeline {self.pipeline!r}; known are {known}")
        for what, share in (("keep", self.keep), ("vocoder keep", self.vocoder_keep)):
            if share is not None and not 0.02 <= share <= 1:
                raise SoriError(f"{what} {share:g} is out of range; give 0.02 to 1")
        if self.steps < 20:
            raise SoriError(f"{self.steps} steps are too few; give at least 20")
        if not self.consent:
            raise SoriError("a voice is cloned only with the speaker's consent; say so")


@dataclass(frozen=True)
class Cloned:
    """A finished clone: its file, the unpruned voice to compare with, and what was learned."""

    voice: Path
    whole_voice: Path
    recordings: list[Utterance]
    findings: list[Finding]
    density: float
    vocoder_density: float
    known_speakers: dict[str, float]
    kept: dict[str, list[int]]
    seconds: dict[str, float] = field(default_factory=dict)


def shares_for(max_mb: float, weights: int, vocoder_weights: int) -> tuple[float, float]:
    """Shares of acoustic model and vocoder for a voice file of at most so many megabytes.

    Raises:
        SoriError: no voice is so small.
    """
    room = (max_mb * 1e6 - BYTES_BESIDE) / BYTES_PER_WEIGHT
    scale = room / (DEFAULT_KEEP * weights + VOCODER_KEEP * vocoder_weights)
    if scale < 0.25:
        raise SoriError(f"no voice fits in {max_mb:g} MB; give 1 MB or more")
    return min(DEFAULT_KEEP * scale, 1.0), min(VOCODER_KEEP * scale, 1.0)


def card_of(order: Order, recordings: int) -> VoiceCard:
    """What the voice says of itself."""
    licence = f"personal: for those whom {order.name} allows"
    data = f"{recordings} recordings of {order.name}"
    return VoiceCard(
        name=order.name,
        language="en",
        licence=licence,
        default_speaker=order.name,
        speakers=(SpeakerCard(order.name, "a cloned voice", order.accent, licence, data),),
        data=f"{data}; adapted from Sori's English voice",
        limits="Cloned from a few recordings. All that it speaks bears a watermark.",
        trained=date.today().isoformat(),
        watermark=True,
        consent={"statement": order.consent, "recorded": date.today().isoformat()},
    )
