"""Asking the judges about a folder of speech, from any environment."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

BENCHMARKS = Path(__file__).parent
JUDGE = BENCHMARKS.parent / ".venv-judge" / "bin" / "python"  # benchmarks/setup_judges.py
SENTENCES = BENCHMARKS / "sentences.txt"


def sentences(first: int, count: int) -> list[str]:
    """So many of the sentences that no training saw; the first 50 are those of peers.py."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line][first : first + count]


def judged_clips(speech: Path, verdict: Path, *judges: str) -> list[dict[str, Any]]:
    """Scores of every clip below `speech`, kept in the file `verdict` and read again from there."""
    if not verdict.is_file():
        command = [str(JUDGE), str(BENCHMARKS / "judge.py"), str(speech)]
        subprocess.run([*command, "--json", str(verdict), "--only", *judges], check=True)
    return json.loads(verdict.read_text())["clips"]


def means(clips: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean DistillMOS and word error rate (percent) of clips that both judges heard."""
    errors, words = (sum(clip[name] for clip in clips) for name in ("word_errors", "words"))
    return {
        "distillmos": round(mean(clip["distillmos"] for clip in clips), 2),
        "wer": round(100 * errors / words, 1),
    }
