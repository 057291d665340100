"""The report: one HTML page that needs nothing beside itself."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import soundfile

from sori.audio.files import read
from sori.audio.resample import resample
from sori.core.audio import Audio
from sori.learn.evaluation.clips import Clip
from sori.learn.evaluation.compare import Difference
from sori.learn.evaluation.distortion import log_mel
from sori.learn.evaluation.evaluation import Cost, Evaluation
from sori.learn.evaluation.images import draw_mel, draw_melody
from sori.learn.evaluation.judges import MissingJudgeError, Scores
from sori.learn.evaluation.metrics import METRICS, Estimate
from sori.learn.evaluation.pitch import SwiftF0

MP3_RATE = 24_000
SIGNIFICANT = 0.05
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .3rem .8rem; text-align: left }
th { border-bottom: 1px solid #888 } td.number { text-align: right }
section { border-top: 1px solid #8886; margin-top: 1.5rem; padding-top: .5rem }
figure { position: relative; margin: .5rem 0 } figcaption { font-size: .85em; opacity: .7 }
figure img, figure svg { display: block; width: 100%; height: 9rem; image-rendering: pixelated }
figure svg { position: absolute; bottom: 0; left: 0 }
polyline { fill: none; stroke: #7ff; stroke-width: 2; vector-effect: non-scaling-stroke }
audio { height: 2rem; vertical-align: middle } .note { opacity: .7 }
@media (prefers-color-scheme: dark) { body { background: #16161a; color: #ddd } }
"""


def sound_address(audio: Audio) -> str:
    """Return a recording as an address that a player understands: MP3, which all browsers play."""
    content = io.BytesIO()
    samples = np.clip(resample(audio, MP3_RATE).samples, -1, 1)
    soundfile.write(content, samples, MP3_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return "data:audio/mpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")


def figure(caption: str, audio: Audio, pitch: SwiftF0 | None) -> str:
    """Return a player above a spectrogram with its melody."""
    mel = log_mel(audio)
    melody = draw_melody(pitch.melody(audio)) if pitch else ""
    svg = f'<svg viewBox="0 0 {len(mel)} 100" preserveAspectRatio="none">{melody}</svg>'
    return (
        f"<figure><figcaption>{html.escape(caption)} "
        f'<audio controls preload="none" src="{sound_address(audio)}"></audio></figcaption>'
        f'<img alt="spectrogram" src="{draw_mel(mel)}">{svg}</figure>'
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def page(title: str, parts: Sequence[str], style: str = "") -> str:
    """Return a whole page; `style` is added to the style that all pages share."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}{style}</style>{''.join(parts)}</html>\n"
    )


def summary_rows(summary: Mapping[str, Estimate]) -> list[list[str]]:
    """Return one row for each metric in the order of their definition."""
    return [
        [
            metric.label,
            f"{found.value:.3g}" if abs(found.value) < 1 else f"{found.value:.2f}",
            f"{found.low:.2f} to {found.high:.2f}",
            "higher" if metric.higher_is_better else "lower",
            str(found.clips),
        ]
        for metric in METRICS
        if (found := summary.get(metric.name))
    ]


def cost_rows(cost: Cost) -> list[list[str]]:
    known = asdict(cost)
    forms = {
        "times_real_time": ("Speed", "{:.1f} × real time", 1),
        "peak_memory_bytes": ("Peak memory", "{:.0f} MB", 1e6),
        "size_bytes": ("Size on disk", "{:.1f} MB", 1e6),
    }
    return [
        [label, form.format(known[name] / unit)]
        for name, (label, form, unit) in forms.items()
        if known[name] is not None
    ]


def difference_rows(differences: Mapping[str, Difference]) -> list[list[str]]:
    """Return one row for each compared metric, saying who is better or that it may be luck."""
    rows = []
    for metric in METRICS:
        found = differences.get(metric.name)
        if found is None:
            continue
        better = (found.value > 0) == metric.higher_is_better
        verdict = "better" if better else "worse"
        if found.p_permutation >= SIGNIFICANT:
            verdict = "may be luck"
        rows.append([
            metric.label,
            f"{found.value:+.3f}",
            f"{found.low:+.3f} to {found.high:+.3f}",
            f"{found.p_permutation:.4f}",
            f"{found.p_wilcoxon:.4f}",
            verdict,
        ])
    return rows


def badness(row: Scores) -> tuple[float, float]:
    """Return what recordings are ordered by: most word errors first, then the least natural."""
    errors = float(row.get("word_errors", 0)) / max(1.0, float(row.get("words", 1)))
    return -errors, float(row.get("distillmos", 0))


def clip_section(clip: Clip, row: Scores, pitch: SwiftF0 | None) -> str:
    numbers = [
        f"{metric.label} {metric.scale * float(row[metric.top]) / bottom:.2f}"
        for metric in METRICS
        if metric.top in row and (bottom := float(row[metric.bottom]) if metric.bottom else 1.0)
    ]
    heard = f"<br>heard: {html.escape(str(row['heard']))}" if "heard" in row else ""
    pictures = figure(clip.path.stem, read(clip.path), pitch)
    if clip.reference:
        pictures += figure("reference", read(clip.reference), pitch)
    return (
        f"<section><p><b>{html.escape(clip.text or clip.path.stem)}</b>"
        f'<span class="note">{heard}<br>{html.escape(" · ".join(numbers))}</span></p>'
        f"{pictures}</section>"
    )


def find_pitch() -> SwiftF0 | None:
    """Return the detector of F0, or None where it is not installed; the report does without."""
    try:
        return SwiftF0()
    except MissingJudgeError:
        return None


def report(
    evaluation: Evaluation,
    against: str | None = None,
    differences: Mapping[str, Difference] | None = None,
) -> str:
    """Return the page: summary, cost, comparison, and every recording, the worst first."""
    name = html.escape(evaluation.name)
    parts = [f"<h1>{name}</h1>", f"<p>{len(evaluation.clips)} recordings, the worst first.</p>"]
    header = ("metric", "value", "95 % interval", "better is", "recordings")
    parts.append(table(header, summary_rows(evaluation.summary)))
    if rows := cost_rows(evaluation.cost):
        parts.append("<h2>Cost</h2>" + table(("what", "value"), rows))
    if differences is not None:
        header = ("metric", "difference", "95 % interval", "p, permutation", "p, Wilcoxon", "")
        heading = f"<h2>Compared with {html.escape(against or 'another')}</h2>"
        parts.append(heading + table(header, difference_rows(differences)))
    parts += [f'<p class="note">{html.escape(line)}</p>' for line in evaluation.missing.values()]
    pitch = find_pitch()
    pairs = sorted(
        zip(evaluation.clips, evaluation.rows, strict=True), key=lambda pair: badness(pair[1])
    )
    parts += [clip_section(clip, row, pitch) for clip, row in pairs]
    return page(f"{evaluation.name}: evaluation", parts)
