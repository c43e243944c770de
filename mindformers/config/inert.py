"""Keys that a recipe may carry although they change nothing here: accepted, and named in one warning line each."""

from __future__ import annotations

from copy import copy
from dataclasses import Field, field
from typing import Any

from mindformers.tools.logging import get_logger

logger = get_logger(__name__)

_named: set[str] = set()


def inert(default: Any = None, *, instead: str = "") -> Any:
    """A dataclass field for a key of the dialect that has no effect here.

    Args:
        default: value of the field where the recipe does not give it; a list or mapping is copied.
        instead: dotted key that does have the wanted effect, if there is one.
    """
    metadata = {"inert": True, "instead": instead}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: copy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def is_inert(item: Field[Any]) -> bool:
    """Whether a dataclass field was declared by `inert`."""
    return bool(item.metadata.get("inert"))


def warn_inert(key: str, instead: str = "", reason: str = "here") -> None:
    """Warn that a given key has no effect; a key that was named before in this run stays silent.

    Args:
        key: the dotted key, e.g. `train_dataset.numa_enable`.
        instead: dotted key to use in its place, if any.
        reason: where or why it has none, e.g. `on one device`.
    """
    if key in _named:
        return
    _named.add(key)
    hint = f"; use '{instead}'" if instead else ""
    logger.warning("'%s' has no effect %s%s", key, reason, hint)


def forget_warnings() -> None:
    """Begin a new run: every key may be named once more."""
    _named.clear()
