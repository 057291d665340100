"""The command `sori eval`: judges a voice, a folder of recordings, or any program that speaks."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sori.core.errors import SoriError
from sori.core.files import write_text

if TYPE_CHECKING:
    from sori.learn.evaluation.clips import Clip
    from sori.learn.evaluation.evaluation import Cost, Evaluation

ROUNDS = 3

Target = Annotated[
    str | None, typer.Argument(help="A voice (name or .onnx file), or a folder of recordings.")
]
Command = Annotated[
    str | None, typer.Option(help="Judge any program instead: 'prog {text} {out}'.")
]
Texts = Annotated[
    Path | None,
    typer.Option(
        help="Sentences, one a line. For a folder also name|text or a corpus table; without it, "
        "NAME.txt beside NAME.wav."
    ),
]
References = Annotated[
    Path | None, typer.Option(help="Folder with recordings of the same sentences and names.")
]
Like = Annotated[
    Path | None, typer.Option(help="Folder with any recordings of the speaker to sound like.")
]
Speaker = Annotated[str | None, typer.Option(help="A speaker of the voice.")]
Whisper = Annotated[
    str | None, typer.Option(help="Model of faster-whisper, by name or local folder; base.")
]
Against = Annotated[
    Path | None, typer.Option(help="JSON of another evaluation to compare with, by clip names.")
]
Json = Annotated[Path | None, typer.Option("--json", help="Write all scores here.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write a page with players and pictures here.")
]
Threads = Annotated[int, typer.Option(help="Processors that the judges may use.")]


def eval_command(  # noqa: PLR0913 - a parameter is an option of the command
    target: Target = None,
    command: Command = None,
    texts: Texts = None,
    references: References = None,
    like: Like = None,
    speaker: Speaker = None,
    whisper: Whisper = None,
    against: Against = None,
    json_file: Json = None,
    html_file: Html = None,
    threads: Threads = 1,
) -> None:
    """Judge speech: errors of a recogniser, naturalness, likeness, distortion, speed."""
    import torch  # before the judges, which would take every processor

    from sori.learn.evaluation.evaluation import (
        as_json,
        compare_with,
        evaluate,
        full_panel,
        read_speaker,
    )
    from sori.learn.evaluation.report import report

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        name, clips, cost = gather(target, command, texts, speaker, Path(folder))
        clips = with_references(clips, references)
        people = like or references
        panel = full_panel(
            any(clip.reference for clip in clips),
            read_speaker(people) if people else (),
            whisper,
            threads,
        )
        evaluation = evaluate(name, clips, panel, cost)
        other, differences = compare_with(evaluation, against) if against else (None, None)
        if json_file:
            stored = json.dumps(as_json(evaluation, differences), indent=1)
            write_text(json_file, stored + "\n")
        if html_file:
            write_text(html_file, report(evaluation, other, differences))
    for line in summary_lines(evaluation):
        typer.echo(line)
    if differences is not None:
        for line in difference_lines(str(other), differences):
            typer.echo(line)


def gather(
    target: str | None, command: str | None, texts: Path | None, speaker: str | None, folder: Path
) -> "tuple[str, list[Clip], Cost]":
    """Find or make the recordings: name, clips and what it costs to speak them."""
    from sori.learn.evaluation.clips import find_clips
    from sori.learn.evaluation.evaluation import Cost

    if (target is None) == (command is None):
        raise SoriError("give either a voice, a folder of recordings, or --command; one of them")
    if target is not None and Path(target).is_dir():
        return Path(target).name, find_clips(Path(target), texts), Cost()
    if texts is None:
        raise SoriError("what should be spoken? give the sentences with --texts FILE, one a line")
    sentences = read_sentences(texts)
    if command is not None:
        return record_program(command, sentences, folder)
    return record_voice(str(target), speaker, sentences, folder)


def read_sentences(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SoriError(f"cannot read {file}: {error}; give a text file in UTF-8") from error
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise SoriError(f"{file} holds no sentence; write one a line")
    return sentences


def record_program(
    command: str, sentences: list[str], folder: Path
) -> "tuple[str, list[Clip], Cost]":
    """Let a program speak; its time runs from start to finished file."""
    from sori.learn.evaluation.evaluation import Cost
    from sori.learn.evaluation.recording import Program, record
    from sori.learn.evaluation.speed import time_speaking

    program = Program(command)
    clips = record(program.say, sentences, folder)
    speed = time_speaking(program.say, sentences, rounds=1)
    cost = Cost(speed.times_real_time, program.peak_memory_bytes(sentences[0]))
    return Path(command.split()[0]).name, clips, cost


def record_voice(
    voice: str, speaker: str | None, sentences: list[str], folder: Path
) -> "tuple[str, list[Clip], Cost]":
    """Let a voice speak in a process of its own."""
    from sori.learn.evaluation.clips import Clip
    from sori.learn.evaluation.evaluation import Cost

    order = folder / "order.json"
    wanted = {"voice": voice, "speaker": speaker, "texts": sentences, "folder": str(folder)}
    order.write_text(json.dumps(wanted | {"rounds": ROUNDS}), encoding="utf-8")
    worker = [sys.executable, "-m", "sori.app.eval_speaking", str(order)]
    done = subprocess.run(worker, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise SoriError(lines[-1] if lines else f"the voice stopped with {done.returncode}")
    answer = json.loads(done.stdout)
    files = [Path(file) for file in answer.pop("files")]
    clips = [Clip(file, text) for file, text in zip(files, sentences, strict=True)]
    name = Path(voice).stem if voice.endswith(".onnx") else voice
    return f"{name} {speaker}" if speaker else name, clips, Cost(**answer)


def with_references(clips: "list[Clip]", references: Path | None) -> "list[Clip]":
    """Add to each clip the recording of the same name."""
    from dataclasses import replace

    from sori.learn.evaluation.clips import recordings

    if references is None:
        return clips
    known = {path.stem: path for path in recordings(references)}
    if not known:
        raise SoriError(f"{references} holds no recordings")
    return [replace(clip, reference=known.get(clip.path.stem)) for clip in clips]


def summary_lines(evaluation: "Evaluation") -> list[str]:
    """Say what was found, one line a metric, and who could not judge."""
    from sori.learn.evaluation.report import cost_rows, summary_rows

    lines = [
        f"{label:20} {value:>8}   95 % in {interval}   {clips} clips"
        for label, value, interval, _, clips in summary_rows(evaluation.summary)
    ]
    lines += [f"{label:20} {value}" for label, value in cost_rows(evaluation.cost)]
    return lines + list(evaluation.missing.values())


def difference_lines(other: str, differences: dict) -> list[str]:
    from sori.learn.evaluation.report import difference_rows

    return [
        f"{label:20} {value:>8} against {other}, p {chance}: {verdict}"
        for label, value, _, chance, _, verdict in difference_rows(differences)
    ]
