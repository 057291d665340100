"""One evaluation: its scores, its summary, and its form as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sori.audio.files import read
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.evaluation.clips import Clip, find_clips
from sori.learn.evaluation.compare import Difference, compare
from sori.learn.evaluation.distortion import Distortion, Fidelity
from sori.learn.evaluation.judges import Scores
from sori.learn.evaluation.metrics import Estimate, summarise
from sori.learn.evaluation.panel import Panel, judge, quick_panel
from sori.learn.evaluation.pitch import SwiftF0

SPEAKER_RECORDINGS = 50  # more no longer move the mean of a speaker


@dataclass(frozen=True)
class Cost:
    """What it takes to speak, where that could be measured."""

    times_real_time: float | None = None
    peak_memory_bytes: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """What was judged and what came of it."""

    name: str
    clips: Sequence[Clip]
    rows: Sequence[Scores]
    summary: Mapping[str, Estimate]
    missing: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = Cost()

    def by_name(self) -> dict[str, Scores]:
        """Return the scores under the names of the recordings, by which two systems are paired."""
        return {clip.path.stem: row for clip, row in zip(self.clips, self.rows, strict=True)}


def full_panel(
    has_references: bool,
    speaker: Sequence[Audio] = (),
    whisper: str | None = None,
    threads: int = 1,
) -> Panel:
    """Return every judge that can say something about what is there."""
    judges = dict(quick_panel(whisper, speaker, threads))
    if has_references:
        judges |= {
            "distortion": Distortion,
            "pitch": partial(SwiftF0, threads),
            "fidelity": Fidelity,
        }
    return judges


def read_speaker(folder: Path) -> list[Audio]:
    """Read recordings of the speaker that a voice should sound like."""
    return [read(clip.path) for clip in find_clips(folder)[:SPEAKER_RECORDINGS]]


def evaluate(name: str, clips: Sequence[Clip], panel: Panel, cost: Cost = Cost()) -> Evaluation:
    """Judge recordings and summarise what the judges said."""
    verdict = judge(clips, panel)
    return Evaluation(name, clips, verdict.rows, summarise(verdict.rows), verdict.missing, cost)


def as_json(
    evaluation: Evaluation, against: Mapping[str, Difference] | None = None
) -> dict[str, Any]:
    """Return an evaluation as values that JSON can hold."""
    clips = [
        {"clip": clip.path.name, "text": clip.text, **row}
        for clip, row in zip(evaluation.clips, evaluation.rows, strict=True)
    ]
    result: dict[str, Any] = {
        "name": evaluation.name,
        "summary": {name: asdict(found) for name, found in evaluation.summary.items()},
        "cost": asdict(evaluation.cost),
        "missing": dict(evaluation.missing),
    }
    if against is not None:
        result["differences"] = {name: asdict(found) for name, found in against.items()}
    return result | {"clips": clips}


def read_scores(file: Path) -> tuple[str, dict[str, Scores]]:
    """Read name and scores of an earlier evaluation from its JSON.

    Raises:
        SoriError: the file is not the JSON of an evaluation.
    """
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        scores = {Path(row["clip"]).stem: row for row in stored["clips"]}
        return stored["name"], scores
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise SoriError(
            f"{file} is not the JSON of an evaluation ({error!r}); make one with sori eval --json"
        ) from error


def compare_with(evaluation: Evaluation, file: Path) -> tuple[str, dict[str, Difference]]:
    """Compare with an earlier evaluation of the same sentences; return its name and the result."""
    name, scores = read_scores(file)
    return name, compare(evaluation.by_name(), scores)
