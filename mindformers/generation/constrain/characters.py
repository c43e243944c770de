"""Sets of characters as integers: bit i is character i of the SMILES alphabet, the bit behind them the end."""

from __future__ import annotations

from functools import cache

from mindformers.generation.constrain.bracket import (
    START,
    BracketNode,
    Spec,
    allowed_characters,
    classes_of_kinds,
    classes_with_bonds,
)
from mindformers.generation.constrain.elements import max_valence
from mindformers.generation.constrain.kinds import BINDING_METALS, KINDS, Kind
from mindformers.modalities import MOLECULE

BIT: dict[str, int] = {character: 1 << index for index, character in enumerate(MOLECULE.alphabet)}
END: int = 1 << len(MOLECULE.alphabet)


def bits(characters: str) -> int:
    """The set of some characters."""
    return sum(BIT[character] for character in set(characters))


@cache
def allowed_in_bracket(node: BracketNode, permitted: int) -> int:
    """`bracket.allowed_characters` as a set."""
    return bits(allowed_characters(node, permitted))


DIGITS: int = bits("0123456789")
ORDERS: dict[str, int] = {"": 1, "-": 1, "=": 2, "#": 3, "/": 1, "\\": 1}
"""Bond character -> order; no character is a single bond, or an aromatic one between two aromatic atoms."""

ORGANIC: dict[str, Spec] = {symbol: max_valence(symbol, 0) for symbol in "BCNOPSFI"}
ORGANIC |= {symbol: KINDS[symbol, 0, 0] for symbol in "bcnops"}
TWO_LETTERS = {"l": "C", "r": "B"}
"""Second letter of a two-letter atom without brackets -> its first."""


def _starts_segment(kind: Kind, order: int) -> bool:
    """Whether a kind can have a bond of an order besides two in its ring."""
    return order + 2 <= kind.max_bonds


def _plain(order: int) -> int:
    return bits("".join(s for s, spec in ORGANIC.items() if not isinstance(spec, Kind) and spec >= order))


def _roots(order: int) -> int:
    kinds = {s: spec for s, spec in ORGANIC.items() if isinstance(spec, Kind)}
    return bits("".join(s for s, kind in kinds.items() if _starts_segment(kind, order)))


_ORDERS = range(4)
PLAIN: tuple[int, ...] = tuple(_plain(order) for order in _ORDERS)
"""By the order of the bond before it: atoms without brackets that are not aromatic."""
ROOTS: tuple[int, ...] = tuple(_roots(order) for order in _ORDERS)
"""The same for aromatic atoms that start a segment."""
PLAIN_CLASSES: tuple[int, ...] = tuple(classes_with_bonds(order) for order in _ORDERS)
ROOT_CLASSES: tuple[int, ...] = tuple(
    classes_of_kinds([kind for kind in KINDS.values() if _starts_segment(kind, order)]) for order in _ORDERS
)
"""The same for atoms in brackets, as classes of `bracket`."""

METAL_ROOTS: int = bits("cn")
METAL_ROOT_CLASSES: int = classes_of_kinds([kind for kind in KINDS.values() if kind.index in BINDING_METALS])
"""Those aromatic atoms among them that may follow a metal."""

LACKING: int = bits("".join(s for s, spec in ORGANIC.items() if isinstance(spec, Kind) and spec.lacks[2]))
SATED: int = bits("".join(s for s, spec in ORGANIC.items() if isinstance(spec, Kind) and not spec.lacks[2]))
"""Aromatic atoms that lack a double bond with two bonds in their ring, and those that do not."""
LACKING_CLASSES: int = classes_of_kinds([kind for kind in KINDS.values() if kind.lacks[2]])
SATED_CLASSES: int = classes_of_kinds([kind for kind in KINDS.values() if not kind.lacks[2]])
BRACKET_CLASSES: int = START.classes
