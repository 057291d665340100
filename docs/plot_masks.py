"""Draws docs/cloning-masks.png from what benchmarks/cloning.py kept: whose voice needs what.

make docs
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402 - after the choice of what draws
import numpy as np  # noqa: E402

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "cloning.json"
PIPELINE = "ft-prune-ft"
DIMENSIONS = {
    "width": ("the residual stream", 256),
    "decoder.blocks.0.hidden": ("hidden channels of the decoder's first block", 768),
    "decoder.blocks.3.hidden": ("of its fourth", 768),
}


def grid(kept: list[list[int]], channels: int) -> np.ndarray:
    """A row for every speaker, dark where the channel stays; ordered by how many keep it."""
    rows = np.zeros((len(kept), channels))
    for row, places in zip(rows, kept, strict=True):
        row[places] = 1
    return rows[:, np.lexsort((*rows, -rows.sum(axis=0)))]


def main() -> None:
    if not RESULT.exists():
        return
    found = json.loads(RESULT.read_text(encoding="utf-8"))["rows"].get(PIPELINE, {})
    figure, axes = plt.subplots(len(DIMENSIONS), 1, figsize=(9, 4.5), layout="constrained")
    for axis, (name, (label, channels)) in zip(axes, DIMENSIONS.items(), strict=True):
        kept = [[int(place) for place in row["kept"][name].split()] for row in found.values()]
        axis.imshow(grid(kept, channels), aspect="auto", cmap="Blues", interpolation="nearest")
        axis.set_yticks(range(len(found)), list(found))
        shared = len(set.intersection(*map(set, kept)))
        axis.set_title(f"{label}: all speakers keep the same {shared} of {channels}")
    axes[-1].set_xlabel("channels, those that more speakers keep first")
    figure.supylabel("speaker")
    figure.savefig(ROOT / "docs" / "cloning-masks.png", dpi=110)


if __name__ == "__main__":
    main()
