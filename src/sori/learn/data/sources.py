"""Where a training gets its batches: built from a recipe's data section and a model's card."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import TypeAdapter

from sori.core.errors import SoriError
from sori.learn.contracts import Spec
from sori.learn.data.batches import Batches, Crops, Sentences, select
from sori.learn.data.cache import Cache, prepare
from sori.learn.data.corpora import read_corpus
from sori.learn.data.lexicon import Words, read_words
from sori.learn.data.pictures import Pictures, pictures_of
from sori.learn.data.texts import Texts, phonemised
from sori.learn.mel import MelSpec


@dataclass(frozen=True)
class Source:
    """Batches to learn from, and those that no step sees, if the corpora are large enough for any.

    `notes` is what a checkpoint should remember of the data.
    """

    training: Batches
    held_out: Batches | None
    notes: dict[str, Any]


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
    def longest_frames(self) -> int: ...
    @property
    def mels(self) -> str: ...


def open_caches(corpora: Path, cache: Path, data: DataRequest, spec: MelSpec) -> list[Cache]:
    """Open the feature caches of corpora, preparing those that are not there yet."""
    opened = []
    for name in data.corpora:
        if not (cache / name / "index.json").is_file():
            folder = corpora / name
            prepare(read_corpus(folder), folder, cache / name, spec)
        opened.append(Cache(cache / name, spec, data.mels))
    return opened


def make_source(spec: Spec, recipe: Any, places: Any) -> Source:
    """The source that a model's card and a recipe ask for.

    Raises:
        SoriError: nothing in the corpora can be learned from.
    """
    config: Any = TypeAdapter(spec.config).validate_python(recipe.config)
    if hasattr(config, "letters"):
        return word_source(spec, recipe, config)
    if hasattr(config, "colours"):
        return picture_source(spec, recipe, config, places)
    if hasattr(config, "mask_share"):
        return text_source(spec, recipe, config, places)
    caches = open_caches(places.corpora, places.cache, recipe.data, config.mel)
    if not caches:
        raise SoriError("data.corpora is empty; name a folder of the corpora folder")
    make = crops if spec.crop else sentences
    training = make(caches, spec, recipe, config, held_out=False)
    try:
        held_out = make(caches, spec, recipe, config, held_out=True)
    except SoriError:
        held_out = None  # in a small corpus nothing may fall into the held-out part
    return Source(training, held_out, {"corpora": list(recipe.data.corpora)})


def word_source(spec: Spec, recipe: Any, config: Any) -> Source:
    """Words of the packed lexicons."""
    words, size = read_words(config.accents), recipe.data.batch
    training = Words(words, spec.batch, config, size)
    held_out = Words(words, spec.batch, config, size, held_out=True)
    notes = {"corpora": ["lexicon"], "words": len(training.words)}
    return Source(training, held_out, notes)


def text_source(spec: Spec, recipe: Any, config: Any, places: Any) -> Source:
    """Sentences of corpora as phonemes alone."""
    sentences = [
        sentence
        for name in recipe.data.corpora
        for sentence in phonemised(places.corpora / name, places.cache / name)
    ]
    training, held_out = (
        Texts(sentences, spec.batch, config, recipe.data.batch, part) for part in (False, True)
    )
    words = sum(sentence.count(" ") + 1 for sentence in training.sentences)
    return Source(training, held_out, {"corpora": list(recipe.data.corpora), "words": words})


def picture_source(spec: Spec, recipe: Any, config: Any, places: Any) -> Source:
    """Patches of spectrograms, or digits where no corpus is named."""
    caches = open_caches(places.corpora, places.cache, recipe.data, MelSpec())
    size, seed = recipe.data.batch, recipe.training.seed
    training, held_out = (
        Pictures(pictures_of(caches, config.levels, part), spec.batch, size, seed)
        for part in (False, True)
    )
    return Source(training, held_out, {"corpora": list(recipe.data.corpora) or ["digits"]})


def crops(caches: list[Cache], spec: Spec, recipe: Any, config: Any, held_out: bool) -> Crops:
    """Crops for vocoders."""
    data = recipe.data
    items = select(caches, held_out, data.speakers)
    speakers = getattr(config, "speakers", ())
    seed = recipe.training.seed
    found = Crops(items, spec.batch, data.crop_frames, data.batch, seed, speakers)
    found.weigh(data.evenness)
    return found


def sentences(
    caches: list[Cache], spec: Spec, recipe: Any, config: Any, held_out: bool
) -> Sentences:
    """Whole sentences for acoustic models and aligners."""
    data = recipe.data
    speakers = tuple(getattr(config, "speakers", ()))
    items = select(caches, held_out, data.speakers or speakers)
    if data.longest_frames:
        items = [(cache, entry) for cache, entry in items if entry.frames <= data.longest_frames]
    seed = recipe.training.seed
    return Sentences(items, spec.batch, config.symbols, speakers, data.batch_frames, seed)
