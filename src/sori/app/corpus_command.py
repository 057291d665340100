"""The commands `sori corpus ...`: from a folder of recordings to what a model learns from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sori.app.extras import learning_half

if TYPE_CHECKING:
    from sori.learn.data.cache import Cache

corpus = typer.Typer(help="Make recordings ready to learn from.", no_args_is_help=True)

Names = Annotated[
    list[str], typer.Argument(help="Names of folders below --corpora.", show_default=False)
]
Corpora = Annotated[Path, typer.Option(help="Folder of the corpora.")]
CacheFolder = Annotated[Path, typer.Option("--cache", help="Folder of features.")]
Jobs = Annotated[int, typer.Option(help="Processes that share the work.")]
Accent = Annotated[str, typer.Option(help="us or gb: how texts are read.")]
Aligner = Annotated[Path, typer.Option(help="Weights of a trained aligner.")]
Acoustic = Annotated[Path, typer.Option(help="Weights of a trained acoustic model.")]


@corpus.command()
def prepare(
    names: Names,
    corpora: Corpora = Path("corpora"),
    cache: CacheFolder = Path("runs/cache"),
    jobs: Jobs = 1,
    accent: Accent = "us",
) -> None:
    """Compute waves, mels, F0 and energy once; read the texts that bring no phonemes."""
    with learning_half():
        from sori.learn.data.cache import Cache, prepare
        from sori.learn.data.corpora import read_pipe_separated
        from sori.learn.mel import MelSpec
        from sori.learn.training.labels import phonemise

        for name in names:
            utterances = list(read_pipe_separated(corpora / name))
            prepare(utterances, corpora / name, cache / name, MelSpec(), jobs)
            opened = Cache(cache / name, MelSpec())
            if all(entry.phonemes is None for entry in opened.entries):
                phonemise(cache / name, opened, accent)
            seconds = sum(e.frames for e in opened.entries) * 300 / 24000
            typer.echo(f"{name}: {len(opened.entries)} utterances, {seconds / 60:.0f} min")


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
