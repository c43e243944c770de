"""Plain mappings -> typed dataclasses, strictly: an unknown key or a value of the wrong type is refused by its name.

A key whose value is null counts as not given, except where the field allows None. A dataclass that has a class variable
`variants` (name -> subclass) is chosen by the mapping's `type`; one that has `has_effect = False` is inert as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from mindformers.config.hints import allows_none, annotations_of, describe, fits, is_required, keys_of
from mindformers.config.inert import is_inert, warn_inert
from mindformers.config.scalars import CONVERTERS, wrong_type
from mindformers.tools.errors import InputError, unknown_name

T = TypeVar("T")


def decode(cls: type[T], mapping: Mapping[str, Any] | None, where: str = "") -> T:
    """Build a dataclass from plain values and warn about each inert key that was given.

    Args:
        cls: the dataclass. Its annotations may be bool, int, float, str, Any, Literal, Optional and other unions, list,
            tuple, dict and dataclasses, nested as needed.
        mapping: key -> value, as YAML reads it.
        where: dotted key of the mapping itself, put in front of every name in a message.

    Raises:
        InputError: unknown key, missing key or wrong type; names the full dotted key.
    """
    decoder = Decoder()
    result = decoder.build(cls, mapping, where)
    decoder.warn()
    return result


def join(where: str, key: object) -> str:
    """The dotted name of a key inside `where`."""
    return f"{where}.{key}" if where else str(key)


class Decoder:
    """Builds dataclasses and keeps the inert keys that it met, for one warning at the end."""

    def __init__(self) -> None:
        self.inert_keys: dict[str, str] = {}

    def warn(self) -> None:
        """Name every inert key that was met."""
        for key, instead in self.inert_keys.items():
            warn_inert(key, instead)

    def build(self, cls: type[T], mapping: Mapping[str, Any] | None, where: str) -> T:
        """One dataclass; see `decode`."""
        if mapping is not None and not isinstance(mapping, Mapping):
            raise wrong_type(where, mapping, "a mapping of keys")
        cls = _chosen_class(cls, mapping or {}, where)
        if not getattr(cls, "has_effect", True):
            self.inert_keys[where] = ""
            return Decoder()._fill(cls, mapping or {}, where)
        return self._fill(cls, mapping or {}, where)

    def _fill(self, cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
        known, hints = keys_of(cls), annotations_of(cls)
        values = {}
        for key, value in mapping.items():
            if key not in known:
                raise _unknown_key(cls, str(key), where)
            if value is None and not allows_none(hints[key]) and not is_required(known[key]):
                continue
            values[key] = self._field_value(known[key], hints[key], value, join(where, key))
        for name, item in known.items():
            if name not in values and is_required(item):
                raise InputError(join(where, name), "is missing", describe(hints[name]), "add it to the recipe")
        return cls(**values)

    def _field_value(self, item: Field[Any], hint: Any, value: Any, where: str) -> Any:
        if not is_inert(item):
            return self.value(hint, value, where)
        self.inert_keys[where] = item.metadata["instead"]
        return Decoder().value(hint, value, where)

    def value(self, hint: Any, value: Any, where: str) -> Any:
        """One value as the annotation `hint` asks for it."""
        origin = get_origin(hint) or hint
        if hint is Any:
            return _copied(value)
        if origin in (Union, UnionType):
            return self._union(get_args(hint), value, where)
        if origin is Literal:
            return _literal(get_args(hint), value, where)
        if origin in (list, tuple):
            return self._sequence(origin, get_args(hint), value, where)
        if origin in (dict, Mapping):
            return self._mapping(get_args(hint), value, where)
        if is_dataclass(hint):
            return self.build(hint, value, where)
        return CONVERTERS[hint](value, where)

    def _union(self, members: tuple[Any, ...], value: Any, where: str) -> Any:
        chosen = [member for member in members if fits(member, value)]
        if chosen:
            return None if chosen[0] is NoneType else self.value(chosen[0], value, where)
        if value == "None" and NoneType in members:
            return None
        others = [member for member in members if member is not NoneType]
        if len(others) == 1:
            return self.value(others[0], value, where)
        for member in others:
            try:
                return self.value(member, value, where)
            except InputError:
                continue
        raise wrong_type(where, value, " or ".join(describe(member) for member in others))

    def _sequence(self, kind: type, hints: tuple[Any, ...], value: Any, where: str) -> Any:
        if not isinstance(value, list | tuple):
            raise wrong_type(where, value, "a list")
        hints = hints or (Any, ...)
        if kind is list or hints[-1] is ...:
            hints = (hints[0],) * len(value)
        if len(hints) != len(value):
            raise wrong_type(where, value, f"a list of {len(hints)}")
        pairs = enumerate(zip(hints, value, strict=True))
        return kind(self.value(hint, item, join(where, index)) for index, (hint, item) in pairs)

    def _mapping(self, hints: tuple[Any, ...], value: Any, where: str) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise wrong_type(where, value, "a mapping of keys")
        key_hint, item_hint = hints or (Any, Any)
        return {
            self.value(key_hint, key, where): self.value(item_hint, item, join(where, key))
            for key, item in value.items()
        }


def _chosen_class(cls: type[T], mapping: Mapping[str, Any], where: str) -> type[T]:
    variants = cls.__dict__.get("variants")
    if not variants:
        return cls
    name = mapping.get("type")
    if name is None:
        raise InputError(join(where, "type"), "is missing", f"one of {', '.join(sorted(variants))}", "add it")
    if str(name) not in variants:
        raise unknown_name(join(where, "type"), str(name), variants)
    return variants[str(name)]


def _unknown_key(cls: type, key: str, where: str) -> InputError:
    """The nearest key of the same section is suggested, else the same key of a section inside it."""
    known = sorted(keys_of(cls))
    found = get_close_matches(key, known, n=1) or [inner for inner in _inner_keys(cls) if inner.endswith(f".{key}")]
    hint = f"did you mean '{join(where, found[0])}'?" if found else "correct or remove it"
    return InputError(join(where, key), "unknown key", "" if found else f"one of {', '.join(known)}", hint)


def _inner_keys(cls: type) -> list[str]:
    """The keys of the sections of `cls`, dotted."""
    sections = [(name, hint) for name, hint in annotations_of(cls).items() if is_dataclass(hint)]
    return [join(name, key) for name, hint in sections for key in [*keys_of(hint), *_inner_keys(hint)]]


def _literal(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    for choice in choices:
        if choice == value and type(choice) is type(value):
            return choice
    for choice in choices:
        if not isinstance(value, bool) and str(choice) == str(value):
            return choice
    raise unknown_name(where, str(value), map(str, choices))


def _copied(value: Any) -> Any:
    """Mappings and lists anew: what a YAML anchor shares must not be changed in two places by one override."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value
