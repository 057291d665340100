"""The measured table as Markdown, and its place in the README."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADER = (
    "| system | WER % | CER % | DistillMOS | × real time, 2 cores | 1 core | cold start | "
    "peak memory | voice on disk |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)
MARKS = re.compile(r"(<!-- measured -->\n).*?(<!-- /?measured -->)", re.DOTALL)


def judged_cells(judged: Mapping[str, Any] | None) -> list[str]:
    """Return WER, CER and DistillMOS; a dash where nobody judged."""
    formats = {"wer": "{:.1f}", "cer": "{:.1f}", "distillmos": "{:.2f}"}
    if not judged:
        return ["–"] * len(formats)
    return [
        form.format(judged[name]["value"]) if name in judged else "–"
        for name, form in formats.items()
    ]


def system_row(system: Mapping[str, Any]) -> str:
    speed = system["times_real_time"]
    cells = [
        system["label"],
        *judged_cells(system["judged"]),
        f"{speed['2']:.1f}" if speed["2"] < 10 else f"{speed['2']:.0f}",
        f"{speed['1']:.1f}" if speed["1"] < 10 else f"{speed['1']:.0f}",
        f"{system['cold_start_seconds']:.2f} s",
        f"{system['peak_memory_bytes'] / 1e6:.0f} MB",
        f"{system['voice_bytes'] / 1e6:.1f} MB",
    ]
    return f"| {' | '.join(cells)} |"


def markdown(result: Mapping[str, Any]) -> str:
    """Return the table and one line that says how it was measured."""
    rows = [system_row(system) for system in result["systems"].values()]
    for name, judged in result["recordings"].items():
        cells = [f"recordings of {name}", *judged_cells(judged), *["–"] * 5]
        rows.append(f"| {' | '.join(cells)} |")
    machine = result["machine"]
    streaming = result["systems"].get("sori", {}).get("streaming")
    note = (
        f"{result['sentences']} unseen sentences, one run, {machine['processor']}, "
        f"{machine['cores']} cores, {result['measured']}, commit {result['commit']}."
    )
    if streaming:
        note += (
            f" The first sound of a paragraph of {streaming['paragraph_characters']} characters "
            f"comes {1000 * streaming['first_audio_seconds']:.0f} ms after the voice is loaded."
        )
    return "\n".join([*HEADER, *rows, "", note]) + "\n"


def update_readme(readme: Path, table: str) -> None:
    """Put the table between the marks `<!-- measured -->` and `<!-- /measured -->`."""
    text = readme.read_text(encoding="utf-8")
    if not MARKS.search(text):
        raise SystemExit(f"{readme.name} has no <!-- measured --> ... <!-- /measured --> to fill")
    filled = MARKS.sub(lambda found: f"{found[1]}{table}{found[2]}", text, count=1)
    readme.write_text(filled, encoding="utf-8")
