"""The page about a corpus: what was found, histograms, and the worst recordings to listen to."""

import html
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sori.audio.files import read
from sori.core.audio import Audio
from sori.core.errors import SoriError
from sori.learn.data.check import KINDS, Checked, usual_rate
from sori.learn.evaluation.report import figure, page, table

WORST = 3  # recordings shown of every kind
SHOWN_SECONDS = 12.0  # of a recording: longer ones make a page that loads slowly
BARS = 40
STYLE = """
:root { color-scheme: light dark }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1rem }
.charts div { border: 1px solid #8884; padding: .5rem 1rem }
.charts svg { display: block; width: 100%; height: 8rem; fill: #4a90c2 }
.scale { display: flex; justify-content: space-between; font-size: .85em; opacity: .7 }
h3 { margin: 2rem 0 0 }
"""
# How bad a finding is; recordings of other kinds come as the corpus lists them.
BADNESS: dict[str, Callable[[Checked], float]] = {
    "clipped": lambda found: found.measured.flat_tops,
    "edges": lambda found: found.measured.silence,
    "loudness": lambda found: -found.measured.loudness,
}


def corpus_page(name: str, checked: Sequence[Checked]) -> str:
    """Return the page, which needs nothing beside itself."""
    seconds = sum(found.measured.seconds for found in checked)
    rate = usual_rate([found.measured for found in checked])
    speakers = {found.utterance.speaker for found in checked}
    faulty = sum(found.is_faulty for found in checked)
    verdict = f"{faulty} must be mended" if faulty else "nothing must be mended"
    return page(
        f"{name}: recordings",
        [
            f"<h1>{html.escape(name)}</h1>",
            f"<p>{len(checked)} recordings, {seconds / 3600:.2f} h, {len(speakers)} "
            f"speaker{'s' * (len(speakers) > 1)}, {rate} Hz; <b>{verdict}</b>.</p>",
            findings_table(checked),
            '<h2>Distribution</h2><div class="charts">',
            *charts(checked),
            "</div>",
            *worst(checked),
        ],
        STYLE,
    )


def findings_rows(checked: Sequence[Checked]) -> list[list[str]]:
    """Return one row for every kind of finding that there is."""
    counts = Counter(kind for found in checked for kind in found.findings)
    return [
        [
            name,
            str(counts[name]),
            "must be mended" if kind.is_fault else "",
            kind.meaning,
            kind.remedy,
        ]
        for name, kind in KINDS.items()
        if counts[name]
    ]


def findings_table(checked: Sequence[Checked]) -> str:
    rows = findings_rows(checked)
    return table(("finding", "recordings", "", "meaning", "--mend"), rows) if rows else ""


def charts(checked: Sequence[Checked]) -> Iterator[str]:
    """Histograms of what says most about a corpus."""
    heard = [found.measured for found in checked if np.isfinite(found.measured.loudness)]
    read_aloud = [m.phonemes_per_second for m in heard if m.phonemes_per_second]
    yield chart("length", "s", [m.seconds for m in heard])
    yield chart("loudness", "LUFS", [m.loudness for m in heard])
    yield chart("reading speed", "phonemes/s", read_aloud)
    yield chart("silence at an end", "s", [m.silence for m in heard])


def chart(what: str, unit: str, values: Sequence[float]) -> str:
    """Return a histogram with its extremes and its median."""
    if not values:
        return ""
    counts, _ = np.histogram(values, bins=BARS)
    bars = "".join(
        f'<rect x="{place}" y="{100 - height:.1f}" width=".9" height="{height:.1f}"/>'
        for place, height in enumerate(100 * counts / counts.max())
    )
    low, middle, high = np.quantile(values, (0, 0.5, 1))
    return (
        f"<div><b>{what}</b>, {unit}; median {middle:.2f}"
        f'<svg role="img" aria-label="histogram: {what}" viewBox="0 0 {BARS} 100" '
        f'preserveAspectRatio="none">{bars}</svg>'
        f'<span class="scale"><span>{low:.2f}</span><span>{high:.2f}</span></span></div>'
    )


def worst(checked: Sequence[Checked]) -> Iterator[str]:
    """Sections of the worst recordings of every kind, each recording once."""
    shown: set[str] = set()
    for kind, about in KINDS.items():
        cases = [found for found in checked if kind in found.findings]
        cases.sort(key=BADNESS.get(kind, lambda _: 0.0), reverse=True)
        new = [found for found in cases if found.utterance.name not in shown][:WORST]
        shown |= {found.utterance.name for found in new}
        if new:
            yield f"<h3>{kind}: {html.escape(about.meaning)}</h3>"
            yield from map(section, new)


def section(found: Checked) -> str:
    utterance = found.utterance
    seen = " · ".join(f"{kind}: {what}" for kind, what in found.findings.items())
    return (
        f"<section><p><b>{html.escape(utterance.text or utterance.name)}</b>"
        f'<span class="note"><br>{html.escape(seen)}</span></p>{player(found)}</section>'
    )


def player(found: Checked) -> str:
    """Return the beginning of a recording to hear and to see, if anything can be heard."""
    caption = f"{found.utterance.audio.name}, {found.measured.seconds:.2f} s"
    try:
        audio = read(found.utterance.audio)
    except SoriError:
        return f'<p class="note">{html.escape(str(found.utterance.audio))}</p>'
    part = Audio(audio.samples[: int(SHOWN_SECONDS * audio.sample_rate)], audio.sample_rate)
    if not part.samples.any():
        return f'<p class="note">{html.escape(caption)}</p>'
    return figure(caption, part, None)
