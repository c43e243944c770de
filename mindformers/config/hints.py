"""What an annotation says: its fields, whether it allows None, whether a value already fits it, its name in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


@cache
def annotations_of(cls: type) -> dict[str, Any]:
    """Field name -> annotation, resolved."""
    return get_type_hints(cls)


def keys_of(cls: type) -> dict[str, Field[Any]]:
    """The fields that a mapping may give."""
    return {item.name: item for item in fields(cls) if item.init}


def is_required(item: Field[Any]) -> bool:
    """Whether a field has no default."""
    return item.default is MISSING and item.default_factory is MISSING


def allows_none(hint: Any) -> bool:
    """Whether None is one of the values."""
    return hint is Any or hint is NoneType or NoneType in get_args(hint)


def fits(hint: Any, value: Any) -> bool:
    """Whether a value already has the type that `hint` names, so that no other member of a union may claim it."""
    origin = get_origin(hint) or hint
    if origin is Literal:
        return any(choice == value and type(choice) is type(value) for choice in get_args(hint))
    if is_dataclass(origin) or origin in (dict, Mapping):
        return isinstance(value, Mapping)
    if origin is Any:
        return True
    return type(value) is origin


def describe(hint: Any) -> str:
    """The annotation in a user's words."""
    names = {bool: "True or False", int: "a whole number", float: "a number", str: "text", list: "a list"}
    origin = get_origin(hint) or hint
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(hint))
    if origin in (Union, UnionType):
        return " or ".join(describe(member) for member in get_args(hint) if member is not NoneType)
    return names.get(origin, "a list" if origin is tuple else "a mapping of keys")
