"""Draws docs/vocoders.svg from what benchmarks/vocoders.py measured: speed, and what it costs.

make docs
"""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 - after the choice of what draws

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "vocoders.json"
WAYS = {
    "naive_samples_per_second": "WaveNet, naive",
    "in_pytorch_samples_per_second": "WaveNet, rings in PyTorch",
}


def rates(systems: dict[str, Any]) -> dict[str, float]:
    """Samples a second by label, the slow ways to sample a WaveNet included."""
    wavenet = systems.get("wavenet", {})
    found = {label: wavenet[way] for way, label in WAYS.items() if way in wavenet}
    for name, system in systems.items():
        label = "WaveNet, compiled" if name == "wavenet" else short(system["label"])
        found[label] = system["samples_per_second"]
    return dict(sorted(found.items(), key=lambda item: item[1]))


def short(label: str) -> str:
    return label.split(",")[0]


def draw(result: dict[str, Any]) -> None:
    systems = result["systems"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    speeds = rates(systems)
    left.barh(list(speeds), list(speeds.values()), color="#3b6ea5")
    left.set_xscale("log")
    left.axvline(16000, color="#b03a2e", linewidth=1)
    left.set_xlabel("samples a second, two cores; the line is real time at 16 kHz")
    for system in systems.values():
        weights = (system.get("parameters") or 0) / 1e6
        grown = (system["peak_memory_bytes"] - system["memory_before_speaking_bytes"]) / 1e6
        if weights:
            right.plot(weights, max(grown, 1), "o", color="#3b6ea5")
            place = {"xytext": (4, 4), "textcoords": "offset points", "fontsize": 8}
            right.annotate(short(system["label"]), (weights, max(grown, 1)), **place)
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("weights, millions")
    right.set_ylabel("memory taken to speak, MB")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    # The same data must give the same file.
    figure.savefig(ROOT / "docs" / "vocoders.svg", metadata={"Date": None})


if __name__ == "__main__":
    plt.rcParams["svg.hashsalt"] = "sori"
    if RESULTS.exists():
        draw(json.loads(RESULTS.read_text(encoding="utf-8")))
