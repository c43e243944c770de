"""Atoms in brackets, `[isotope? symbol chirality? hydrogens? charge?]`, as a walk through the nodes of an automaton.

Source: the OpenSMILES specification, section "Atoms". Left out: atom classes, wildcards, chirality other than @ and @@.

A finished bracket belongs to a *class*: bits 0 to 3 for an atom that may have none, one, two, or three and more bonds,
bits 4 to 7 for metals alike, and a bit for every kind of aromatic atom. The place where a bracket stands says which
classes it permits, and a character is allowed where a permitted class can still be reached.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

from mindformers.generation.constrain.elements import ATOMIC_NUMBERS, CHARGES, NON_METALS, max_valence
from mindformers.generation.constrain.kinds import KINDS, Kind
from mindformers.modalities import MOLECULE

_ALPHABET = frozenset(MOLECULE.alphabet)
_MAX_ISOTOPE_DIGITS, _MAX_HYDROGENS = 3, 6
_FIRST_METAL_BIT, _FIRST_KIND_BIT = 4, 8
_SYMBOLS = frozenset({*ATOMIC_NUMBERS, *(symbol for symbol, _, _ in KINDS)})
_WRITABLE = frozenset(symbol for symbol in _SYMBOLS if _ALPHABET.issuperset(symbol))
_PREFIXES = _WRITABLE | {symbol[0] for symbol in _WRITABLE}


class Metal(int):
    """The bonds that an atom of a metal may have."""


Spec = int | Metal | Kind
"""What an atom can do: the bonds it may have, or its aromatic kind."""


def class_of(spec: Spec) -> int:
    """The class bit of a finished atom."""
    if isinstance(spec, Kind):
        return 1 << _FIRST_KIND_BIT + spec.index
    return 1 << min(spec, 3) + (_FIRST_METAL_BIT if isinstance(spec, Metal) else 0)


def classes_of_kinds(kinds: list[Kind]) -> int:
    """The class bits of several kinds."""
    return sum(class_of(kind) for kind in kinds)


def classes_with_bonds(least: int) -> int:
    """The class bits of atoms, not aromatic, that may have at least so many bonds (0 to 3)."""
    non_metals = 0b1111 >> least << least
    return non_metals | non_metals << _FIRST_METAL_BIT


METAL_CLASSES: int = 0b1111 << _FIRST_METAL_BIT
"""The class bits of metals."""


@dataclass(frozen=True)
class BracketNode:
    """What of a bracket has been written, as far as it says what may follow.

    Args:
        isotope_digits: number of them; 0 again behind the symbol.
        symbol: the element's, or its first letter.
        chirality: number of `@`; 0 again behind hydrogens or charge.
        hydrogens: None before an `H`.
        charge: None before a sign; a sign alone counts one.
        is_final: no further character but the bracket's end.
    """

    isotope_digits: int = 0
    symbol: str = ""
    chirality: int = 0
    hydrogens: int | None = None
    charge: int | None = None
    is_final: bool = False

    @cached_property
    def spec(self) -> Spec | None:
        """The atom if the bracket ends here; None where it cannot."""
        hydrogens, charge = self.hydrogens or 0, self.charge or 0
        if self.symbol.islower():
            return KINDS.get((self.symbol, hydrogens, charge))
        if self.symbol not in _WRITABLE:
            return None
        bonds = max_valence(self.symbol, charge)
        if bonds < hydrogens:
            return None
        return bonds - hydrogens if self.symbol in NON_METALS else Metal(bonds - hydrogens)

    @cached_property
    def moves(self) -> dict[str, BracketNode]:
        """Character -> next node, for characters that may lead to an atom; `]` is not among them."""
        moves = self._moves() if not self.is_final else {}
        return {character: node for character, node in moves.items() if character in _ALPHABET and node.classes}

    @cached_property
    def classes(self) -> int:
        """Class bits of the atoms that can still be reached."""
        own = class_of(self.spec) if self.spec is not None else 0
        for node in self.moves.values():
            own |= node.classes
        return own

    def _moves(self) -> dict[str, BracketNode]:
        if not self.symbol:
            return self._isotope_moves() | self._symbol_moves()
        moves = self._symbol_moves() if self.chirality == 0 and self.hydrogens is None and self.charge is None else {}
        return moves | self._attribute_moves() if self.symbol in _WRITABLE else moves

    def _isotope_moves(self) -> dict[str, BracketNode]:
        if self.isotope_digits == _MAX_ISOTOPE_DIGITS:
            return {}
        digits = "0123456789" if self.isotope_digits else "123456789"
        return dict.fromkeys(digits, self._with(isotope_digits=self.isotope_digits + 1))

    def _symbol_moves(self) -> dict[str, BracketNode]:
        letters = {text[len(self.symbol)] for text in _PREFIXES if self._is_prefix_of(text)}
        return {letter: self._with(symbol=self.symbol + letter, isotope_digits=0) for letter in letters}

    def _is_prefix_of(self, text: str) -> bool:
        return len(text) == len(self.symbol) + 1 and text.startswith(self.symbol)

    def _attribute_moves(self) -> dict[str, BracketNode]:
        if self.charge is not None:
            return self._charge_moves(self.charge)
        moves = {"+": self._with(charge=1, chirality=0), "-": self._with(charge=-1, chirality=0)}
        if self.hydrogens is None:
            moves["H"] = self._with(hydrogens=1, chirality=0)
            if self.chirality < 2 and self.symbol != "H":
                moves["@"] = self._with(chirality=self.chirality + 1)
        elif self.hydrogens == 1:
            counts = range(2, _MAX_HYDROGENS + 1)
            moves |= {str(count): self._with(hydrogens=count) for count in counts}
        return moves

    def _charge_moves(self, charge: int) -> dict[str, BracketNode]:
        sign = 1 if charge > 0 else -1
        sizes = [size for size in range(2, 10) if size * sign in CHARGES]
        moves = {str(size): self._with(charge=size * sign, is_final=True) for size in sizes}
        moves["+" if sign > 0 else "-"] = self._with(charge=2 * sign, is_final=True)
        return moves

    def _with(self, **changes: int | str | bool) -> BracketNode:
        return _interned(replace(self, **changes))


@cache
def _interned(node: BracketNode) -> BracketNode:
    return node


START = BracketNode()


@cache
def allowed_characters(node: BracketNode, permitted: int) -> str:
    """The characters that may follow, `]` among them, given the class bits that the bracket's place permits."""
    moves = [character for character, following in node.moves.items() if following.classes & permitted]
    ends = node.spec is not None and class_of(node.spec) & permitted
    return "".join(moves) + ("]" if ends else "")


@cache
def shortest_end(node: BracketNode, permitted: int) -> str:
    """The shortest text that ends the bracket as a permitted atom; of several the first in the alphabet's order."""
    level = [("", node)]
    while level:
        for text, reached in level:
            if reached.spec is not None and class_of(reached.spec) & permitted:
                return text + "]"
        level = [
            (text + character, reached.moves[character])
            for text, reached in level
            for character in sorted(reached.moves, key=MOLECULE.alphabet.index)
            if reached.moves[character].classes & permitted
        ]
    raise AssertionError("no permitted atom can be reached")
