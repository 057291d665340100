"""Cloning: from recordings of a person to a small voice file that speaks like them.

Every stage keeps its result in a folder beside the voice file, under a name made of all that it
depends on, so a run that was stopped goes on where it was and a changed setting never meets an old
result.

Source: Huang et al. 2023, "Personalized Lightweight Text-to-Speech: Voice Cloning with Adaptive
Structured Pruning", arXiv:2303.11816. The pipelines are the paper's; `ft-prune-ft` is ours.
"""

import copy
import functools
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sori.core.errors import SoriError
from sori.core.files import make_folder
from sori.learn import registry
from sori.learn.checkpoint import load_model, save_model
from sori.learn.cloning import recordings
from sori.learn.cloning.order import (
    DEFAULT_KEEP,
    IMAGINED_SENTENCES,
    PIPELINES,
    WEIGHTS,
    Cloned,
    Order,
    Progress,
    StoppedError,
    Tell,
    card_of,
    shares_for,
)
from sori.learn.cloning.stages import (
    Pace,
    find_masks,
    for_one,
    magnitude_masks,
    place,
    tune,
    without_dropout,
)
from sori.learn.cloning.teaching import EchoTask, Lessons, MelCrops, imagine, sentence_ids
from sori.learn.contracts import AcousticBatch
from sori.learn.data.batches import Sentences
from sori.learn.data.cache import Cache, prepare
from sori.learn.data.corpora import Utterance
from sori.learn.export.voice import join
from sori.learn.models.fastspeech2_conv import (
    ConvFastSpeech2,
    ConvFastSpeech2Task,
)
from sori.learn.models.source_filter import SourceFilter
from sori.learn.pruning.compact import compact, pack, unpack
from sori.learn.pruning.task import SparseTask
from sori.learn.training.labels import align, phonemise

# Shares of all steps, and the learning rates that go with them. The paper's rates belong to stages
# ten times as long.
SHARES = {
    "place": 0.05,
    "tune": 0.05,
    "mask": 0.2,
    "foreign": 0.2,
    "joint": 0.5,
    "mend": 0.7,
}
# How long the stages take beside each other, roughly, for the time that is left.
COSTS = {
    "listen": 1,
    "place": 1,
    "tune": 1,
    "mask": 5,
    "magnitude": 1,
    "foreign": 5,
    "joint": 15,
    "mend": 12,
    "vocoder": 3,
    "export": 1,
}
RATES = {"blend": 0.2, "tune": 2e-4, "gates": 0.2, "mend": 3e-3}
BATCH_FRAMES = 1500
IMAGINED_BATCH = 3
VOCODER_CROP, VOCODER_BATCH = 48, 12
VOCODER_RATE = 1e-3


def work_folder(out: Path) -> Path:
    """Where a run keeps what it has done, until it is finished and removed."""
    return out.with_suffix(".clone")


