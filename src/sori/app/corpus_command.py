"""The commands `sori corpus ...`: from a folder of recordings to what a model learns from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sori.app.extras import learning_half, needing
from sori.app.progress import progress_bar
from sori.core.errors import SoriError
from sori.core.files import write_text

if TYPE_CHECKING:
    from sori.core.engines import Engine
    from sori.learn.data.cache import Cache
    from sori.learn.data.check import Checked

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
Folder = Annotated[Path, typer.Argument(help="Folder of the corpus.", show_default=False)]
Ignore = Annotated[
    list[str] | None,
    typer.Option(help="A kind of finding to leave out, such as clipped; may be given again."),
]
Out = Annotated[Path, typer.Option(help="Folder for NAME.json and NAME.html.")]
Mend = Annotated[
    bool, typer.Option("--mend", help="Write a mended copy; the corpus itself is not changed.")
]
Into = Annotated[
    Path | None, typer.Option(help="The mended copy; by default beside the corpus, NAME-mended.")
]
PublicNames = Annotated[
    list[str] | None, typer.Argument(help="Public corpora; without a name they are listed.")
]
Aligner = Annotated[Path, typer.Option(help="Weights of a trained aligner.")]
Acoustic = Annotated[Path, typer.Option(help="Weights of a trained acoustic model.")]


@corpus.command()
def fetch(names: PublicNames = None, corpora: Corpora = Path("corpora")) -> None:
    """Fetch public corpora from their homes; a run that was stopped goes on where it stopped."""
    with learning_half():
        from sori.learn.data.fetch import PUBLIC, fetch

        for name in names or ():
            with progress_bar(f"fetching {name}", in_bytes=True) as progress:
                folder, sums = fetch(name, corpora, progress)
            for address, sha256 in sums.items():
                typer.echo(f"{address}\n  sha256 {sha256}")
            if sums:
                typer.echo(f"wrote {folder}; licence: {PUBLIC[name].licence}")
            else:
                typer.echo(f"{folder} is there already; remove it to fetch it anew")
        if not names:
            for name, found in PUBLIC.items():
                typer.echo(f"{name:18} {found.about}; {found.licence}; {found.home}")


@corpus.command()
def check(  # noqa: PLR0913 - a parameter is an option of the command
    folder: Folder,
    layout: Format = None,
    accent: Accent = "us",
    ignore: Ignore = None,
    out: Out = Path("runs/check"),
    mend: Mend = False,
    into: Into = None,
    jobs: Jobs = None,
) -> None:
    """Find what is wrong with recordings and texts; status 1 if something must be mended.

    Prints a table and writes all that was measured as JSON and as a page to listen to.
    """
    with learning_half():
        from sori.core.engines import choose
        from sori.learn.data import check as checking
        from sori.learn.data.corpora import read_corpus
        from sori.learn.evaluation.corpus_page import corpus_page

        utterances = read_corpus(folder, layout)
        name = folder.resolve().name
        workers = choose("local", jobs)
        with progress_bar(f"checking {name}") as progress:
            checked = checking.check(utterances, accent, workers, progress, ignore or ())
        write_reports(out, name, checking.as_json(name, checked), corpus_page(name, checked))
        for line in finding_lines(checked):
            typer.echo(line)
        typer.echo(f"wrote {out / name}.json and {out / name}.html", err=True)
        if mend or into:
            write_mended(checked, folder, into, workers)
        elif any(found.is_faulty for found in checked):
            raise typer.Exit(1)


def write_reports(out: Path, name: str, found: dict, page: str) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SoriError(f"cannot write {out}: {error.strerror}; name another --out") from error
    write_text(out / f"{name}.json", json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    write_text(out / f"{name}.html", page)


def finding_lines(checked: "list[Checked]") -> Iterator[str]:
    """Say what was found, one line a kind."""
    from sori.learn.evaluation.corpus_page import findings_rows

    hours = sum(found.measured.seconds for found in checked) / 3600
    faulty = sum(found.is_faulty for found in checked)
    yield f"{len(checked)} recordings, {hours:.2f} h; {faulty} must be mended"
    for name, count, must, meaning, remedy in findings_rows(checked):
        yield f"  {name:12} {count:>6}  {must:14}  {meaning}; --mend: {remedy}"


def write_mended(
    checked: "list[Checked]", folder: Path, into: Path | None, workers: "Engine"
) -> None:
    from sori.learn.data.mend import mend

    whole = folder.resolve()
    target = into or whole.with_name(f"{whole.name}-mended")
    with progress_bar("mending") as progress:
        kept = mend(checked, folder, target, workers, progress)
    dropped = f"{len(checked) - kept} dropped, which dropped.csv lists"
    typer.echo(f"wrote {target}: {kept} recordings, {dropped if kept < len(checked) else 'all'}")


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
        from sori.core.engines import choose
        from sori.learn.data.cache import Cache, prepare
        from sori.learn.data.corpora import read_corpus
        from sori.learn.mel import MelSpec
        from sori.learn.training.labels import phonemise

        workers = choose(engine, jobs)
        for name in names:
            utterances = read_corpus(corpora / name, layout)
            with progress_bar(f"preparing {name}") as progress:
                prepare(utterances, corpora / name, cache / name, MelSpec(), workers, progress)
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
