"""Frechet ChemNet Distance (Preuer et al., 2018, equation 1), an optional extra: the package `fcd` needs torch."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mindformers.evaluation.metrics.estimate import Estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, Unmeasured, register_metric

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_NO_PACKAGE = Unmeasured(
    "needs package fcd", "FCD needs the optional package 'fcd' (pip install fcd==1.2.2, which needs torch)"
)
_TOO_FEW = Unmeasured("too few valid", "FCD compares distributions: at least 2 valid outputs and ground truths")


@register_metric("fcd")
class Fcd(Metric):
    """Distance between the ground truths and the valid outputs, both as canonical SMILES; lower is better.

    It is not drawn again for intervals: each draw would need a matrix root of its own.
    """

    packages = ("fcd", "torch")

    def estimates(self, pairs: Pairs) -> dict[str, Estimate | Unmeasured]:
        """Row `FCD`."""
        if find_spec("fcd") is None:
            return {"FCD": _NO_PACKAGE}
        truths, outputs = _canonical(pairs.truth_molecules), _canonical(pairs.output_molecules)
        if min(len(truths), len(outputs)) < 2:
            return {"FCD": _TOO_FEW}
        return {"FCD": Estimate(_distance(truths, outputs))}

    def versions(self) -> dict[str, str]:
        """The package and its torch, where the package is installed."""
        return super().versions() if find_spec("fcd") is not None else {}


def _distance(truths: list[str], outputs: list[str]) -> float:
    from fcd import get_fcd, load_ref_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the package warns of its own default padding
        return float(get_fcd(truths, outputs, load_ref_model()))


def _canonical(molecules: list[Mol | None]) -> list[str]:
    from rdkit import Chem

    return [Chem.MolToSmiles(molecule) for molecule in molecules if molecule is not None]
