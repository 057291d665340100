"""The page that says what came of a clone: how alike, how clear, how small, before and after."""

import html

from sori.audio.files import read
from sori.learn.cloning.order import Cloned, Order
from sori.learn.data.corpora import Utterance
from sori.learn.evaluation.evaluation import Evaluation
from sori.learn.evaluation.metrics import METRICS
from sori.learn.evaluation.report import cost_rows, figure, page, sound_address, table

RECORDINGS_SHOWN = 8


def clone_page(order: Order, cloned: Cloned, pruned: Evaluation, whole: Evaluation) -> str:
    """One HTML page that needs nothing beside itself."""
    name = html.escape(order.name)
    parts = [
        f"<h1>{name}</h1>",
        f"<p>A voice of {len(cloned.recordings)} recordings. "
        f"{100 * cloned.density:.0f} % of the acoustic model's weights and "
        f"{100 * cloned.vocoder_density:.0f} % of the vocoder's are left "
        f"(pipeline {html.escape(order.pipeline)}).</p>",
        f'<p class="note">{html.escape(order.consent)} '
        "All that this voice speaks bears a watermark.</p>",
        table(("", "pruned", "before pruning"), quality_rows(pruned, whole)),
        *(f'<p class="note">{html.escape(line)}</p>' for line in pruned.missing.values()),
        "<h2>The voice</h2>",
        *spoken(pruned, whole),
        "<h2>The recordings</h2>",
        *(recording(u) for u in cloned.recordings[:RECORDINGS_SHOWN]),
    ]
    if cloned.findings:
        rows = [(f.file, f.what, "left out" if f.is_fatal else "used") for f in cloned.findings]
        parts.append("<h3>What was found</h3>" + table(("file", "finding", ""), rows))
    blend = sorted(cloned.known_speakers.items(), key=lambda item: -item[1])
    shares = [(speaker, f"{100 * share:.0f} %") for speaker, share in blend]
    parts += [
        "<h2>How it was made</h2>",
        table(("stage", "seconds"), seconds_rows(cloned)),
        "<h3>The blend of known speakers it began with</h3>",
        table(("speaker", "share"), shares),
    ]
    return page(f"{order.name}: a cloned voice", parts)


def recording(utterance: Utterance) -> str:
    """A player and what is said."""
    return (
        f'<p><audio controls preload="none" src="{sound_address(read(utterance.audio))}"></audio> '
        f"{html.escape(utterance.text)} "
        f'<span class="note">{html.escape(utterance.audio.name)}</span></p>'
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
