"""Recipes: one TOML file per trained voice or experiment."""

import tomllib
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.mel import strict
from sori.learn.training.optim import Choice
from sori.learn.training.processes import Precision

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


@dataclass(config=strict, frozen=True)
class DataRecipe:
    """What to learn from.

    Args:
        corpora: names of folders below the corpora folder.
        speakers: only these; all when empty.
        crop_frames: length of a crop, for models that train on crops.
        evenness: from 0, where crops of a speaker are as frequent as seconds of them, to 1, where
            all speakers are equally frequent.
        batch: crops or sentences in a batch.
        batch_frames: for sentences, the most padded frames in a batch.
        longest_frames: longer sentences are left out; 0 to keep all.
        mels: "mel" for those of the recordings, "predicted" for those an acoustic model made.
    """

    corpora: tuple[str, ...]
    speakers: tuple[str, ...] = ()
    crop_frames: Count = 48
    evenness: Share = 0.0
    batch: Count = 16
    batch_frames: Count = 12000
    longest_frames: NotNegative = 0
    mels: Literal["mel", "predicted"] = "mel"


@dataclass(config=strict, frozen=True)
class TrainingRecipe:
    """How long and how fast to learn.

    Args:
        optimizer: "adamw", or "muon", which moves matrices by Muon and needs about half the steps
            where a network is made of them.
        average: decay of the average of the weights, which is what is kept.
        accumulate: pieces that a batch is done in, one after another; it needs less memory then.
        validate_steps: between two looks at the held-out data; 0 for never.
    """

    steps: Count
    optimizer: Choice = "adamw"
    rate: Positive = 1e-3
    betas: tuple[Decay, Decay] = (0.9, 0.98)
    warmup: NotNegative = 500
    max_norm: Positive = 1.0
    average: Decay = 0.999
    precision: Precision = "bf16"
    seed: NotNegative = 0
    accumulate: Count = 1
    validate_steps: NotNegative = 1000


@dataclass(config=strict, frozen=True)
class Recipe:
    """A model, its config where it differs from the defaults, data and training.

    Args:
        frozen: trained models that the task takes, by argument name: paths of checkpoints.
        start: a checkpoint of the same model to start from; or checkpoints of any models by the
            name of the part that starts from the part of that name in it.
    """

    model: str
    data: DataRecipe
    training: TrainingRecipe
    config: dict[str, Any] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)
    start: str | dict[str, str] | None = None


def read_recipe(path: Path) -> Recipe:
    """Parse a recipe.

    Raises:
        SoriError: the file is missing or malformed; unknown keys are named with their full path.
    """
    if not path.is_file():
        raise SoriError(f"no recipe at {path}; the folder recipes/ holds examples")
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        recipe = TypeAdapter(Recipe).validate_python(written)
        make_config(recipe)
    except UnicodeDecodeError as error:
        raise SoriError(f"{path} is not UTF-8 text, as a recipe must be") from error
    except tomllib.TOMLDecodeError as error:
        raise SoriError(f"{path}: {error}") from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'recipe'}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise SoriError(f"{path}: {'; '.join(faults)}") from error
    return recipe


def make_config(recipe: Recipe) -> Any:
    """The model's config with the recipe's values in place of defaults."""
    return TypeAdapter(registry.spec(recipe.model).config).validate_python(recipe.config)
