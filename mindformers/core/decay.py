"""Which weights are decayed, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def decays_of(names: Sequence[str], weight_decay: float, no_decay: Sequence[str]) -> list[float]:
    """The decay of every weight: `weight_decay`, or 0 where a pattern fits its name.

    Args:
        names: of the weights.
        weight_decay: share of a weight taken off per step and unit of learning rate.
        no_decay: patterns, `*` for any text.
    """
    return [0.0 if any(fnmatchcase(name, pattern) for pattern in no_decay) else weight_decay for name in names]
