"""Answers that are right or wrong: equal texts, equal molecules, sets of molecules, and choices from a ranking."""

from __future__ import annotations

from functools import lru_cache

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, register_metric

EXACT_MATCH, ACCURACY = "exact match", "accuracy"
BEST, BEST_HALF = "accuracy (the best)", "accuracy (in the best half)"


@register_metric("exact_match")
class ExactMatch(Metric):
    """Share of outputs that are one of the right answers, character by character, blanks around them apart."""

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `exact match`."""
        both = zip(pairs.answers, pairs.outputs, strict=True)
        return {EXACT_MATCH: mean_estimate([output.strip() in map(str.strip, right) for right, output in both])}


@register_metric("same_molecules")
class SameMolecules(Metric):
    """Share of outputs that are the right molecules: sets of canonical SMILES, so that order and spelling do not count.

    The molecules of an answer are separated by dots. An output that RDKit cannot read is wrong.
    """

    packages = ("rdkit",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `accuracy`."""
        both = zip(pairs.answers, pairs.outputs, strict=True)
        return {ACCURACY: mean_estimate([_is_among(output, right) for right, output in both])}


@register_metric("selection")
class Selection(Metric):
    """Share of outputs that are the best candidate, and share that are in the better half of the ranking."""

    packages = ("rdkit",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Rows `accuracy (the best)` and `accuracy (in the best half)`."""
        both = list(zip(pairs.answers, pairs.outputs, strict=True))
        return {
            BEST: mean_estimate([_is_among(output, right[:1]) for right, output in both]),
            BEST_HALF: mean_estimate([_is_among(output, right[: max(1, len(right) // 2)]) for right, output in both]),
        }


def _is_among(output: str, answers: tuple[str, ...]) -> bool:
    said = molecules_of(output.strip())
    return bool(said) and any(said == molecules_of(answer.strip()) for answer in answers)


@lru_cache(maxsize=65536)
def molecules_of(text: str) -> frozenset[str]:
    """The canonical SMILES of the molecules that a text lists with dots; empty where RDKit cannot read it."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        found = Chem.MolFromSmiles(text) if text else None
    return frozenset() if found is None or not found.GetNumAtoms() else frozenset(Chem.MolToSmiles(found).split("."))
