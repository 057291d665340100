"""The models: every module of `models/` that ends with a card."""

import pkgutil
from importlib import import_module

from sori.core.errors import SoriError
from sori.learn import models
from sori.learn.contracts import Spec


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
