"""What `training.py` measured, as tables."""

from collections.abc import Iterator, Mapping
from typing import Any

PUBLISHED = "fastspeech2-published"
REFERENCE_SECONDS = 5.09  # a step of the best-known public implementation, fp32, same machine
STAGES = ("data", "forward", "backward", "optimizer")
HEADER = (
    "| recipe | parameters | precision | steps/s | audio s/s | memory | "
    "data, forward, backward, optimizer |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


def row(name: str, found: Mapping[str, Any]) -> str:
    """One recipe, in the precision that it trains in."""
    precision, measured = next(iter(found.items()))
    if "missing" in measured:
        return f"| {name} | – | {precision} | – | – | – | not measured: {measured['missing']} |"
    shares = ", ".join(f"{100 * measured['shares'][stage]:.1f} %" for stage in STAGES)
    return (
        f"| {name} | {measured['parameters'] / 1e6:.2f} M | {precision} "
        f"| {1 / measured['seconds_a_step']:.2f} | {measured['audio_seconds_a_second']:.0f} "
        f"| {measured['memory_mb']} MB | {shares} |"
    )


def markdown(result: Mapping[str, Any]) -> Iterator[str]:
    """The table, how it was measured, and the comparison at the published size."""
    recipes = dict(result["recipes"])
    published = recipes.pop(PUBLISHED, None)
    yield from HEADER
    yield from (row(name, recipes[name]) for name in sorted(recipes))
    machine = result["machine"]
    yield (
        f"\n{machine['processor']}, {result['threads']} threads, {result['measured']}, commit "
        f"{result['commit']}; other work took {result['busy_share_before']:.0%} of the machine "
        "before.\n"
    )
    if published:
        full, half = published["fp32"], published["bf16"]
        gain = REFERENCE_SECONDS / half["seconds_a_step"]
        yield (
            f"FastSpeech 2 at the published size ({half['parameters'] / 1e6:.1f} M weights, 16 x "
            f"100 phonemes x 600 frames): {half['seconds_a_step']:.2f} s a step in bf16 and "
            f"{full['seconds_a_step']:.2f} s in fp32, where the best-known public implementation "
            f"needs {REFERENCE_SECONDS} s in fp32: {gain:.1f} times as fast. After "
            f"{len(half['losses'])} steps the sum of the losses is {half['losses'][-1]} in bf16 "
            f"and {full['losses'][-1]} in fp32."
        )
