"""Whether outputs are molecules at all, and the right ones."""

from __future__ import annotations

from mindformers.evaluation.metrics.metric import Metric, Pairs, Score, mean, register_metric


@register_metric("exact")
class Exact(Metric):
    """Share of all items whose output has the InChI of the ground truth; an output that is no molecule is not exact."""

    packages = ("rdkit",)

    def score(self, pairs: Pairs) -> dict[str, Score]:
        """Row `exact`."""
        from rdkit import rdBase

        with rdBase.BlockLogs():
            num_exact = sum(_is_same(truth, output) for truth, output in pairs.valid_molecules)
        return {"exact": num_exact / len(pairs)}


@register_metric("validity")
class Validity(Metric):
    """Share of outputs that RDKit reads as a molecule."""

    packages = ("rdkit",)

    def score(self, pairs: Pairs) -> dict[str, Score]:
        """Row `validity`."""
        return {"validity": mean([molecule is not None for molecule in pairs.output_molecules])}


def _is_same(truth: object, output: object) -> bool:
    from rdkit import Chem

    inchi = Chem.MolToInchi(truth)
    return bool(inchi) and inchi == Chem.MolToInchi(output)  # RDKit returns "" where InChI gives up: proves nothing
