"""Molecule generation: a description in, a SMILES out."""

from mindformers.evaluation.metrics.bleu import CharacterBleu
from mindformers.evaluation.metrics.fcd import Fcd
from mindformers.evaluation.metrics.fingerprints import MaccsSimilarity, MorganSimilarity, RdkSimilarity
from mindformers.evaluation.metrics.metric import Pairs
from mindformers.evaluation.metrics.molecules import Exact, Validity
from mindformers.evaluation.metrics.strings import Levenshtein
from mindformers.evaluation.tasks.task import Task, register_task


@register_task
class MoleculeGeneration(Task):
    """Generated molecules against the described one."""

    name = "molgen"
    input_column = "description"
    answer_columns = ("ground truth", "SMILES")
    metrics = (CharacterBleu, Exact, Levenshtein, Validity, MaccsSimilarity, RdkSimilarity, MorganSimilarity, Fcd)

    def remarks(self, pairs: Pairs) -> list[str]:
        """Empty outputs, which RDKit reads as molecules without atoms, and ground truths that it cannot read."""
        remarks = [f"{remark}: RDKit reads each as a molecule without atoms" for remark in super().remarks(pairs)]
        unreadable = sum(molecule is None for molecule in pairs.truth_molecules)
        if unreadable:
            remarks.append(
                f"RDKit cannot read {unreadable} of {len(pairs)} ground truths: they are never exact, left out of the"
                " similarities over valid pairs and count 0 in the others"
            )
        return remarks
