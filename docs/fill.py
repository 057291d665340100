"""Fills what is generated: the tables of the README, and the list of sources and deviations.

make docs
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from sori.app.listing import ACCENT_NAMES, in_words
from sori.speak.card import Card, read_card
from sori.speak.catalogue import PACKAGED

ROOT = Path(__file__).parents[1]
ATTENTION = "tacotron2-attention.png"  # drawn by benchmarks/tacotron2.py --picture
TAG = re.compile(
    r"^ *(Source|Deviation): (.+?)(?=\n *\n|\n *(?:Source|Deviation|Args):|\"\"\")", re.M | re.S
)


def voice_table() -> Iterator[str]:
    """One row per speaker of the voices in the package."""
    yield "| speaker | accent | about | licence | quality |"
    yield "| --- | --- | --- | --- | --- |"
    for path in sorted(PACKAGED.glob("*.onnx")):
        yield from speaker_rows(read_card(path))


def speaker_rows(card: Card) -> Iterator[str]:
    for speaker in card.speakers:
        mark = " (default)" if speaker.name == card.default_speaker else ""
        quality = in_words(speaker.quality) if speaker.quality else "–"
        yield (
            f"| {speaker.name}{mark} | {ACCENT_NAMES[speaker.accent]} | {speaker.description} "
            f"| {speaker.licence} | {quality} |"
        )


def sources() -> Iterator[str]:
    """Every `Source:` and `Deviation:` of the code, by file."""
    yield "# Sources and deviations\n\nCollected from the code by `make docs`."
    for path in sorted((ROOT / "src").rglob("*.py")):
        found = TAG.findall(path.read_text(encoding="utf-8"))
        if found:
            yield f"\n## {path.relative_to(ROOT / 'src')}\n"
            yield from (f"- {tag}: {' '.join(text.split())}" for tag, text in found)


def density_tables(found: dict) -> Iterator[str]:
    """What `sori lab density` measured, a table for each kind of pictures."""
    for pictures in found["collections"]:
        height, width = pictures["size"]
        yield (
            f"**{pictures['pictures']}**: {pictures['training']} pictures of {height} × {width} in "
            f"{pictures['levels']} levels, {found['steps']} steps each, judged by "
            f"{pictures['held_out']} others.\n"
        )
        yield "| model | bits per dimension | parameters | training | one sample |"
        yield "| --- | --- | --- | --- | --- |"
        for model in sorted(pictures["models"], key=lambda model: model["bits"]):
            times = model["milliseconds_each"].items()
            ways = "; ".join(f"{way}: {ms:.3g} ms" for way, ms in times)
            yield (
                f"| {model['model']} | {'' if model['is_exact'] else '≤ '}{model['bits']:.3f} "
                f"| {model['parameters'] // 1000} k | {model['training_seconds']:.0f} s | {ways} |"
            )
        yield f"| frequencies of the levels alone | {pictures['bits_of_frequencies']} | | | |"
        yield f"| the number of levels alone | {pictures['bits_of_levels']} | | | |\n"


def tacotron2_tables(found: dict) -> Iterator[str]:
    """What `benchmarks/tacotron2.py` measured."""
    aligned = found["alignment"]
    yield (
        f"Of the attention, {aligned['near']:.1%} lies within two phonemes of the one that sounds "
        f"({aligned['steps']} steps of held-out sentences). The post-net brings the error of the "
        f"log mel from {aligned['mel_error_before_postnet']} to {aligned['mel_error']}.\n"
    )
    steps = ", ".join(f"{name} {count}" for name, count in found["steps"].items())
    yield f"Steps of training: {steps}.\n"
    if (ROOT / "docs" / "models" / ATTENTION).exists():
        yield f"![where attention is, step by step]({ATTENTION})\n"
    yield "| attention | hard sentences | without an end | with a skip | with a repeat |"
    yield "| --- | --- | --- | --- | --- |"
    for name, row in found["hard_sentences"].items():
        yield f"| {name} | {' | '.join(str(count) for count in row.values())} |"
    times = found["real_time_factors_of_mels"]
    lengths = next(iter(times.values()))
    yield "\nSeconds for the mel of a second of speech, by the number of phonemes (one thread):\n"
    yield f"| model | parameters | {' | '.join(lengths)} |"
    yield f"| --- | --- |{' --- |' * len(lengths)}"
    for name, row in times.items():
        size = f"{found['parameters'][name] / 1e6:.2f} M"
        yield f"| {name} | {size} | {' | '.join(f'{value:.4f}' for value in row.values())} |"
    if "judged" in found:
        kinds = " and ".join(f"{count} {kind}" for kind, count in found["sentences"].items())
        yield f"\nSpoken through the same vocoder, {kinds} sentences:\n"
        yield "| model, sentences | word errors | DistillMOS |\n| --- | --- | --- |"
        for name, row in found["judged"].items():
            wer, mos = row["wer"], row["distillmos"]
            yield (
                f"| {name} | {wer['value']:.1f} % ({wer['low']:.1f} to {wer['high']:.1f}) "
                f"| {mos['value']:.2f} ({mos['low']:.2f} to {mos['high']:.2f}) |"
            )


def book_lines(found: dict) -> Iterator[str]:
    """What `benchmarks/book.py` measured of a book, and of a very long one."""
    if book := found.get("quality"):
        low, middle, high = book["sentences_lufs_10_50_90"]
        usual, rare = book["steps_inside_speech_50_99_dbfs"]
        yield (
            f"- A book of {book['words']:,} words, {book['hours_of_speech']} hours of speech, took "
            f"{book['seconds']:.0f} s in {in_jobs(book)}. Chapters differ by "
            f"{book['spread_of_chapters_lu']} LU; eight sentences of ten lie between {low} and "
            f"{high} LUFS, half of them above {middle}."
        )
        yield (
            f"- At {book['seams']:,} seams, where sound meets exact silence, the greatest step "
            f"from one sample to the next is {book['greatest_step_at_a_seam_dbfs']} dBFS; inside "
            f"speech half of the steps are above {usual} dBFS, one of a hundred above {rare}."
        )
    if book := found.get("length"):
        first, *rest = book["peak_bytes_of_each_tenth"][1:]
        yield (
            f"- {book['words']:,} words by a voice that hums, {book['hours_of_speech']:.0f} hours "
            f"of sound in {book['chapters']} chapters, took {book['seconds'] / 60:.1f} min in "
            f"{in_jobs(book)}. All processes together held {first / 1e6:.0f} MB at most in the "
            f"second tenth of the time, {rest[-1] / 1e6:.0f} MB in the last, "
            f"{book['peak_bytes'] / 1e6:.0f} MB at their peak."
        )
    yield f"\nCommit {next(iter(found.values()))['commit']}."


def in_jobs(book: dict) -> str:
    return "one process" if book["jobs"] == 1 else f"{book['jobs']} processes"


def fill(readme: Path, mark: str, table: str) -> None:
    text = readme.read_text(encoding="utf-8")
    between = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.S)
    filled = between.sub(lambda found: f"{found[1]}{table}{found[2]}", text)
    readme.write_text(filled, encoding="utf-8")


def fill_vocoders(result: dict[str, Any]) -> None:
    """The table of vocoders for its page, and for `sori vocoders`."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from vocoder_table import markdown, text

    fill(ROOT / "docs" / "vocoders.md", "vocoders", markdown(result))
    shown = ROOT / "src" / "sori" / "app" / "vocoders.txt"
    shown.write_text(text(result), encoding="utf-8")


