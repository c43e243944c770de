"""Molecules inside a running text: which of its words are SMILES, so that they can stand in tags."""

from __future__ import annotations

import re
from functools import lru_cache

from mindformers.dataset.molecules import is_readable
from mindformers.modalities import MOLECULE

# A word of the molecule's alphabet with a blank, a bracket of an equation (`>`, `_`) or an end on either side. Tagged
# text is left as it is.
_WORD = re.compile(
    r"<molecule>.*?</molecule>|(?<![^\s>_])[" + re.escape(MOLECULE.alphabet) + r"]{2,}(?![^\s>_,;?!])", re.DOTALL
)
_NO_MOLECULE = re.compile(r"[^A-Za-z]*|I+")  # marks and figures, and Roman numerals


def tag_molecules(text: str) -> str:
    """The text with `<molecule>` tags around each word that is a SMILES of two characters or more.

    `A>B>>C` of a reaction is tagged piece by piece; a full stop behind a molecule stays outside. A word counts where
    RDKit can read it: of English words that leaves none but a few in capitals (`NO`).
    """
    return _WORD.sub(lambda found: _tagged(found[0]), text)


def tagged(smiles: str) -> str:
    """A SMILES in its tags."""
    return f"<molecule>{smiles}</molecule>"


@lru_cache(maxsize=4096)
def is_molecule(word: str) -> bool:
    """Whether RDKit reads the whole word as a SMILES with at least one atom; `II` is a numeral."""
    if _NO_MOLECULE.fullmatch(word) or not frozenset(MOLECULE.alphabet).issuperset(word):
        return False
    return is_readable(word)


def _tagged(word: str) -> str:
    if word.startswith("<"):
        return word
    smiles = word.strip(".")
    before, _, behind = word.partition(smiles) if smiles else (word, "", "")
    return f"{before}{tagged(smiles)}{behind}" if len(smiles) > 1 and is_molecule(smiles) else word
