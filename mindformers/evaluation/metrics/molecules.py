"""Whether outputs are molecules at all, and the right ones."""

from __future__ import annotations

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, register_metric


@register_metric("exact")
class Exact(Metric):
    """Share of all items whose output has the InChI of the ground truth; an output that is no molecule is not exact."""

    packages = ("rdkit",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `exact`."""
        from rdkit import rdBase

        with rdBase.BlockLogs():
            is_exact = [both is not None and _is_same(*both) for both in pairs.molecule_pairs]
        return {"exact": mean_estimate(is_exact)}


@register_metric("validity")
class Validity(Metric):
    """Share of outputs that RDKit reads as a molecule."""

    packages = ("rdkit",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `validity`."""
        return {"validity": mean_estimate([molecule is not None for molecule in pairs.output_molecules])}


def _is_same(truth: object, output: object) -> bool:
    from rdkit import Chem

    inchi = Chem.MolToInchi(truth)
    return bool(inchi) and inchi == Chem.MolToInchi(output)  # RDKit returns "" where InChI gives up: proves nothing
