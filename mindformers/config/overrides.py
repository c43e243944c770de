"""Changes to a recipe from the command line: `runner_config.epochs` -> `3`, applied before anything is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mindformers.config.reading import parse_value
from mindformers.tools.errors import InputError

Overrides = Mapping[str, Any] | Sequence[tuple[str, Any]]


def apply_overrides(recipe: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """A copy of a recipe with other values; parts that an anchor shared are apart in it.

    Args:
        recipe: key -> value, as YAML reads it.
        overrides: dotted key -> value, later ones win; an item of a list is named by its index, as in
            `callbacks.1.prefix`. Text is read as a YAML value. A section that is absent is made.

    Raises:
        InputError: the dotted key leads through something that is no section, or past the end of a list.
    """
    result = _unshared(recipe)
    pairs = overrides.items() if isinstance(overrides, Mapping) else overrides
    for key, value in pairs:
        _set(result, key, parse_value(value, key) if isinstance(value, str) else _unshared(value))
    return result


def _set(recipe: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    if not all((*path, last)):
        raise InputError(key or "override", "is not a dotted key", "section.key", "correct the name")
    place: Any = recipe
    for depth, name in enumerate(path):
        slot = _slot(place, name, key, depth)
        inner = place[slot] if isinstance(place, list) else place.get(slot)
        if inner is None:
            inner = place[slot] = {}
        place = inner
    place[_slot(place, last, key, len(path))] = value


def _slot(place: Any, name: str, key: str, depth: int) -> str | int:
    """`name` as a key of a section or as an index of a list."""
    if isinstance(place, dict):
        return name
    where = ".".join(key.split(".")[:depth])
    if not isinstance(place, list):
        raise InputError(key, f"'{where}' is a plain value ({place!r})", "a section", f"override '{where}' itself")
    if not name.isdecimal() or int(name) >= len(place):
        raise InputError(key, f"'{name}' is no item of '{where}'", f"an index below {len(place)}", "correct the index")
    return int(name)


def _unshared(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unshared(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_unshared(item) for item in value]
    return value