def speed_table(found: dict) -> Iterator[str]:
    """What `benchmarks/vocoder_speed.py` measured: samples a second at published sizes."""
    yield "| published size, random weights | weights, M | 2 cores | 1 core | authors, 2 cores |"
    yield "| --- | --- | --- | --- | --- |"
    for model in found["models"].values():
        two, one = model["threads"]["2"], model["threads"]["1"]
        theirs = model["theirs_two_cores"]
        yield (
            f"| {model['label']} | {two['parameters'] / 1e6:.2f} "
            f"| {two['samples_per_second']:,.0f} | {one['samples_per_second']:,.0f} "
            f"| {f'{theirs:,}' if theirs else '–'} |"
        )
        for way, name in (("in_bf16", "bf16"), ("in_pytorch", "in PyTorch"), ("naive", "naive")):
            if way in two:
                yield f"| the same, {name} | | {two[way]:,.0f} | {one[way]:,.0f} | |"
    machine = found["machine"]
    yield f"\nSamples a second; {machine['processor']}, {found['measured']}, {found['commit']}."


def cloning_table(found: dict) -> Iterator[str]:
    """What `benchmarks/cloning.py` measured: means over the speakers, a row for each pipeline."""
    columns = {
        "density": ("density", "{:.2f}"),
        "smaller": ("smaller", "{:.1f} ×"),
        "megabytes": ("MB", "{:.1f}"),
        "accuracy": ("accuracy", "{:.0%}"),
        "similarity": ("similarity", "{:.2f}"),
        "wer": ("WER %", "{:.1f}"),
        "distillmos": ("DistillMOS", "{:.2f}"),
        "times_real_time": ("× real time", "{:.0f}"),
        "peak_memory_mb": ("memory, MB", "{:.0f}"),
        "processor_minutes": ("minutes", "{:.1f}"),
    }
    yield f"| | steps | speakers | {' | '.join(label for label, _ in columns.values())} |"
    yield "| --- " * (3 + len(columns)) + "|"
    for name, by_speaker in found["rows"].items():
        rows = list(by_speaker.values())
        for row in rows:
            if "density" in row:
                row["smaller"] = 1 / row["density"]
        cells = [
            form.format(fmean(values)) if (values := [r[c] for r in rows if c in r]) else "–"
            for c, (_, form) in columns.items()
        ]
        steps = rows[0].get("steps", "–")
        yield f"| {name} | {steps} | {len(rows)} | {' | '.join(cells)} |"
    said = [
        f"{name} {pair[0]:.2f} (by chance {pair[1]:.2f})"
        for name, pair in found["overlap"].items()
        if pair
    ]
    if said:
        yield (
            "\nOf the channels of the decoder's first block that one of two speakers keeps, both "
            f"keep this share: {'; '.join(said)}."
        )


