"""The page that says what came of a clone: how alike, how clear, how small, before and after."""

import html

from sori.audio.files import read
from sori.learn.cloning.order import Cloned, Order
from sori.learn.evaluation.evaluation import Evaluation
from sori.learn.evaluation.metrics import METRICS
from sori.learn.evaluation.report import STYLE, cost_rows, figure, sound_address, table

RECORDINGS_SHOWN = 4


def clone_page(order: Order, cloned: Cloned, pruned: Evaluation, whole: Evaluation) -> str:
    """One HTML page that needs nothing beside itself."""
    name = html.escape(order.name)
    parts = [
        f"<h1>{name}</h1>",
        f"<p>A voice of {len(cloned.recordings)} recordings, "
        f"{100 * cloned.density:.0f} % of the acoustic model's and "
        f"{100 * cloned.vocoder_density:.0f} % of the vocoder's weights left "
        f"(pipeline {html.escape(order.pipeline)}). "
        f"{html.escape(order.consent)} All that it speaks bears a watermark.</p>",
        table(("", "pruned", "before pruning"), quality_rows(pruned, whole)),
        "<h2>The recordings</h2>",
        table(("recording", "text"), [(u.audio.name, u.text) for u in cloned.recordings]),
    ]
    if cloned.findings:
        rows = [(f.file, f.what, "left out" if f.is_fatal else "used") for f in cloned.findings]
        parts.append("<h3>What was found</h3>" + table(("file", "finding", ""), rows))
    parts += [
        f'<p><audio controls preload="none" src="{sound_address(read(u.audio))}"></audio></p>'
        for u in cloned.recordings[:RECORDINGS_SHOWN]
    ]
    parts += ["<h2>The voice</h2>", *spoken(pruned, whole)]
    parts += ["<h2>How it was made</h2>", table(("stage", "seconds"), seconds_rows(cloned))]
    blend = sorted(cloned.known_speakers.items(), key=lambda item: -item[1])
    rows = [(speaker, f"{100 * share:.0f} %") for speaker, share in blend]
    parts.append("<h3>The blend of known speakers it began with</h3>")
    parts.append(table(("speaker", "share"), rows))
    parts += [f'<p class="note">{html.escape(line)}</p>' for line in pruned.missing.values()]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{name}: a cloned voice</title><style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def quality_rows(pruned: Evaluation, whole: Evaluation) -> list[tuple[str, str, str]]:
    """What the judges say of both, and what both cost."""
    rows = [
        (
            metric.label,
            f"{pruned.summary[metric.name].value:.2f}",
            f"{whole.summary[metric.name].value:.2f}",
        )
        for metric in METRICS
        if metric.name in pruned.summary and metric.name in whole.summary
    ]
    costs = zip(cost_rows(pruned.cost), cost_rows(whole.cost), strict=True)
    return rows + [(label, value, other) for (label, value), (_, other) in costs]


def seconds_rows(cloned: Cloned) -> list[tuple[str, str]]:
    return [(stage, f"{seconds:.0f}") for stage, seconds in cloned.seconds.items()]


def spoken(pruned: Evaluation, whole: Evaluation) -> list[str]:
    """Players of what both voices say."""
    return [
        f"<section><p><b>{html.escape(small.text or '')}</b></p>"
        f"{figure('pruned', read(small.path), None)}"
        f"{figure('before pruning', read(large.path), None)}</section>"
        for small, large in zip(pruned.clips, whole.clips, strict=True)
    ]
