"""Draws docs/models/tortoise.svg from what the benchmarks of TorToise measured.

make docs
"""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 - after the choice of what draws

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
STAGES = {"codes": "#3b6ea5", "ranking": "#8fb3d9", "states": "#999999", "mel": "#b03a2e"}
WAYS = {"original_1": "original", "original_16": "original, by 16", "bf16_48": "ours, bf16"}


def draw_speed(axes: Any, found: dict[str, Any]) -> None:
    """Seconds of the preset `fast`, by stages."""
    ways = {label: found["presets"]["fast"].get(way) for way, label in WAYS.items()}
    for row, (label, times) in enumerate(ways.items()):
        left = 0.0
        for stage, colour in STAGES.items() if times else ():
            axes.barh(label, times[stage], left=left, color=colour, label=None if row else stage)
            left += times[stage]
    axes.invert_yaxis()
    axes.set_xlabel("seconds of the preset fast; a sentence of 5 s")
    axes.legend(frameon=False, fontsize=8)


def draw_ranking(axes: Any, found: dict[str, Any]) -> None:
    """Word errors by the number of candidates."""
    trials = {
        int(trial.split()[-1]): heard["wer"]
        for trial, heard in found["judged"].items()
        if " of " in trial and "wer" in heard
    }
    for count, wer in sorted(trials.items()):
        axes.plot([count, count], [wer["low"], wer["high"]], color="#8fb3d9")
        axes.plot(count, wer["value"], "o", color="#3b6ea5")
    axes.set_xscale("log", base=4)
    axes.set_xlabel("candidates, of which CLVP chose")
    axes.set_ylabel("word error rate, %")


def drawable(path: Path) -> bool:
    """Whether what is to be drawn was measured."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return "presets" in found or any(" of " in trial for trial in found["judged"])


def main() -> None:
    parts = [("tortoise", draw_speed), ("tortoise_quality", draw_ranking)]
    there = [(RESULTS / f"{name}.json", draw) for name, draw in parts]
    there = [(path, draw) for path, draw in there if path.is_file() and drawable(path)]
    if not there:
        return
    matplotlib.rcParams["svg.hashsalt"] = "sori"
    figure, panels = plt.subplots(1, len(there), figsize=(5 * len(there), 3), squeeze=False)
    for axes, (path, draw) in zip(panels[0], there, strict=True):
        draw(axes, json.loads(path.read_text(encoding="utf-8")))
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    # The same data must give the same file.
    figure.savefig(ROOT / "docs" / "models" / "tortoise.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