def watermark_table(found: dict) -> Iterator[str]:
    """What `benchmarks/watermark.py` measured: how often the mark is found, and where none is."""
    yield (
        "| what was done to the file | "
        + " | ".join(f"found, {s} s | false alarms, {s} s" for s in found["by_seconds"])
        + " |"
    )
    yield "| --- " * (1 + 2 * len(found["by_seconds"])) + "|"
    for damage in next(iter(found["by_seconds"].values())):
        cells = " | ".join(
            f"{by[damage]['found']} of {found['clips']} | {by[damage]['false_alarms']}"
            for by in found["by_seconds"].values()
        )
        yield f"| {damage} | {cells} |"
    if judged := found.get("quality"):
        yield (
            f"\nOf {judged['clips']} recordings: PESQ {judged['pesq']:.2f} (4.64: no difference), "
            f"DistillMOS {judged['distillmos_marked']:.2f} with the mark and "
            f"{judged['distillmos_unmarked']:.2f} without; the mark lies "
            f"{judged['signal_to_mark_db']:.0f} dB below the speech."
        )


def fill_cloning(results: Path) -> None:
    for mark, table in (("cloning", cloning_table), ("watermark", watermark_table)):
        path = results / f"{mark}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            fill(ROOT / "docs" / "cloning.md", mark, "\n".join(table(found)) + "\n")


def main() -> None:
    readme = ROOT / "README.md"
    fill(readme, "voices", "\n".join(voice_table()) + "\n")
    results = ROOT / "benchmarks" / "results" / "peers.json"
    if results.exists():
        sys.path.insert(0, str(ROOT / "benchmarks"))
        from table import markdown

        fill(readme, "measured", markdown(json.loads(results.read_text(encoding="utf-8"))))
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import corpus_check
    import naturalspeech_table
    import serve
    import tortoise_table
    import training_table

    for result, page, tables in (
        ("training", "train", training_table.markdown),
        ("serve", "serve", serve.markdown),
        ("book", "read", book_lines),
        ("corpus_check", "corpora", corpus_check.markdown),
        ("density", "generative-models", density_tables),
        ("tacotron2", "models/tacotron2", tacotron2_tables),
        ("vocoder_speed", "vocoders", speed_table),
        ("naturalspeech", "models/naturalspeech", naturalspeech_table.markdown),
        ("tortoise", "models/tortoise", tortoise_table.speed),
        ("tortoise_quality", "models/tortoise", tortoise_table.quality),
        ("soft_dtw", "models/naturalspeech", naturalspeech_table.soft_dtw),
    ):
        measured = ROOT / "benchmarks" / "results" / f"{result}.json"
        if measured.exists():
            rows = tables(json.loads(measured.read_text(encoding="utf-8")))
            fill(ROOT / "docs" / f"{page}.md", result, "\n".join(rows) + "\n")
    measured = ROOT / "benchmarks" / "results" / "vocoders.json"
    if measured.exists():
        fill_vocoders(json.loads(measured.read_text(encoding="utf-8")))
    fill_cloning(ROOT / "benchmarks" / "results")
    (ROOT / "docs" / "sources.md").write_text("\n".join(sources()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
