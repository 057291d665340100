"""What benchmarks/naturalspeech.py and benchmarks/soft_dtw.py measured, as Markdown."""

from collections.abc import Iterator
from typing import Any

LABELS = {
    "recordings": "the recordings themselves",
    "fastspeech2": "FastSpeech 2 and our source-filter vocoder",
    "full": "NaturalSpeech, everything on",
    "no-pretraining": "without mixed-phoneme pre-training",
    "no-durator": "without the differentiable durator",
    "no-bidirectional": "without the forward divergence",
    "no-memory": "without the memory",
    "vits": "VITS-like: everything off",
}
COLUMNS = {
    "distillmos": ("DistillMOS", "{:.2f}"),
    "wer": ("WER %", "{:.1f}"),
    "mcd_db": ("MCD, dB", "{:.2f}"),
    "f0_cents": ("F0 error, cents", "{:.0f}"),
}


def estimate(row: dict[str, Any], form: str) -> str:
    value, low, high = (form.format(row[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def systems(found: dict[str, Any]) -> Iterator[str]:
    """Every system, with 95 % intervals."""
    yield f"| system | {' | '.join(label for label, _ in COLUMNS.values())} | MCD of a copy, dB |"
    yield "| --- " * (2 + len(COLUMNS)) + "|"
    for name, label in LABELS.items():
        row = found["systems"][name]
        cells = [
            estimate(row[metric], form) if metric in row else "–"
            for metric, (_, form) in COLUMNS.items()
        ]
        copy = f"{row['copy_mcd_db']:.2f}" if "copy_mcd_db" in row else "–"
        yield f"| {label} | {' | '.join(cells)} | {copy} |"


def differences(found: dict[str, Any]) -> Iterator[str]:
    """Every system less the full one, with the p-value of Wilcoxon's signed ranks."""
    yield f"| less the full system | {' | '.join(label for label, _ in COLUMNS.values())} |"
    yield "| --- " * (1 + len(COLUMNS)) + "|"
    for name, row in found["differences_from_full"].items():
        cells = [
            f"{row[metric]['value']:+.2f} (p {row[metric]['p_wilcoxon']:.3f})"
            if metric in row
            else "–"
            for metric in COLUMNS
        ]
        yield f"| {LABELS[name]} | {' | '.join(cells)} |"


def step(found: dict[str, Any]) -> Iterator[str]:
    """Where the time of a step goes, and what is kept for the gradient."""
    yield "| part, forth and back | milliseconds | kept for the gradient, MB |"
    yield "| --- | --- | --- |"
    for name, part in found["parts"].items():
        yield f"| {name} | {1000 * part['seconds']:.0f} | {part['kept_mb']:.1f} |"
    warped, framewise = found["step_seconds"], found["step_seconds_framewise"]
    yield (
        f"\nOne core, {found['items']} sentences of at most {found['frames']} frames. A whole step "
        f"takes {1000 * warped:.0f} ms, and {1000 * framewise:.0f} ms with divergences frame by "
        f"frame: soft-DTW makes it {warped / framewise:.2f} times as long."
    )


def markdown(found: dict[str, Any]) -> Iterator[str]:
    """All tables."""
    yield from systems(found)
    yield ""
    yield from differences(found)
    yield ""
    yield from step(found["step"])
    starts, speed = found["steps_of_starts"], found["speed"]
    yield (
        f"\n{found['sentences']} held-out sentences. Steps: pre-training of the reader "
        f"{starts['mixed-phoneme']}, warm starts {starts['start']} and {starts['start-read']}, "
        f"then every system {found['systems']['full']['steps']}; FastSpeech 2 "
        f"{found['steps_of_fastspeech2']}, its vocoder long before. "
        f"{found['machine']['processor']}, {found['measured']}, {found['commit']}.\n"
    )
    told = found["pretraining"]
    if told:
        yield (
            f"The pre-trained reader tells {told['phonemes_right']:.1%} of hidden phonemes and "
            f"{told['sup_phonemes_right']:.1%} of sup-phonemes of sentences that it never saw; who "
            f"always guesses the most frequent one tells {told['phonemes_chance']:.1%} and "
            f"{told['sup_phonemes_chance']:.1%}.\n"
        )
    yield (
        f"The exported voice ({speed['weights_at_inference'] / 1e6:.2f} M weights, "
        f"{speed['bytes'] / 1e6:.1f} MB) speaks {speed['naturalspeech_times_real_time']:g} times "
        f"faster than real time on one core, the voice in the package "
        f"{speed['default_times_real_time']:g} times; its graph differs from PyTorch by "
        f"{speed['parity']['wave']:.1g} at most."
    )


def soft_dtw(found: dict[str, Any]) -> Iterator[str]:
    """Times of soft-DTW and its gradient."""
    slow = found["seconds"]["plain python"]
    yield "| program | milliseconds | times as fast as plain Python |\n| --- | --- | --- |"
    for name, seconds in found["seconds"].items():
        yield f"| {name} | {1000 * seconds:.2f} | {slow / seconds:.0f} |"
    yield (
        f"\n{found['items']} items of {found['frames']} frames, band {found['warping']['band']}, "
        f"one thread, {found['machine']['processor']}, {found['date']}, {found['commit']}."
    )
