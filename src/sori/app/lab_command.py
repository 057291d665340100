"""The commands `sori lab ...`: experiments that end in a page to look at."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sori.app.extras import needing
from sori.core.files import make_folder, write_text

if TYPE_CHECKING:
    from sori.learn.lab.density import Collection

lab = typer.Typer(help="Run an experiment that ends in a page to look at.", no_args_is_help=True)

MEL_LEVELS = 16
ECHOES = 3000

Out = Annotated[Path, typer.Option(help="Folder of the page and its numbers.")]
Corpus = Annotated[
    list[str] | None,
    typer.Option(help="Learn patches of this corpus' spectrograms too; may be repeated."),
]
CacheFolder = Annotated[Path, typer.Option("--cache", help="Folder of features.")]
Steps = Annotated[int, typer.Option(help="Steps of training of every model.", min=1)]
Patches = Annotated[int, typer.Option(help="The most patches to learn from.", min=1)]


@lab.command()
def density(
    out: Out = Path("lab-density"),
    corpus: Corpus = None,
    cache: CacheFolder = Path("runs/cache"),
    steps: Steps = 600,
    patches: Patches = 6000,
) -> None:
    """Train four families of densities on the same pictures; draw a page of bits and samples.

    PixelCNN plain and gated, RealNVP, Glow and DDPM learn scikit-learn's digits, and pictures
    made so that their echoes lie in the blind spot of a plain PixelCNN.
    """
    make_folder(out)  # a wrong place is told before the work is done
    with needing("lab", "this experiment"):
        from sori.learn.lab.density import ENTRANTS, as_json, take_part
        from sori.learn.lab.density_page import density_page

        found = []
        for pictures in collections(corpus or [], cache, patches):
            results = [take_part(each, pictures, steps, typer.echo) for each in ENTRANTS]
            found.append((pictures, results))
    numbers = {"steps": steps, "collections": [as_json(*each) for each in found]}
    write_text(out / "result.json", json.dumps(numbers, indent=1) + "\n")
    write_text(out / "index.html", density_page(found))
    typer.echo(f"wrote {out / 'index.html'}", err=True)


def collections(corpora: list[str], cache: Path, most: int) -> Iterator["Collection"]:
    """The digits, the echoes, and patches of the corpora where there are any."""
    from sori.learn.data.batches import select
    from sori.learn.data.cache import Cache
    from sori.learn.data.pictures import DIGIT_LEVELS, digits, echoes, patches, whole_mels
    from sori.learn.lab.density import Collection, two_utterances
    from sori.learn.mel import MelSpec

    caches = [Cache(cache / name, MelSpec()) for name in corpora]
    yield Collection("digits", DIGIT_LEVELS, digits(False), digits(True), None)
    yield Collection("echoes", 2, echoes(ECHOES, 0), echoes(ECHOES // 10, 1), None)
    if not caches:
        return
    training, held_out = (whole_mels(select(caches, part), MEL_LEVELS) for part in (False, True))
    yield Collection(
        f"spectrograms of {' and '.join(corpora)}",
        MEL_LEVELS,
        patches(training)[:most],
        patches(held_out)[: most // 10],
        two_utterances(held_out),
    )
