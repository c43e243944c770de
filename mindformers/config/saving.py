"""A recipe back into plain values and YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from mindformers.config.inert import is_inert
from mindformers.config.reading import RecipeDumper
from mindformers.tools.files import write_text


def to_dict(config: Any) -> dict[str, Any]:
    """A recipe, or any part of it, as plain values that decode to an equal one.

    Left out are unset keys, and keys without effect that have their default, so that the copy names only what counts.
    """
    return {
        item.name: _plain(getattr(config, item.name))
        for item in fields(config)
        if item.init and not _is_dispensable(item, getattr(config, item.name))
    }


def dump(config: Any, path: str | Path) -> None:
    """Write a recipe as YAML, whole or not at all; reading it gives an equal recipe."""
    text = yaml.dump(to_dict(config), Dumper=RecipeDumper, sort_keys=False, allow_unicode=True, width=120)
    write_text(path, text)


def _is_dispensable(item: Field[Any], value: Any) -> bool:
    default = item.default if item.default_factory is MISSING else item.default_factory()
    return value == default and (value is None or is_inert(item))


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
