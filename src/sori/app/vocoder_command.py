"""The commands `sori vocode`, `vocoders`, `import`, `export-vocoder` and `export-decoder`."""

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from sori.app.extras import learning_half
from sori.core.errors import SoriError

Input = Annotated[
    Path,
    typer.Argument(
        help="A recording, or a saved mel: .npy (bands, frames) or .npz with mel and f0.",
        show_default=False,
    ),
]
Vocoder = Annotated[
    str,
    typer.Option(
        help="Weights of a trained vocoder, an .onnx file of export-vocoder, or griffin-lim."
    ),
]
Out = Annotated[Path, typer.Option(help="Sound file: .wav, .flac, .ogg, .opus or .mp3.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same samples.")]
Precision = Annotated[
    Literal["fp32", "bf16"],
    typer.Option(help="Of matrix products; bf16 is faster on processors that have it."),
]
Published = Annotated[
    Path,
    typer.Argument(
        help="The file as its authors published it: HiFi-GAN, MelGAN, UnivNet, WaveGlow, a network "
        "of TorToise; or the word tortoise.",
        show_default=False,
    ),
]
TORTOISE = "tortoise"
TortoiseFolder = Annotated[
    Path | None,
    typer.Argument(help="Behind the word tortoise: the folder of its files.", show_default=False),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="The checkpoint to write, by default model.safetensors; of TorToise the folder, by "
        "default runs/tortoise.",
    ),
]
Changes = Annotated[
    Path | None,
    typer.Option(
        "--config", help="TOML with what shapes cannot tell, such as [mel] sample_rate = 24000."
    ),
]
Checkpoint = Annotated[
    Path, typer.Argument(help="Weights of a trained vocoder.", show_default=False)
]
GraphFile = Annotated[Path, typer.Option("--out", help="The .onnx file to write.")]


def vocode(
    source: Input,
    vocoder: Vocoder,
    out: Out = Path("speech.wav"),
    seed: Seed = 0,
    precision: Precision = "fp32",
) -> None:
    """Make a wave of a mel: a recording's (copy synthesis), or a saved one."""
    from sori.audio.files import writable_format, write

    writable_format(out)  # a wrong name is told before a network is loaded
    with learning_half():
        from sori.learn.systems.vocoding import load_vocoder, read_sound

        speaker = load_vocoder(vocoder, precision=precision)
        sound = read_sound(source, speaker)
        started = time.perf_counter()
        audio = speaker.speak(sound, seed)
        spent = time.perf_counter() - started
    write(out, audio)
    typer.echo(
        f"wrote {out}: {audio.seconds:.2f} s of speech in {spent:.2f} s, "
        f"{audio.seconds / spent:.1f} x real time",
        err=True,
    )


def vocoders() -> None:
    """Show what was measured of every vocoder: quality, speed, size."""
    from importlib.resources import files

    try:
        table = files("sori.app").joinpath("vocoders.txt").read_text(encoding="utf-8")
    except OSError as error:
        raise SoriError(f"the measured table is missing ({error}); install Sori again") from error
    typer.echo(table, nl=False)


def import_command(
    published: Published,
    folder: TortoiseFolder = None,
    out: Weights = None,
    changes: Changes = None,
) -> None:
    """Read a published vocoder or, with `tortoise DIR`, all of TorToise. No code in it is run."""
    with learning_half():
        from sori.learn.published.convert import import_published, import_tortoise

        if str(published) == TORTOISE:
            if folder is None:
                raise SoriError("give the folder of the published files: sori import tortoise DIR")
            made = import_tortoise(folder, out or Path("runs/tortoise"))
        elif folder is not None:
            raise SoriError(f"a folder belongs to {TORTOISE!r} only; leave out {folder}")
        else:
            path = out or Path("model.safetensors")
            made = iter([(path, import_published(published, path, changes))])
        for path, report in made:
            for line in report.lines():
                typer.echo(line)
            typer.echo(f"wrote {path}, a {report.model}", err=True)


def export_vocoder(checkpoint: Checkpoint, out: GraphFile = Path("vocoder.onnx")) -> None:
    """Write a vocoder that speaks in one pass as ONNX, and prove that it says the same."""
    with learning_half():
        from sori.learn.export.vocoder import export_vocoder

        difference = export_vocoder(checkpoint, out)
    typer.echo(f"wrote {out}; greatest difference from the network: {difference:.2g}", err=True)


def export_decoder(
    checkpoint: Annotated[
        Path, typer.Argument(help="Weights of a trained tortoise_diffusion.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where to write; beside the checkpoint as model.onnx.")
    ] = None,
) -> None:
    """Write the diffusion decoder of TorToise as ONNX, and prove that it says the same.

    Where it lies beside the checkpoint, `sori say --system tortoise` takes it in fp32.
    """
    with learning_half():
        from sori.learn.export.decoder import export_decoder
        from sori.learn.systems.tortoise import GRAPH

        place = out or checkpoint.with_name(GRAPH)
        difference = export_decoder(checkpoint, place)
    typer.echo(f"wrote {place}; greatest difference from the network: {difference:.2g}", err=True)