def clone(
    order: Order,
    tell: Tell = lambda progress: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Cloned:
    """Clone a voice; the same order resumes a run that was stopped.

    Args:
        tell: called after every step, in the thread that clones.
        is_stopped: asked after every step whether to stop; may be the `is_set` of an event.

    Raises:
        SoriError: the recordings cannot be used, or weights are missing.
        StoppedError: it was stopped. What was finished stays in `work_folder(order.out)`.
    """
    return Cloning(order, tell, is_stopped).run()


class Cloning:
    """One run: its order, its folder, and the stages that it goes through."""

    def __init__(self, order: Order, tell: Tell, is_stopped: Callable[[], bool] = lambda: False):
        self.order = order
        self.tell = tell
        self.is_stopped = is_stopped
        self.paths = {part: order.base / name for part, name in WEIGHTS.items()}
        missing = [str(path) for path in self.paths.values() if not path.is_file()]
        if missing:
            raise SoriError(
                f"the weights to start from are not there ({', '.join(missing)}); they are in the "
                "folder weights of Sori's repository: name it with --base, or pip install it"
            )
        self.folder = work_folder(order.out)
        self.imagined = functools.cache(self.imagine_all)  # the vocoder learns from the same ones
        self.seconds: dict[str, float] = {}
        after = [stage for stage in PIPELINES[order.pipeline] if stage != "tune"]
        self.stages = ["listen", "place", "tune", *after, "vocoder", "export"]
        if not after:
            self.stages.remove("vocoder")

    def run(self) -> Cloned:
        """All stages."""
        utterances, findings = self.listen()
        cache = self.features(utterances)
        scores = recordings.fits(cache, self.paths["aligner"])
        findings += recordings.unfit(scores, utterances)
        utterances = recordings.usable(utterances, findings)
        self.used = utterances
        self.batches = self.sentences(cache, utterances)
        placed, shares = self.placed()
        whole = self.tuned(placed)
        small, kept = self.shrunk(placed, whole)
        vocoder = registry.load(self.paths["vocoder"])
        assert isinstance(vocoder, SourceFilter)
        is_cut = bool(kept) and self.keeps()[1] < 1
        thin = self.thinned(vocoder, whole) if is_cut else vocoder
        files = self.export({"whole": (whole, vocoder), "voice": (small, thin)}, len(utterances))
        return Cloned(
            files["voice"],
            files["whole"],
            utterances,
            findings,
            weights_of(small) / weights_of(placed),
            weights_of(thin) / weights_of(vocoder),
            shares,
            {name: mask.nonzero()[:, 0].tolist() for name, mask in kept.items()},
            self.seconds,
        )

    def begin(self, stage: str) -> Callable[[int, int], None]:
        """Say that a stage begins; returns what tells how far it is."""
        started = time.monotonic() - self.seconds.get(stage, 0.0)
        before = sum(COSTS[each] for each in self.stages[: self.stages.index(stage)])
        whole = sum(COSTS[each] for each in self.stages)

        def told(done: int, total: int) -> None:
            self.seconds[stage] = time.monotonic() - started
            share = (before + COSTS[stage] * done / total) / whole
            self.tell(Progress(stage, done, total, share))
            if self.is_stopped():
                raise StoppedError(f"stopped while at {stage}; the same order goes on from there")

        told(0, 1)
        return told

    def listen(self) -> tuple[list[Utterance], list[recordings.Finding]]:
        """Find the recordings and their texts, and check each."""
        told = self.begin("listen")
        utterances, findings = recordings.find(self.order.folder)
        odd = recordings.odd_lengths(utterances)
        named = {finding.file for finding in odd}
        utterances = [u for u in utterances if u.audio.name not in named]
        written = recordings.transcribe(utterances, self.order.whisper)
        findings += odd + recordings.examine(written, self.order.accent)
        told(1, 2)
        return recordings.usable(written, findings), findings

    def features(self, utterances: Sequence[Utterance]) -> Cache:
        """The features of the recordings, with phonemes and durations."""
        told = self.begin("listen")
        spec = self.base_model().config.mel
        folder = self.folder / "features"
        make_folder(folder)
        prepare(list(utterances), self.order.folder, folder, spec)
        phonemise(folder, Cache(folder, spec), self.order.accent)
        align(folder, Cache(folder, spec), self.paths["aligner"])
        told(2, 2)
        return Cache(folder, spec)

    def base_model(self) -> ConvFastSpeech2:
        model = registry.load(self.paths["acoustic"])
        if not isinstance(model, ConvFastSpeech2):
            raise SoriError(f"{self.paths['acoustic']} is not a fastspeech2_conv")
        return model

    def sentences(self, cache: Cache, utterances: Sequence[Utterance]) -> Sentences:
        """Batches of the usable recordings."""
        names = {u.name for u in utterances}
        items = [(cache, entry) for entry in cache.entries if entry.name in names]
        symbols = self.base_model().config.symbols
        return Sentences(items, AcousticBatch, symbols, (), BATCH_FRAMES, 0)

    def key(self, stage: str, utterances: Sequence[Utterance]) -> str:
        """A name for all that a stage depends on; pipelines share what they have in common."""
        order = asdict(replace(self.order, out=Path(), consent="-", name="-"))
        steps = PIPELINES[order.pop("pipeline")]
        if stage in ("place", "tune"):
            order = {name: order[name] for name in ("accent", "steps")}
        elif stage != "vocoder":
            order["so far"] = steps[: steps.index(stage) + 1]
        said = [[u.name, u.text, u.audio.stat().st_size] for u in utterances]
        weights = [[path.name, path.stat().st_size] for path in self.paths.values()]
        text = json.dumps([order, said, weights], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def pace(self, stage: str, rates: dict[str, float]) -> Pace:
        return Pace(max(round(SHARES[stage] * self.order.steps), 5), rates)

    def keep_result(
        self, stage: str, make: Callable[[], tuple[nn.Module, dict[str, Any]]]
    ) -> tuple[nn.Module, dict[str, Any]]:
        """The result of a stage, made now or kept from a run before: a network and notes on it."""
        path = self.folder / f"{stage}-{self.key(stage, self.used)}.safetensors"
        name = "source_filter" if stage == "vocoder" else "fastspeech2_conv"
        if not path.is_file():
            torch.manual_seed(0)
            model, notes = make()
            save_model(path, name, model.config, model, notes)
        else:
            self.begin(stage)(1, 1)
        return registry.load(path), load_model(path).notes

    def placed(self) -> tuple[ConvFastSpeech2, dict[str, float]]:
        """The base model with the new speaker as a blend of those it knows."""

        def make() -> tuple[nn.Module, dict[str, Any]]:
            base = self.base_model()
            task = self.task(for_one(base, self.order.name))
            pace = self.pace("place", {"blend": RATES["blend"]})
            known = base.speakers.weight.detach()
            shares = place(task, known, self.batches.at, pace, self.begin("place"))
            named = dict(zip(base.config.speakers, shares.tolist(), strict=True))
            return task.model, {"blend": {n: s for n, s in named.items() if s > 0.005}}

        model, notes = self.keep_result("place", make)
        assert isinstance(model, ConvFastSpeech2)
        return model, notes["blend"]

    def task(self, model: ConvFastSpeech2) -> ConvFastSpeech2Task:
        """The task of a model, whose weights may move."""
        with torch.device("meta"):
            task = ConvFastSpeech2Task(model.config)
        task.model = model.requires_grad_(True)
        return task

    def tuned(self, placed: ConvFastSpeech2) -> ConvFastSpeech2:
        """The whole network, fine-tuned: the voice before pruning, and the teacher."""

        def make() -> tuple[nn.Module, dict[str, Any]]:
            task = self.task(copy.deepcopy(placed))
            pace = self.pace("tune", {"model": RATES["tune"]})
            tune(task, self.batches.at, pace, self.begin("tune"))
            return task.model, {}

        model, _ = self.keep_result("tune", make)
        assert isinstance(model, ConvFastSpeech2)
        return model

    def shrunk(
        self, placed: ConvFastSpeech2, whole: ConvFastSpeech2
    ) -> tuple[ConvFastSpeech2, dict[str, Tensor]]:
        """What the pipeline makes of the network, and the channels that stay."""
        steps = PIPELINES[self.order.pipeline]
        if steps == ("tune",):
            return whole, {}
        imagined = self.imagined(whole) if self.order.imagined else []
        lessons = Lessons(self.batches.at, imagined, IMAGINED_BATCH)
        start = whole if steps[0] == "tune" else placed
        how = next(step for step in steps if step not in ("tune", "mend"))

        cut, notes = self.keep_result(how, lambda: self.masked(how, start, lessons))
        kept = unpack(notes["kept"], placed.structure())
        if "mend" not in steps:
            assert isinstance(cut, ConvFastSpeech2)
            return cut, kept

        def mended() -> tuple[nn.Module, dict[str, Any]]:
            assert isinstance(cut, ConvFastSpeech2)
            task = self.task(cut)
            pace = self.pace("mend", {"model": RATES["mend"]})
            pace = replace(pace, precision=torch.float32, optimizer="muon")
            if imagined:
                without_dropout(cut)
            tune(task, lessons.at, pace, self.begin("mend"))
            return task.model, notes

        model, _ = self.keep_result("mend", mended)
        assert isinstance(model, ConvFastSpeech2)
        return model, kept

    def masked(
        self, how: str, start: ConvFastSpeech2, lessons: Lessons
    ) -> tuple[nn.Module, dict[str, Any]]:
        """The network without the channels that its gates, or their lack, leave out."""
        source, batches = start, lessons.at
        if how == "foreign":
            source = for_one(self.base_model(), self.order.name)
            batches = Lessons(self.batches.at, self.imagined(source), IMAGINED_BATCH).taught
        task = self.task(copy.deepcopy(source))
        sparse = SparseTask(task, "model", self.order.form, how == "joint", "expected")
        keep, told = self.keeps()[0], self.begin(how)
        if how == "magnitude":
            kept = magnitude_masks(sparse, keep or DEFAULT_KEEP)
        else:
            pace = self.pace(how, {"gates": RATES["gates"], "model": RATES["tune"]})
            kept = find_masks(sparse, batches, pace, keep, told)
        return compact(task.model if how == "joint" else start, kept), {"kept": pack(kept)}

    def keeps(self) -> tuple[float | None, float]:
        """Shares of the weights that stay, of the acoustic model and of the vocoder."""
        if self.order.max_mb is None:
            return self.order.keep, self.order.vocoder_keep
        vocoder = registry.load(self.paths["vocoder"])
        return shares_for(self.order.max_mb, weights_of(self.base_model()), weights_of(vocoder))

    def imagine_all(self, whole: ConvFastSpeech2) -> list[dict[str, Tensor]]:
        """Sentences that the whole network says."""
        count = self.order.imagined
        if "foreign" in PIPELINES[self.order.pipeline]:
            count = count or IMAGINED_SENTENCES
        ids = sentence_ids(whole.config.symbols, self.order.accent, count)
        return [imagine(whole, row) for row in ids]

    def thinned(self, vocoder: SourceFilter, whole: ConvFastSpeech2) -> SourceFilter:
        """The vocoder, pruned to what this voice needs of it; it learns from itself."""

        def make() -> tuple[nn.Module, dict[str, Any]]:
            rows = self.imagined(whole) or [
                {"mel": batch.mel[0][:, : int(batch.mel_len[0])], "f0": batch.f0[0]}
                for batch in map(self.batches.at, range(self.batches.per_pass))
            ]
            crops = MelCrops(rows, VOCODER_CROP, VOCODER_BATCH)
            task = EchoTask(copy.deepcopy(vocoder).requires_grad_(True))
            steps = max(self.order.steps // 3, 5)
            told = self.begin("vocoder")
            pace = Pace(steps, {"gates": RATES["gates"]})
            sparse = SparseTask(task, "generator", self.order.form, penalty="expected")
            kept = find_masks(
                sparse, crops.at, pace, self.keeps()[1], lambda done, _: told(done, 2 * steps)
            )
            small = compact(task.generator, kept)
            assert isinstance(small, SourceFilter)
            task.generator = small
            pace = Pace(steps, {"generator": VOCODER_RATE})
            tune(task, crops.at, pace, lambda done, _: told(steps + done, 2 * steps))
            return small, {"kept": pack(kept)}

        model, _ = self.keep_result("vocoder", make)
        assert isinstance(model, SourceFilter)
        return model

    def export(
        self, networks: dict[str, tuple[ConvFastSpeech2, SourceFilter]], count: int
    ) -> dict[str, Path]:
        """Write the voice file, and the unpruned one into the work folder."""
        told = self.begin("export")
        places = {"voice": self.order.out, "whole": self.folder / "whole.onnx"}
        for done, (which, (acoustic, vocoder)) in enumerate(networks.items()):
            join(acoustic, vocoder, card_of(self.order, count), places[which])
            told(done + 1, len(networks))
        return places


def weights_of(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())
