"""One scalar of a recipe -> the type that its key asks for, where this loses nothing."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from mindformers.tools.errors import InputError

_WORDS = {"true": True, "false": False}
_LONGEST_ECHO = 60


def wrong_type(where: str, value: Any, expected: str) -> InputError:
    """The error for a value of the wrong type: names the key, what came and what was expected."""
    text = repr(value)
    shown = text if len(text) <= _LONGEST_ECHO else text[:_LONGEST_ECHO] + "..."
    return InputError(where or "recipe", f"got {shown} ({type(value).__name__})", expected, "correct the value")


def to_bool(value: Any, where: str) -> bool:
    """True and False, also written as text in any case; nothing else, so that "no" or 2 is never a silent True."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    raise wrong_type(where, value, "True or False")


def to_int(value: Any, where: str) -> int:
    """Whole numbers, also written as text (`"8"`, `1e3`)."""
    number = _number(value)
    if number is None or number != int(number):
        raise wrong_type(where, value, "a whole number")
    return int(number)


def to_float(value: Any, where: str) -> float:
    """Finite numbers, also written as text (`"1e-5"`)."""
    number = _number(value)
    if number is None or abs(number) > sys.float_info.max:
        raise wrong_type(where, value, "a number")
    return float(number)


def to_text(value: Any, where: str) -> str:
    """Text; a whole number is taken as its digits, everything else should be quoted in the recipe."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise wrong_type(where, value, "text (put it in quotes)")


CONVERTERS: dict[type, Callable[[Any, str], Any]] = {bool: to_bool, int: to_int, float: to_float, str: to_text}


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) else _finite(value)
    except ValueError:
        return _finite(value)


def _finite(value: float | str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
