"""How many bonds an atom may have, by RDKit's valence model.

Source: the RDKit Book, "Valence calculation and allowed valences" (the model since release 2024.09): a charged atom has
the valences of the neutral element with as many electrons, and P, S, As and Se keep their high valences as anions.
Tests compare this table with RDKit, element by element and charge by charge.
"""

from __future__ import annotations

from functools import cache

_ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu "
    "Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr "
    "Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
_SYMBOLS = _ELEMENTS.split()
ATOMIC_NUMBERS: dict[str, int] = {symbol: number for number, symbol in enumerate(_SYMBOLS, 1)}

ANY = 8
"""Bonds of an atom whose valence RDKit leaves open: a bound of our own, more than complexes of metals need."""

# Only the highest allowed valence matters: up to the next lower one the rest is made up by hydrogen.
_HIGHEST = {
    **dict.fromkeys(("He", "Ne", "Ar", "Kr", "Rn"), 0),
    **dict.fromkeys(("H", "F", "Cl", "Br", "Cs", "Fr"), 1),
    **dict.fromkeys(("Be", "O"), 2),
    **dict.fromkeys(("B", "N", "Al", "Ga", "In"), 3),
    **dict.fromkeys(("C", "Si", "Ge", "Sn", "Pb"), 4),
    **dict.fromkeys(("P", "As", "Sb", "Bi", "I", "At"), 5),
    **dict.fromkeys(("S", "Se", "Te", "Po", "Xe"), 6),
}
_NON_METALS = "H He B C N O F Ne Si P S Cl Ar As Se Br Kr Te I Xe At Rn"
NON_METALS: frozenset[str] = frozenset(_NON_METALS.split())
"""RDKit makes a bond from any other element to an atom with too many bonds a dative one, which counts nothing."""
_HYPERVALENT_ANIONS = {"P": 16, "S": 16, "As": 34, "Se": 34}
CHARGES = range(-4, 9)
"""Formal charges that a bracket may say."""
_HYDROGEN = {-1: 1, 0: 1, 1: 0}  # stricter than RDKit, whose reader takes hydrogens away that have one bond


@cache
def max_valence(symbol: str, charge: int) -> int:
    """The most bonds and hydrogens, double bonds counted twice; negative where RDKit refuses even the bare ion.

    Args:
        symbol: of the element.
        charge: formal charge.
    """
    if symbol == "H":
        return _HYDROGEN.get(charge, -1)
    own = _HIGHEST.get(symbol, ANY)
    electrons = ATOMIC_NUMBERS[symbol] - charge
    if own == ANY:
        return ANY
    if not 1 <= electrons <= len(_SYMBOLS):
        return 0 if electrons == 0 else -1
    if charge < 0 and electrons > _HYPERVALENT_ANIONS.get(symbol, len(_SYMBOLS)):
        return own + charge
    return _HIGHEST.get(_SYMBOLS[electrons - 1], ANY)
