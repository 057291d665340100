"""What `sori corpus check` finds in corpora, and how well it notices that a text is another one's.

    .venv-test/bin/python benchmarks/corpus_check.py CORPORA [NAME...] [--jobs 2]

Every recording is checked. Then texts are swapped at random, or the sound is taken for a part of
itself, and what is called a misfit is counted. Results: benchmarks/results/corpus_check.json;
`make docs` puts them into docs/corpora.md.
"""

import argparse
import datetime
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from processes import commit, describe_machine
from setup_peers import ROOT

from sori.core.engines import choose
from sori.learn.data.check import Checked, Measured, as_json, check, misfit, usual_speeds
from sori.learn.data.corpora import read_corpus

RESULTS = ROOT / "benchmarks" / "results" / "corpus_check.json"


def shortened(m: Measured, part: float) -> Measured:
    """The same text on a part of the sound."""
    spoken = m.seconds - m.silence_before - m.silence_after
    return replace(m, seconds=part * spoken, silence_before=0.0, silence_after=0.0)


def swapped(measured: Sequence[Measured]) -> list[Measured]:
    """Every sound with the text of another one."""
    texts = [m.phonemes for m in measured]
    random.Random(0).shuffle(texts)
    return [replace(m, phonemes=phonemes) for m, phonemes in zip(measured, texts, strict=True)]


WRONG: Mapping[str, Callable[[Sequence[Measured]], Sequence[Measured]]] = {
    "own text": lambda measured: measured,
    "half of the sound": lambda measured: [shortened(m, 0.5) for m in measured],
    "70 % of the sound": lambda measured: [shortened(m, 0.7) for m in measured],
    "another text": swapped,
}


def spread(values: Sequence[float]) -> list[float]:
    """Median, least and greatest."""
    return [round(float(value), 1) for value in np.quantile(values, [0.5, 0.0, 1.0])]


def misfits(checked: Sequence[Checked]) -> dict[str, float]:
    """Percent of the recordings that are called a misfit, by what was done to their texts."""
    measured = [found.measured for found in checked]
    usual = usual_speeds([found.utterance for found in checked], measured)
    speeds = [usual[found.utterance.speaker] for found in checked]
    shares = {}
    for kind, wrong in WRONG.items():
        called = [bool(misfit(*pair)) for pair in zip(wrong(measured), speeds, strict=True)]
        shares[kind] = round(100 * float(np.mean(called)), 1)
    return shares


def summary(name: str, checked: Sequence[Checked]) -> dict[str, Any]:
    told = as_json(name, checked)
    return {
        "recordings": told["recordings"],
        "hours": round(told["seconds"] / 3600, 2),
        "sample_rate": told["sample_rate"],
        "must_be_mended": told["must_be_mended"],
        "findings": told["findings"],
        "overshoot": sum(found.measured.peak > 1.0 for found in checked),
        "loudness_lufs": spread([found.measured.loudness for found in checked]),
        "phonemes_per_second": spread([found.measured.phonemes_per_second for found in checked]),
        "misfits_percent": misfits(checked),
    }


def markdown(result: Mapping[str, Any]) -> Iterator[str]:
    """The tables of docs/corpora.md."""
    yield (
        "| corpus | recordings | hours | rate | loudness, median (range), LUFS "
        "| phonemes/s, median (range) | must be mended | findings that are no faults |"
    )
    yield "| --- | ---: | ---: | ---: | --- | --- | ---: | --- |"
    for name, row in result["corpora"].items():
        ranges = [
            f"{middle:.1f} ({low:.1f} to {high:.1f})"
            for middle, low, high in (row["loudness_lufs"], row["phonemes_per_second"])
        ]
        findings = [f"{kind} {count}" for kind, count in row["findings"].items()]
        findings += [f"above full scale {row['overshoot']}"] if row["overshoot"] else []
        yield (
            f"| {name} | {row['recordings']:,} | {row['hours']:.2f} "
            f"| {row['sample_rate'] / 1000:g} kHz | {' | '.join(ranges)} "
            f"| {row['must_be_mended']} | {', '.join(findings) or '–'} |"
        )
    yield "\nPercent of the recordings that are called a misfit:\n"
    yield f"| corpus | {' | '.join(WRONG)} |"
    yield f"| --- |{' ---: |' * len(WRONG)}"
    for name, row in result["corpora"].items():
        yield f"| {name} | {' | '.join(str(row['misfits_percent'][kind]) for kind in WRONG)} |"
    yield f"\n{result['measured']}, commit {result['commit']}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    names = given.names or sorted(f.parent.name for f in given.corpora.glob("*/metadata.csv"))
    before = json.loads(RESULTS.read_text()) if given.names and RESULTS.exists() else {}
    corpora = before.get("corpora", {})
    for name in names:
        utterances = read_corpus(given.corpora / name)
        corpora[name] = summary(name, check(utterances, engine=choose("local", given.jobs)))
        print(name, corpora[name], flush=True)
    result = {
        "machine": describe_machine(),
        "measured": datetime.date.today().isoformat(),
        "commit": commit(),
        "corpora": dict(sorted(corpora.items())),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
