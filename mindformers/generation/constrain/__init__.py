"""Constrained decoding: answers that are valid molecules, proteins or nucleic acids, by masking what cannot continue.

constraint = constraint_for("smiles", tokenizer)      once
state = constraint.start(max_new_tokens)              one per sequence
state.permitted(places)                               each step: which of the likely `state.columns` may come next,
state.allowed()                                       or all that may
state.advance(token)                                  with the token that was chosen
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mindformers.generation.constrain.alphabet import AlphabetConstraint
from mindformers.generation.constrain.base import MIN_BUDGET, Constraint, ConstraintState
from mindformers.generation.constrain.smiles import SmilesConstraint
from mindformers.modalities import NUCLEOTIDE, PROTEIN
from mindformers.tools.errors import unknown_name

__all__ = ["MIN_BUDGET", "Constraint", "ConstraintState", "constraint_for", "constraint_names"]

_CONSTRAINTS: dict[str, Callable[[Any], Constraint]] = {
    "smiles": SmilesConstraint,
    "protein": partial(AlphabetConstraint, PROTEIN, PROTEIN.alphabet),
    "dna": partial(AlphabetConstraint, NUCLEOTIDE, "GACT"),
    "rna": partial(AlphabetConstraint, NUCLEOTIDE, "GACU"),
}


def constraint_names() -> list[str]:
    """What `--constrain` may say."""
    return list(_CONSTRAINTS)


def constraint_for(name: str, tokenizer: Any) -> Constraint:
    """A constraint by name.

    Args:
        name: `smiles`, `protein`, `dna` or `rna`.
        tokenizer: a `LlamaTokenizer` with the modality's tokens.

    Raises:
        InputError: another name, or a tokenizer without these tokens.
    """
    if name not in _CONSTRAINTS:
        raise unknown_name("constrain", name, _CONSTRAINTS)
    return _CONSTRAINTS[name](tokenizer)
