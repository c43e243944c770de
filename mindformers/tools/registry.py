"""Names in YAML (`type: LlamaConfig`) to classes, filled by a decorator where the class is defined."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from mindformers.tools.errors import unknown_name

T = TypeVar("T", bound=type)


class MindFormerModuleType(StrEnum):
    """The kinds of things a recipe names by `type:`."""

    CONFIG = "config"
    MODELS = "models"
    TOKENIZER = "tokenizer"
    PROCESSOR = "processor"
    METRIC = "metric"
    TEMPLATE = "template"
    SOURCE = "source"
    FOOTPRINT = "footprint"


class MindFormerRegister:
    """The register itself; class methods only."""

    _classes: dict[MindFormerModuleType, dict[str, type]] = {}

    @classmethod
    def register(cls, kind: MindFormerModuleType, alias: str | None = None) -> Callable[[T], T]:
        """Decorator: make the class known under its own name, or under `alias`."""

        def add(target: T) -> T:
            cls._classes.setdefault(kind, {})[alias or target.__name__] = target
            return target

        return add

    @classmethod
    def get(cls, kind: MindFormerModuleType, name: str, what: str = "type") -> type:
        """The class registered as `name`. Raises InputError, naming `what`, where there is none."""
        known = cls._classes.get(kind, {})
        if name not in known:
            raise unknown_name(what, str(name), known)
        return known[name]

    @classmethod
    def names(cls, kind: MindFormerModuleType) -> list[str]:
        """All names of one kind, sorted."""
        return sorted(cls._classes.get(kind, {}))
