"""The panel: hands every recording to every judge that is installed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sori.core.audio import Audio
from sori.learn.evaluation.clips import Clip, take
from sori.learn.evaluation.intelligibility import Whisper
from sori.learn.evaluation.judges import Judge, MissingJudgeError
from sori.learn.evaluation.naturalness import DNSMOS, DistillMOS
from sori.learn.evaluation.similarity import Resemblyzer

Panel = Mapping[str, Callable[[], Judge]]  # a judge is loaded when its turn comes


@dataclass(frozen=True)
class Verdict:
    """What the judges said: one row of scores for each clip, and who could not come."""

    rows: list[dict[str, float | int | str]]
    missing: dict[str, str] = field(default_factory=dict)


def quick_panel(
    whisper: str | None = None, speaker: Sequence[Audio] = (), threads: int = 1
) -> Panel:
    """Return the judges that need no reference recording of the same sentence."""
    judges: dict[str, Callable[[], Judge]] = {
        "whisper": partial(Whisper, whisper, threads),
        "distillmos": DistillMOS,
        "dnsmos": DNSMOS,
    }
    if speaker:
        judges["resemblyzer"] = partial(Resemblyzer, speaker)
    return judges


def judge(clips: Sequence[Clip], panel: Panel) -> Verdict:
    """Score every clip with every judge; a judge that is not installed is named, not fatal."""
    verdict = Verdict([{} for _ in clips])
    for name, load in panel.items():
        try:
            member = load()
        except MissingJudgeError as error:
            verdict.missing[name] = str(error)
            continue
        for clip, row in zip(clips, verdict.rows, strict=True):
            row.update(member.hear(take(clip)))
    return verdict
