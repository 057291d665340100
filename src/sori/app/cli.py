"""The command `sori`. What a command needs is imported inside it, so that help answers at once."""

import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from sori.app.extras import learning_half
from sori.app.options import Energy, Lexicon, Pitch, Seed, Speaker, Speed, Voice
from sori.core.errors import SoriError

app = typer.Typer(
    help="Text to speech that speaks at once, offline.",
    no_args_is_help=True,
    add_completion=False,
    # Without these two, typer loads rich before every command: half of the time that help takes.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

USAGE_ERROR, READER_GONE, INTERRUPTED, TERMINATED = 2, 1, 130, 143

Text = Annotated[list[str] | None, typer.Argument(help="Without it, standard input is read.")]
File = Annotated[Path | None, typer.Option(help="Read the text from a file.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Sound file: .wav, .flac, .ogg, .opus or .mp3; - writes raw 16-bit samples to "
        "standard output. Without it: speech.wav."
    ),
]
Play = Annotated[bool, typer.Option("--play", help="Play it; writes a file only with --out.")]
IsPhonemes = Annotated[
    bool, typer.Option("--phonemes", help="The text is phonemes, one sentence a line.")
]
Threads = Annotated[int | None, typer.Option(help="Processors to use; by default four at most.")]
Accent = Annotated[str, typer.Option(help="us or gb.")]
System = Annotated[
    str | None,
    typer.Option(
        help="What speaks: voice, a file; cascade, the networks of --acoustic and --vocoder; or "
        "tortoise, those of --networks, in the voice of --reference."
    ),
]
SaidAcoustic = Annotated[
    Path | None, typer.Option("--acoustic", help="Weights of a trained acoustic model.")
]
SaidVocoder = Annotated[
    Path | None, typer.Option("--vocoder", help="Weights of a trained vocoder.")
]
Networks = Annotated[
    Path | None, typer.Option(help="TorToise: folder of its networks, as train or import left it.")
]
Reference = Annotated[
    list[str] | None,
    typer.Option(
        help="TorToise: a folder of recordings of the voice, a file of latents, 'a&b' for a voice "
        "between two, or random. Several count alike."
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(help="TorToise: ultra_fast, fast (the default), standard or high_quality."),
]
Candidates = Annotated[
    int | None, typer.Option(help="TorToise: how many are drawn; the best is spoken.")
]
Steps = Annotated[int | None, typer.Option(help="TorToise: of the decoder's sampler.")]
Guidance = Annotated[
    float | None, typer.Option(help="TorToise: how far beyond the learned the decoder follows.")
]
VoiceShare = Annotated[
    float | None,
    typer.Option(help="TorToise: of likeness to the voice (CVVP) in the ranking, 0 to 1."),
]
Sampler = Annotated[
    str | None, typer.Option(help="TorToise: solver (the default), ddim or ancestral.")
]
Numbers = Annotated[
    str | None, typer.Option("--precision", help="TorToise: fp32 (the default) or bf16.")
]
SaveLatents = Annotated[
    Path | None, typer.Option(help="TorToise: keep the voice in a .safetensors file.")
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="TorToise: have each sentence recognised, and try again where words fail."
    ),
]

Checkpoint = Annotated[
    Path,
    typer.Argument(
        help="Weights of a trained acoustic model, or of naturalspeech.", show_default=False
    ),
]
VoiceCard = Annotated[Path, typer.Option(help="TOML file that describes the voice for people.")]
VoiceFile = Annotated[Path, typer.Option(help="The voice file to write.")]
Precision = Annotated[str, typer.Option(help="fp32, fp16 or int8.")]


def print_version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"sori {version('sori')}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command()
def say(  # noqa: PLR0913 - a parameter is an option of the command
    text: Text = None,
    file: File = None,
    out: Out = None,
    play: Play = False,
    voice: Voice = None,
    speaker: Speaker = None,
    speed: Speed = 1.0,
    pitch: Pitch = 1.0,
    energy: Energy = 1.0,
    seed: Seed = 0,
    phonemes: IsPhonemes = False,
    lexicon: Lexicon = None,
    threads: Threads = None,
    system: System = None,
    acoustic: SaidAcoustic = None,
    vocoder: SaidVocoder = None,
    networks: Networks = None,
    reference: Reference = None,
    preset: Preset = None,
    candidates: Candidates = None,
    steps: Steps = None,
    guidance: Guidance = None,
    voice_share: VoiceShare = None,
    sampler: Sampler = None,
    precision: Numbers = None,
    save_latents: SaveLatents = None,
    verify: Verify = False,
) -> None:
    """Say a text: write it to a file, to standard output, or play it."""
    from sori.app.texts import given_text
    from sori.speak.manner import Manner

    # Sori multiplies no matrices in numpy; the threads that would wait for them only spin.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = given_text(text, file)
    manner = Manner(speaker, speed, pitch, energy, seed)

    # What was given is sound: load the rest.
    from sori.app.speaking import Order, Source, Zeroshot, speak_order

    order = Order(words, phonemes, out, play, manner)
    tortoise = Zeroshot.given(
        networks=networks,
        reference=tuple(reference or ()),
        preset=preset,
        candidates=candidates,
        steps=steps,
        guidance=guidance,
        voice_share=voice_share,
        sampler=sampler,
        precision=precision,
        save_latents=save_latents,
        verify=verify,
    )
    source = Source(voice, lexicon, threads, system, acoustic, vocoder, tortoise)
    typer.echo(speak_order(order, source), err=True)


@app.command()
def voices() -> None:
    """List the installed voices: size, rate, speakers, licence, quality."""
    from sori.app.listing import voice_lines

    for line in voice_lines():
        typer.echo(line)


@app.command()
def phonemes(
    text: Text = None, file: File = None, accent: Accent = "us", lexicon: Lexicon = None
) -> None:
    """Show each step from text to phonemes."""
    from sori.app.listing import phoneme_lines
    from sori.app.texts import given_text

    for line in phoneme_lines(given_text(text, file), accent, lexicon):
        typer.echo(line)


@app.command()
def doctor() -> None:
    """Say what is missing and the command that mends it."""
    from sori.app.doctor import examine

    findings = list(examine())
    for finding in findings:
        typer.echo(finding.line())
    if any(finding.is_fault for finding in findings):
        raise typer.Exit(1)


@app.command()
def models() -> None:
    """List the models that can be trained."""
    with learning_half():
        from sori.learn import registry

        for name in registry.names():
            typer.echo(f"{name:20} {registry.spec(name).paper}")


@app.command()
def export(
    checkpoint: Checkpoint,
    card: VoiceCard,
    vocoder: SaidVocoder = None,
    out: VoiceFile = Path("voice.onnx"),
    precision: Precision = "int8",
) -> None:
    """Make one voice file of trained networks that says the same."""
    with learning_half():
        from sori.learn.export.voice import export

        differences = export(checkpoint, vocoder, card, out, precision)
    greatest = ", ".join(f"{name} {value:.2g}" for name, value in differences.items())
    typer.echo(f"wrote {out}; greatest difference from the networks: {greatest}", err=True)


def add_commands_of_the_learning_half() -> None:
    """Join the commands that have files of their own; they too import PyTorch only when run."""
    from sori.app.corpus_command import corpus
    from sori.app.eval_command import eval_command
    from sori.app.lab_command import lab
    from sori.app.train_command import plot, train
    from sori.app.vocoder_command import (
        export_decoder,
        export_vocoder,
        import_command,
        vocode,
        vocoders,
    )

    app.command()(train)
    app.command()(plot)
    app.command()(vocode)
    app.command()(vocoders)
    app.command("import")(import_command)
    app.command()(export_vocoder)
    app.command()(export_decoder)
    app.add_typer(corpus, name="corpus")
    app.add_typer(lab, name="lab")
    app.command("eval")(learning_half()(eval_command))


add_commands_of_the_learning_half()


def add_commands_of_long_work() -> None:
    """Join the commands that run for long: the server, and whole books."""
    from sori.app.read_command import read
    from sori.app.serve_command import serve

    app.command()(read)
    app.command()(serve)


add_commands_of_long_work()


def add_commands_of_cloning() -> None:
    """Join the commands that make a voice of a person, and that tell its speech from a person's."""
    from sori.app import clone_command

    clone_command.add_to(app)


add_commands_of_cloning()


def main() -> None:
    """Run the command line; faults in what the user gave are one line and exit status 2."""
    signal.signal(signal.SIGTERM, stop)
    for stream in (sys.stdout, sys.stderr):
        # Phonemes and skipped characters may be more than a terminal's encoding knows.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="sori")
    except SoriError as error:
        complain(str(error))
        sys.exit(USAGE_ERROR)
    except BrokenPipeError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def complain(message: str) -> None:
    """One line on standard error, whatever a file name or a text in it holds."""
    typer.echo("sori: " + " ".join(message.split()), err=True)


def stop(signal_number: int, frame: FrameType | None) -> None:
    """Leave through the `finally` clauses, so that no part of a file stays behind."""
    sys.exit(TERMINATED)
