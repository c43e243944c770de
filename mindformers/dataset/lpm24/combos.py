"""Held-out property combinations: a molecule that has all properties of one belongs to the test side.

A model that has seen kinase inhibitors and cancer treatments, but none that is both, is asked for one that is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from mindformers.dataset.lpm24.line_files import decoded_lines
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file

Combo = tuple[str, ...]


class WithheldCombos:
    """Combinations of two or more property names."""

    def __init__(self, combos: Iterable[Combo] = ()) -> None:
        self._by_first: dict[str, list[Combo]] = {}
        for combo in combos:
            self._by_first.setdefault(combo[0], []).append(combo)

    def __len__(self) -> int:
        return sum(map(len, self._by_first.values()))

    def of(self, properties: Iterable[str]) -> tuple[Combo, ...]:
        """The combinations that a property set contains, sorted."""
        names = set(properties)
        candidates = (combo for name in names for combo in self._by_first.get(name, ()))
        return tuple(sorted(combo for combo in candidates if names.issuperset(combo)))


def read_withheld_combos(path: Path) -> WithheldCombos:
    """The combinations of `train_withheld_combos.txt`: `('property', 'property')` a line, a tab and a count may follow.

    Raises:
        InputError: the file is missing, or a line is no tuple of two names or more.
    """
    lines = decoded_lines(existing_file(path, "--withheld_combos"))
    combos = [_combo(path, number, line) for number, line in lines if line is None or line.strip()]
    return WithheldCombos(dict.fromkeys(combos))


def _combo(path: Path, number: int, line: str | None) -> Combo:
    try:
        value = ast.literal_eval((line or "").partition("\t")[0].strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    if isinstance(value, tuple) and len(value) > 1 and all(isinstance(name, str) and name for name in value):
        return value
    got = "not UTF-8" if line is None else line[:80]
    raise InputError(f"{path} line {number}", got, "('property', 'property')", "correct the line or remove it")
