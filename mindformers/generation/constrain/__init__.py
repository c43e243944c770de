"""Constrained decoding: answers that are valid molecules, proteins or nucleic acids, by masking what cannot continue.

constraint = constraint_for("smiles", tokenizer)         once
states = [constraint.start(max_new_tokens) for _ in rows]   one per sequence
mask_logits(logits, states)                              each step, in place, before the sampling
states[row].advance(token)                               with the token that was chosen
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from mindformers.generation.constrain.alphabet import AlphabetConstraint
from mindformers.generation.constrain.base import MIN_BUDGET, Constraint, ConstraintState
from mindformers.generation.constrain.smiles import SmilesConstraint
from mindformers.modalities import NUCLEOTIDE, PROTEIN
from mindformers.tools.errors import unknown_name

__all__ = ["MIN_BUDGET", "Constraint", "ConstraintState", "constraint_for", "constraint_names", "mask_logits"]

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


def mask_logits(logits: np.ndarray, states: Sequence[ConstraintState | None]) -> np.ndarray:
    """Leave only allowed tokens.

    Args:
        logits: float [B, V], changed in place; V may be more than the tokenizer has tokens.
        states: the state of each row; None for a row that is not constrained.

    Returns:
        The same array, minus infinity where a token is not allowed.
    """
    for row, state in zip(logits, states, strict=True):
        if state is not None:
            ids = state.allowed_ids()
            kept = row[ids]
            row.fill(-np.inf)
            row[ids] = kept
    return logits
