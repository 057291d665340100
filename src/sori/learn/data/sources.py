"""Where a training gets its batches: built from a recipe's data section and a model's card."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import TypeAdapter

from sori.learn.contracts import Spec
from sori.learn.data.batches import Crops, Sentences, select
from sori.learn.data.cache import Cache, prepare
from sori.learn.data.corpora import read_pipe_separated
from sori.learn.data.lexicon import LexiconSource, read_words
from sori.learn.mel import MelSpec


@runtime_checkable
class Source(Protocol):
    """Batches by step, what they know of the config, and what a checkpoint should remember."""

    def at(self, step: int) -> Any: ...

    def complete(self, config: Any) -> Any: ...

    def notes(self) -> dict[str, Any]: ...


@runtime_checkable
class DataRequest(Protocol):
    """The data section of a recipe."""

    @property
    def corpora(self) -> tuple[str, ...]: ...
    @property
    def speakers(self) -> tuple[str, ...]: ...
    @property
    def crop_frames(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def batch_frames(self) -> int: ...
    @property
    def mels(self) -> str: ...


class CropSource:
    """Crops for vocoders."""

    def __init__(self, caches: list[Cache], spec: Spec, recipe: Any, config: Any):
        data = recipe.data
        items = select(caches, held_out=False, speakers=data.speakers)
        speakers = getattr(config, "speakers", ())
        seed = recipe.training.seed
        self.crops = Crops(items, spec.batch, data.crop_frames, data.batch, seed, speakers)
        self.corpora = data.corpora

    def at(self, step: int) -> Any:
        return self.crops.at(step)

    def complete(self, config: Any) -> Any:
        return config

    def notes(self) -> dict[str, Any]:
        return {"corpora": list(self.corpora)}


class SentenceSource:
    """Whole sentences for acoustic models and aligners."""

    def __init__(self, caches: list[Cache], spec: Spec, recipe: Any, config: Any):
        speakers = tuple(getattr(config, "speakers", ()))
        items = select(caches, held_out=False, speakers=recipe.data.speakers or speakers)
        self.sentences = Sentences(
            items,
            spec.batch,
            config.symbols,
            speakers,
            recipe.data.batch_frames,
            recipe.training.seed,
        )
        self.corpora = recipe.data.corpora

    def at(self, step: int) -> Any:
        return self.sentences.at(step)

    def complete(self, config: Any) -> Any:
        return config

    def notes(self) -> dict[str, Any]:
        return {"corpora": list(self.corpora)}


def open_caches(corpora: Path, cache: Path, data: DataRequest, spec: MelSpec) -> list[Cache]:
    """Open the feature caches of corpora, preparing those that are not there yet."""
    opened = []
    for name in data.corpora:
        if not (cache / name / "index.json").is_file():
            folder = corpora / name
            prepare(list(read_pipe_separated(folder)), folder, cache / name, spec)
        opened.append(Cache(cache / name, spec, data.mels))
    return opened


def make_source(spec: Spec, recipe: Any, places: Any) -> Source:
    """The source that a model's card and a recipe ask for."""
    config: Any = TypeAdapter(spec.config).validate_python(recipe.config)
    if hasattr(config, "letters"):
        words = read_words(config.accents)
        return LexiconSource(words, spec.batch, config, recipe.data.batch)
    caches = open_caches(places.corpora, places.cache, recipe.data, config.mel)
    if not spec.crop:
        return SentenceSource(caches, spec, recipe, config)
    return CropSource(caches, spec, recipe, config)
