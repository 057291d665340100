"""`sori clone`, a voice of one's own, and `sori detect`, the mark in what such a voice says."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sori.app.extras import learning_half
from sori.core.errors import SoriError
from sori.core.files import write_text

if TYPE_CHECKING:
    from sori.learn.cloning.order import Cloned, Order, Progress

STATEMENT = "The speaker of the recordings agreed that this voice is made and used."
TEST_SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Could you tell me which platform the train to the coast leaves from?",
    "She measured twice, cut once, and still had to sand the edges by hand.",
    "Good evening, and thank you for waiting so patiently.",
    "Nobody expected the old lighthouse keeper to answer the phone.",
    "Fresh bread, ripe cheese and a walk by the river: what more could we want?",
    "The weather changed quickly, as it often does in the mountains.",
    "Please leave a message after the tone.",
)

Recordings = Annotated[
    Path,
    typer.Argument(help="Folder with 5 to 20 recordings of one person.", show_default=False),
]
Name = Annotated[str, typer.Option(help="Of the voice.")]
Out = Annotated[Path | None, typer.Option(help="The voice file to write; without it, NAME.onnx.")]
Consent = Annotated[
    bool, typer.Option("--i-have-consent", help="The speaker agreed; recorded in the voice.")
]
TranscriptsOnly = Annotated[
    bool,
    typer.Option("--transcripts-only", help="Write metadata.csv, to be corrected, and stop."),
]
Keep = Annotated[
    float | None,
    typer.Option(
        help="Share of the acoustic model's weights that stays; 0.14. 0 leaves it to the loss."
    ),
]
VocoderKeep = Annotated[
    float | None, typer.Option(help="Share of the vocoder's weights that stays; 0.5.")
]
MaxMb = Annotated[float | None, typer.Option(help="Instead: most megabytes of the file.")]
Pipeline = Annotated[
    str, typer.Option(help="ft-prune-ft, prune-ft, ft-prune, joint, prune, magnitude-ft or ft.")
]
Form = Annotated[str, typer.Option(help="Of the gates: stretched, or soft.")]
Steps = Annotated[int, typer.Option(help="Steps of all stages together.")]
Imagined = Annotated[
    int, typer.Option(help="Sentences of the whole network to learn from; 0: recordings alone.")
]
Base = Annotated[
    Path | None,
    typer.Option(help="Folder of the weights to start from; without it, those installed."),
]
Accent = Annotated[str, typer.Option(help="us or gb: how texts are read.")]
Whisper = Annotated[
    str | None, typer.Option(help="Recogniser for missing texts: a name, or a local folder.")
]
Report = Annotated[bool, typer.Option(help="Measure and write a page beside the voice.")]
Threads = Annotated[int, typer.Option(help="Processors to use.", min=1)]


def clone_command(  # noqa: PLR0913 - a parameter is an option of the command
    recordings: Recordings,
    name: Name,
    out: Out = None,
    i_have_consent: Consent = False,
    transcripts_only: TranscriptsOnly = False,
    keep: Keep = None,
    vocoder_keep: VocoderKeep = None,
    max_mb: MaxMb = None,
    pipeline: Pipeline = "ft-prune-ft",
    form: Form = "stretched",
    steps: Steps = 2000,
    imagined: Imagined = 720,
    base: Base = None,
    accent: Accent = "us",
    whisper: Whisper = None,
    report: Report = True,
    threads: Threads = 2,
) -> None:
    """Make a small voice of a person from a few recordings; the same command resumes a run.

    The texts stand in metadata.csv (audio|text) or in NAME.txt beside each recording, or are
    written down by a recogniser (sori[eval]).
    """
    import torch

    from sori.learn.cloning.clone import clone
    from sori.learn.cloning.order import DEFAULT_KEEP, VOCODER_KEEP, Order, default_base

    torch.set_num_threads(threads)
    if transcripts_only:
        write_transcripts(recordings, whisper)
        return
    order = Order(
        folder=recordings,
        name=name,
        out=(out or Path(f"{name}.onnx")),
        base=base or default_base(),
        consent=asked_consent(i_have_consent, name),
        accent=accent,
        pipeline=pipeline,
        keep=DEFAULT_KEEP if keep is None else keep or None,
        vocoder_keep=VOCODER_KEEP if vocoder_keep is None else vocoder_keep,
        max_mb=max_mb,
        form=form,
        steps=steps,
        imagined=imagined,
        whisper=whisper,
    )
    writable(order.out)
    with stages(name) as tell:
        cloned = clone(order, tell)
    for finding in cloned.findings:
        typer.echo(f"{finding.file}: {finding.what}", err=True)
    typer.echo(summary(cloned), err=True)
    if report:
        page = order.out.with_suffix(".html")
        write_report(order, cloned, page, threads)
        typer.echo(f"wrote {page}", err=True)
    remove_work(order.out)


def asked_consent(given: bool, name: str) -> str:
    """The statement that goes into the card.

    Raises:
        SoriError: nobody confirms it.
    """
    if given:
        return STATEMENT
    import sys

    question = f"Did the person in these recordings agree that the voice {name!r} is made of them?"
    if not sys.stdin.isatty():
        raise SoriError(f"{question} Say so with --i-have-consent")
    if not typer.confirm(question, err=True):
        raise SoriError("without the speaker's consent no voice is made")
    return STATEMENT


def writable(out: Path) -> None:
    """Refuse a place that could not be written, before minutes are spent."""
    if out.suffix != ".onnx":
        raise SoriError(f"{out} is not a name for a voice; end it in .onnx")
    if not out.resolve().parent.is_dir():
        raise SoriError(f"cannot write {out}: there is no folder {out.resolve().parent}")


def write_transcripts(folder: Path, whisper: str | None) -> None:
    from sori.learn.cloning.recordings import find, transcribe, write_table

    utterances, findings = find(folder)
    for finding in findings:
        typer.echo(f"{finding.file}: {finding.what}", err=True)
    written = transcribe(utterances, whisper)
    table = write_table(folder, written)
    for utterance in written:
        typer.echo(f"{utterance.audio.name}: {utterance.text}")
    typer.echo(f"wrote {table}; correct it, then clone", err=True)


@contextmanager
def stages(name: str) -> "Iterator[Callable[[Progress], None]]":
    """A bar with the stage and the time left; nothing where standard error is no terminal."""
    from sori.app.progress import progress_bar

    parts = 1000
    with progress_bar(f"cloning {name}") as bar:

        def tell(progress: "Progress") -> None:
            bar(round(parts * progress.share), parts, progress.stage)

        yield tell


def summary(cloned: "Cloned") -> str:
    whole, small = (path.stat().st_size / 1e6 for path in (cloned.whole_voice, cloned.voice))
    minutes = sum(cloned.seconds.values()) / 60
    return (
        f"wrote {cloned.voice}: {small:.1f} MB (unpruned {whole:.1f} MB), "
        f"{100 * cloned.density:.0f} % of the acoustic model and "
        f"{100 * cloned.vocoder_density:.0f} % of the vocoder left, "
        f"from {len(cloned.recordings)} recordings in {minutes:.1f} min"
    )


def write_report(order: "Order", cloned: "Cloned", page: Path, threads: int) -> None:
    """Let both voices speak, judge them, and write what came of it as a page."""
    from sori.app.eval_command import record_voice
    from sori.audio.files import read
    from sori.learn.cloning.report import clone_page
    from sori.learn.evaluation.evaluation import evaluate, full_panel

    people = [read(utterance.audio) for utterance in cloned.recordings]
    with tempfile.TemporaryDirectory() as folder:
        judged = []
        for which, voice in (("pruned", cloned.voice), ("whole", cloned.whole_voice)):
            place = Path(folder) / which
            place.mkdir()
            _, clips, cost = record_voice(str(voice), None, list(TEST_SENTENCES), place)
            panel = full_panel(False, people, order.whisper, threads)
            judged.append(evaluate(which, clips, panel, cost))
        write_text(page, clone_page(order, cloned, *judged))


def remove_work(out: Path) -> None:
    import shutil

    from sori.learn.cloning.clone import work_folder

    shutil.rmtree(work_folder(out), ignore_errors=True)


SoundFile = Annotated[
    Path, typer.Argument(help="A sound file, in any format that Sori reads.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def detect_command(file: SoundFile, as_json: AsJson = False) -> None:
    """Say whether a recording bears the mark of a voice that Sori cloned; status 1 if not."""
    from sori.audio.files import read
    from sori.audio.watermark import THRESHOLD, detect

    found = detect(read(file))
    if as_json:
        typer.echo(json.dumps({"marked": found.is_there, "strength": round(found.strength, 2)}))
    else:
        verdict = "spoken by a cloned voice of Sori" if found.is_there else "no mark found"
        typer.echo(f"{file}: {verdict} (strength {found.strength:.1f}, mark from {THRESHOLD:g})")
    if not found.is_there:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Join both commands to the command line."""
    app.command("clone")(learning_half()(clone_command))
    app.command("detect")(detect_command)
