"""The measured table of vocoders, as Markdown for the documents and as text for `sori vocoders`."""

from collections.abc import Iterator, Mapping
from typing import Any

COLUMNS = (
    "vocoder",
    "weights, M",
    "trained, min",
    "NLL",
    "STFT",
    "MCD, dB",
    "PESQ",
    "DistillMOS",
    "WER %",
    "samples/s, 2 cores",
    "1 core",
    "× real time",
    "× naive WaveNet",
    "memory, MB",
)
QUIET = 0.1  # share of the processors that other work may take
JUDGED = {"mcd_db": "{:.2f}", "pesq": "{:.2f}", "distillmos": "{:.2f}", "wer": "{:.1f}"}


def cell(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def judged(summary: Mapping[str, Any] | None) -> list[str]:
    found = summary or {}
    return [cell(found[n]["value"] if n in found else None, form) for n, form in JUDGED.items()]


def minutes(system: Mapping[str, Any]) -> str:
    """Minutes of training; weights that others published, or that have none, have no minutes."""
    if system.get("imported"):
        return "published"
    return cell(system["training_minutes"], "{:.0f}")


def row(system: Mapping[str, Any], naive: float | None) -> list[str]:
    speed = system["samples_per_second"]
    return [
        system["label"],
        cell((system.get("parameters") or 0) / 1e6 or None, "{:.2f}"),
        minutes(system),
        cell(system.get("nll"), "{:.2f}"),
        cell(system["stft_distance"], "{:.2f}"),
        *judged(system["judged"]),
        f"{speed:,.0f}",
        f"{system['one_core']:,.0f}",
        f"{system['times_real_time']:.3g}",
        cell(speed / naive if naive else None, "{:,.0f}"),
        f"{system['peak_memory_bytes'] / 1e6:.0f}",
    ]


def rows(result: Mapping[str, Any]) -> Iterator[list[str]]:
    """Recordings first, then every vocoder."""
    naive = result["systems"].get("wavenet", {}).get("naive_samples_per_second")
    spare = len(COLUMNS) - 5 - len(JUDGED)
    yield ["recordings", *["–"] * 4, *judged(result["recordings"]), *["–"] * spare]
    for system in result["systems"].values():
        yield row(system, naive)


def note(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    busiest = max(system["busy_share_before"] for system in result["systems"].values())
    busy = " Other work took the processors: speeds are too low." if busiest > QUIET else ""
    return (
        f"{result['clips']} held-out recordings of {result['speaker']}, one run, "
        f"{machine['processor']}, {machine['cores']} cores, {result['measured']}, commit "
        f"{result['commit']}. NLL in nats per sample, STFT the mean of log-magnitude distance and "
        f"spectral convergence summed, at three resolutions.{busy}"
    )


def markdown(result: Mapping[str, Any]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", f"| {' | '.join('---' for _ in COLUMNS)} |"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows(result)]
    return "\n".join([*lines, "", note(result)]) + "\n"


def text(result: Mapping[str, Any]) -> str:
    """Columns that line up; numbers to the right."""
    table = [list(COLUMNS), *rows(result)]
    widths = [max(len(cells[n]) for cells in table) for n in range(len(COLUMNS))]
    lines = [
        "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]).rstrip()
        for cells in table
    ]
    return "\n".join([*lines, "", note(result)]) + "\n"
