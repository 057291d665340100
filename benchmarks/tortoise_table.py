"""The tables of docs/models/tortoise.md, from what the benchmarks of TorToise measured."""

from collections.abc import Iterator
from typing import Any

STAGES = ("codes", "ranking", "states", "mel", "wave", "all")
WAYS = {
    "original_1": "original, one by one",
    "original_16": "original, by 16",
    "fp32_16": "ours, fp32, by 16",
    "fp32_48": "ours, fp32, by 48",
    "bf16_16": "ours, bf16, by 16",
    "bf16_48": "ours, bf16, by 48",
}


def speed(found: dict[str, Any]) -> Iterator[str]:
    """Seconds of every stage, preset by preset, and how many times faster than the original."""
    yield f"| preset | way | {' | '.join(STAGES)} | × one by one | × by 16 |"
    yield "| --- | --- |" + " --- |" * (len(STAGES) + 2)
    for preset, ways in found["presets"].items():
        for way, label in WAYS.items():
            if way not in ways:
                continue
            times = ways[way]
            numbers = " | ".join(f"{times[stage]:.1f}" for stage in STAGES)
            faster = " | ".join(
                f"{ways[other]['all'] / times['all']:.1f}" if other in ways else "–"
                for other in ("original_1", "original_16")
            )
            yield f"| {preset} | {label} | {numbers} | {faster} |"
    memory = ", ".join(
        f"{way} {part['peak_bytes'] / 1e9:.1f} GB" for way, part in found["parts"].items()
    )
    whole = "; ".join(
        f"all of {name} measured, not scaled: {run['seconds']:.1f} s"
        for name, run in found.get("full", {}).items()
    )
    yield f"\nMost memory of a stage with its network: {memory}.{f' {whole}.' if whole else ''}"
    yield f"`{found['command']}`, {found['machine']['processor']}, {found['commit']}."


def quality(found: dict[str, Any]) -> Iterator[str]:
    """What the judges heard of every trial, with the errors of the mels."""
    if found["judged"]:
        yield "| trial | mel error | WER % | likeness | seconds |"
        yield "| --- | --- | --- | --- | --- |"
    decoding = found["measured"].get("decoding", {})
    for trial, heard in found["judged"].items():
        own = decoding.get(trial, {})
        cells = (
            triple(own.get("mel_error"), 3),
            estimate(heard.get("wer"), 1),
            estimate(heard.get("similarity"), 3),
            triple(own.get("seconds"), 1),
        )
        yield f"| {trial} | {' | '.join(cells)} |"
    codes = found["measured"]["codes"]
    yield (
        f"\nStrangers' recordings used {codes['used']} of {codes['codes']} codes in "
        f"{codes['seen']}, perplexity {codes['perplexity']:.0f}, {codes['per_second']:.1f} a "
        f"second; error of the mel they tell {triple(codes['mel_error'], 3)} (natural log). In "
        "brackets what holds the number with 95 % confidence."
    )
    yield f"\n`{found['command']}`, {found['commit']}."


def estimate(value: dict[str, Any] | None, digits: int) -> str:
    return triple([value[k] for k in ("value", "low", "high")], digits) if value else "–"


def triple(values: list[float] | None, digits: int) -> str:
    if not values:
        return "–"
    mean, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{mean} [{low}, {high}]"
