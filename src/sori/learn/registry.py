"""The models: every module of `models/` that ends with a card."""

import pkgutil
from importlib import import_module
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from torch import nn

from sori.core.errors import SoriError
from sori.learn import models
from sori.learn.checkpoint import load_model
from sori.learn.contracts import Spec
from sori.learn.pruning.compact import compact, structure_of, unpack


def names() -> list[str]:
    """Names of all models, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(models.__path__))


def spec(name: str) -> Spec:
    """The card of a model.

    Raises:
        SoriError: no model has that name.
    """
    if name not in names():
        raise SoriError(f"unknown model {name!r}; known are {', '.join(names())}")
    return import_module(f"{models.__name__}.{name}").SPEC


def load(path: Path) -> nn.Module:
    """Build a trained network from its file, ready to be used and never to be trained.

    Raises:
        SoriError: the file is unreadable, or its model or config is not one that this Sori knows.
    """
    saved = load_model(path)
    card = spec(saved.name)
    try:
        model = card.model(TypeAdapter(card.config).validate_python(saved.config))
        if "kept" in saved.notes:
            model = compact(model, unpack(saved.notes["kept"], structure_of(model)))
        model.load_state_dict(saved.weights)
    except (ValidationError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise SoriError(f"{path} does not fit this version's {saved.name}: {reason}") from error
    return model.eval().requires_grad_(False)
