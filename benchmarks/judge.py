"""Judge the recordings of a folder: WER, CER, DistillMOS, DNSMOS and speaker similarity.

    python benchmarks/judge.py FOLDER --texts FILE --json OUT

Runs in the environment that setup_judges.py makes. One thread unless told otherwise.
"""

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path

import torch

from sori.audio.files import read
from sori.learn.evaluation.clips import find_clips
from sori.learn.evaluation.metrics import METRICS, summarise
from sori.learn.evaluation.panel import judge, quick_panel


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, help="sentences by name or in order of file names")
    parser.add_argument("--json", type=Path, help="write scores of each clip here")
    parser.add_argument("--speaker", type=Path, help="folder with recordings of the speaker")
    parser.add_argument("--only", nargs="+", help="judges to ask, e.g. whisper distillmos")
    parser.add_argument("--limit", type=int, help="judge this many clips, drawn with seed 0")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    options = read_arguments()
    torch.set_num_threads(options.threads)
    clips = find_clips(options.folder, options.texts)
    if options.limit and options.limit < len(clips):
        clips = sorted(
            random.Random(0).sample(clips, options.limit), key=lambda clip: clip.path.name
        )
    speaker = [read(clip.path) for clip in find_clips(options.speaker)] if options.speaker else []
    panel = quick_panel(speaker=speaker[:50], threads=options.threads)
    asked = {name: load for name, load in panel.items() if name in (options.only or panel)}

    verdict = judge(clips, asked)

    estimates = summarise(verdict.rows)
    for metric in METRICS:
        if found := estimates.get(metric.name):
            print(
                f"{metric.label:20} {found.value:7.3f}  [{found.low:.3f}, {found.high:.3f}]"
                f"  {found.clips} clips"
            )
    for message in verdict.missing.values():
        print(message)
    if options.json:
        scores = [
            {"clip": clip.path.name, "text": clip.text, **row}
            for clip, row in zip(clips, verdict.rows, strict=True)
        ]
        summary = {name: asdict(found) for name, found in estimates.items()}
        options.json.write_text(json.dumps({"summary": summary, "clips": scores}, indent=1))


if __name__ == "__main__":
    main()
