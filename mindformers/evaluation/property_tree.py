"""The property tree of L+M-24 and its held-out combinations, read from the user's copies of the published files.

nested_props.json                      {"Biomedical": ["immunomodulator", {"antis": ["anti viral", ...]}, ...], ...}
*withheld_combos.txt                   ('bitter', 'surfactant')<TAB>9
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mindformers.evaluation.text_files import read_lines
from mindformers.tools.errors import InputError

_SHAPE = '{"category": ["property", {"sub-category": ["property", ...]}, ...], ...}'


class Leaf(NamedTuple):
    """A property in the tree: the categories above it from the top, and its name."""

    categories: tuple[str, ...]
    name: str


def read_property_tree(path: str | Path) -> list[Leaf]:
    """The properties of the tree in the order of the file, each once; one may stand in several categories.

    Args:
        path: `nested_props.json`, possibly `.xz`.

    Raises:
        InputError: the file cannot be read, is no JSON, or another tree.
    """
    try:
        tree = json.loads("\n".join(read_lines(path, "--property_tree")))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}", f"not JSON ({error.msg})", _SHAPE) from error
    leaves = list(dict.fromkeys(_leaves(tree, (), path)))
    if not leaves:
        raise InputError(f"{path}", "no property", _SHAPE, "give L+M-24's nested_props.json")
    return leaves


def read_combinations(path: str | Path) -> list[tuple[str, str]]:
    """The pairs of properties that no training molecule has together, in the order of the file.

    Args:
        path: `train_withheld_combos.txt` or `withheld_combos.txt`, possibly `.xz`.

    Raises:
        InputError: the file cannot be read, or a line is no pair of names.
    """
    lines = read_lines(path, "--held_out_combinations")
    return [_combination(line.split("\t")[0], path, number) for number, line in enumerate(lines, start=1)]


def _leaves(tree: Any, above: tuple[str, ...], path: str | Path) -> Iterator[Leaf]:
    if not isinstance(tree, dict):
        raise InputError(f"{path}", f"a {type(tree).__name__} in the place of a category", _SHAPE)
    for name, members in tree.items():
        categories = (*above, name)
        if not isinstance(members, list):
            raise InputError(f"{path}", f"'{'/'.join(categories)}' holds a {type(members).__name__}", _SHAPE)
        for member in members:
            if isinstance(member, str) and member.strip():
                yield Leaf(categories, member)
            else:
                yield from _leaves(member, categories, path)


def _combination(literal: str, path: str | Path, number: int) -> tuple[str, str]:
    try:
        pair = ast.literal_eval(literal.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pair = None
    if not isinstance(pair, tuple) or len(pair) != 2 or not all(isinstance(name, str) for name in pair):
        raise InputError(f"{path} line {number}", f"'{literal[:60]}'", "('property', 'property')", "correct the file")
    return pair
