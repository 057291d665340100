"""The commands `sori corpus ...`: from a folder of recordings to what a model learns from."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sori.app.extras import learning_half, needing
from sori.app.progress import progress_bar
from sori.core.errors import SoriError

if TYPE_CHECKING:
    from sori.learn.data.cache import Cache
    from sori.learn.data.engines import Engine

corpus = typer.Typer(help="Make recordings ready to learn from.", no_args_is_help=True)

Names = Annotated[
    list[str], typer.Argument(help="Names of folders below --corpora.", show_default=False)
]
Corpora = Annotated[Path, typer.Option(help="Folder of the corpora.")]
CacheFolder = Annotated[Path, typer.Option("--cache", help="Folder of features.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="How the corpus is laid out; by default it is recognised."),
]
Jobs = Annotated[
    int | None,
    typer.Option(help="Processes that share the work; by default as many as processors.", min=1),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local, or ray: spread the work over the cluster of RAY_ADDRESS, or without one over "
        "--jobs Ray workers here.",
    ),
]
Accent = Annotated[str, typer.Option(help="us or gb: how texts are read.")]
Aligner = Annotated[Path, typer.Option(help="Weights of a trained aligner.")]
Acoustic = Annotated[Path, typer.Option(help="Weights of a trained acoustic model.")]


@corpus.command()
def prepare(  # noqa: PLR0913 - a parameter is an option of the command
    names: Names,
    corpora: Corpora = Path("corpora"),
    cache: CacheFolder = Path("runs/cache"),
    layout: Format = None,
    jobs: Jobs = None,
    engine: EngineName = "local",
    accent: Accent = "us",
) -> None:
    """Compute waves, mels, F0 and energy once; read the texts that bring no phonemes.

    A run that was stopped goes on where it stopped; a corpus that has not changed is left as it is.
    """
    with learning_half(), needing("scale", "--engine ray"):
        from sori.learn.data.cache import Cache, prepare
        from sori.learn.data.corpora import read_corpus
        from sori.learn.mel import MelSpec
        from sori.learn.training.labels import phonemise

        workers = choose_engine(engine, jobs)
        for name in names:
            utterances = read_corpus(corpora / name, layout)
            with progress_bar(f"preparing {name}") as progress:
                prepare(utterances, corpora / name, cache / name, MelSpec(), workers, progress)
            opened = Cache(cache / name, MelSpec())
            if all(entry.phonemes is None for entry in opened.entries):
                phonemise(cache / name, opened, accent)
            seconds = sum(e.frames for e in opened.entries) * 300 / 24000
            typer.echo(f"{name}: {len(opened.entries)} utterances, {seconds / 60:.0f} min")


def choose_engine(name: str, jobs: int | None) -> "Engine":
    from sori.learn.data.engines import processes, ray_cluster

    engines = {"local": processes, "ray": ray_cluster}
    if name not in engines:
        raise SoriError(f"there is no engine {name!r}; choose one of: {', '.join(engines)}")
    return engines[name](jobs or os.cpu_count() or 1)


@corpus.command()
def align(names: Names, aligner: Aligner, cache: CacheFolder = Path("runs/cache")) -> None:
    """Find how long every phoneme lasts, with a trained aligner."""
    with learning_half():
        from sori.learn.training.labels import align

        for name in names:
            found = align(cache / name, open_cache(cache / name), aligner)
            typer.echo(f"{name}: {found} utterances aligned")


@corpus.command()
def predict(names: Names, acoustic: Acoustic, cache: CacheFolder = Path("runs/cache")) -> None:
    """Make the mels that an acoustic model would, to fine-tune a vocoder on them."""
    with learning_half():
        from sori.learn.training.labels import predict_mels

        for name in names:
            made = predict_mels(cache / name, open_cache(cache / name), acoustic)
            typer.echo(f"{name}: {made} mels predicted")


def open_cache(folder: Path) -> "Cache":
    """The features of a corpus, as made by `sori corpus prepare`."""
    from sori.learn.data.cache import Cache
    from sori.learn.mel import MelSpec

    return Cache(folder, MelSpec())
