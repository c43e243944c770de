"""Tanimoto similarity of fingerprints: for bit sets |A and B| / |A or B|, for counts sum(min) / sum(max)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate, share_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, Unmeasured, register_metric

if TYPE_CHECKING:
    from rdkit.Chem import Mol

VALID_ONLY, INVALID_ZERO = "(valid only)", "(invalid = 0)"
_MORGAN_RADIUS = 2  # bonds around an atom


class Similarity(Metric):
    """Mean similarity of output and ground truth under both conventions in use.

    MolT5 averages over the items whose output is a molecule; L+M-24 averages over all items and counts 0 for an output
    that is none. The first flatters a model that seldom writes a molecule, so both are shown and labelled.
    """

    packages = ("rdkit",)
    label: ClassVar[str]

    def estimates(self, pairs: Pairs) -> dict[str, Estimate | Unmeasured]:
        """Rows `<label> (valid only)` and `<label> (invalid = 0)`."""
        values = self._similarities(pairs)
        is_valid = [both is not None for both in pairs.molecule_pairs]
        none_valid = Unmeasured("no valid output", "RDKit reads none of the outputs: no similarity over valid ones")
        return {
            f"{self.label} {VALID_ONLY}": share_estimate(values, is_valid) if any(is_valid) else none_valid,
            f"{self.label} {INVALID_ZERO}": mean_estimate(values),
        }

    def _similarities(self, pairs: Pairs) -> list[float]:
        from rdkit import DataStructs, rdBase

        fingerprint = self.fingerprint()
        with rdBase.BlockLogs():
            return [
                0.0 if both is None else DataStructs.TanimotoSimilarity(*map(fingerprint, both))
                for both in pairs.molecule_pairs
            ]

    def fingerprint(self) -> Callable[[Mol], Any]:
        """The function from a molecule to its fingerprint."""
        raise NotImplementedError


@register_metric("maccs")
class MaccsSimilarity(Similarity):
    """The 166 public MACCS keys."""

    label = "MACCS"

    def fingerprint(self) -> Callable[[Mol], Any]:
        """RDKit's MACCS keys, as bits."""
        from rdkit.Chem.MACCSkeys import GenMACCSKeys

        return GenMACCSKeys


@register_metric("rdk")
class RdkSimilarity(Similarity):
    """RDKit's path fingerprint: paths of 1 to 7 bonds hashed into 2,048 bits."""

    label = "RDK"

    def fingerprint(self) -> Callable[[Mol], Any]:
        """RDKit's path fingerprint, as bits."""
        from rdkit.Chem.rdFingerprintGenerator import GetRDKitFPGenerator

        return GetRDKitFPGenerator().GetFingerprint


@register_metric("morgan")
class MorganSimilarity(Similarity):
    """Morgan fingerprint of radius 2, with the count of each environment."""

    label = "Morgan"

    def fingerprint(self) -> Callable[[Mol], Any]:
        """RDKit's unfolded Morgan fingerprint, as counts."""
        from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

        return GetMorganGenerator(radius=_MORGAN_RADIUS).GetSparseCountFingerprint
