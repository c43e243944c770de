"""ChemLLMBench (Guo et al., 2023): eight kinds of chemistry questions in one prediction file, each scored its own way.

kind of question                            rows
property of a molecule (bace, clintox, ...)  AUC from P(Yes) and from hard labels, accuracy
yield of a reaction                          accuracy, both AUC
names, formulas                              exact match; as molecules where the answer is a SMILES
reaction, retrosynthesis                     accuracy over sets of canonical SMILES
choice of ligand, reactant, solvent          accuracy: the best, and in the best half (published for ligands)
captioning, design                           as the tasks `caption` and `molgen`
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mindformers.evaluation.benchmark import BenchmarkTable, read_benchmark
from mindformers.evaluation.metrics.accuracy import ExactMatch, SameMolecules, Selection
from mindformers.evaluation.metrics.metric import Metric, Pairs, Score
from mindformers.evaluation.metrics.yes_no import HARD_AUC, SOFT_AUC, Auc, YesNoAccuracy, label_of
from mindformers.evaluation.predictions import PredictionTable
from mindformers.evaluation.tasks.caption import Caption
from mindformers.evaluation.tasks.molgen import MoleculeGeneration
from mindformers.evaluation.tasks.task import Part, Task, register_task
from mindformers.evaluation.words import Words

# The first word that stands in a task's name decides.
_BY_NAME: tuple[tuple[str, tuple[type[Metric], ...]], ...] = (
    ("caption", Caption.metrics),
    ("design", MoleculeGeneration.metrics),
    ("selection", (Selection,)),
    ("retro", (SameMolecules,)),
    ("reaction", (SameMolecules,)),
    ("yield", (YesNoAccuracy, Auc)),
    ("to_smiles", (SameMolecules, ExactMatch)),
    ("formula", (ExactMatch,)),
    ("iupac", (ExactMatch,)),
    ("name", (ExactMatch,)),
)
_YES_NO = (Auc, YesNoAccuracy)


@register_task
class ChemLLMBench(Task):
    """A part for each task of the benchmark that the file holds."""

    name = "chemllmbench"
    input_column = "input"
    answer_columns = ()
    metrics = tuple(dict.fromkeys([*_YES_NO, *(metric for _, metrics in _BY_NAME for metric in metrics)]))
    uses_words = True

    def read(self, predictions: str | Path, references: str | Path | None = None) -> PredictionTable:
        """Read the predictions; see `read_benchmark`."""
        return read_benchmark(predictions, references)

    def parts(self, table: PredictionTable, words: Words | None) -> list[Part]:
        """The items of each task of the benchmark, in the order of their first appearance."""
        assert isinstance(table, BenchmarkTable), "the table comes from read"
        return [_part(table, task, words) for task in dict.fromkeys(table.tasks)]

    def summary(self, scores: Mapping[str, Score]) -> dict[str, float]:
        """The mean AUC of a data set with several labels, e.g. of `clintox-FDA` and `clintox-tox`."""
        found: dict[str, list[float]] = {}
        for row, score in scores.items():
            label, _, name = row.rpartition(": ")
            data_set, dash, _ = label.partition("-")
            if (
                name in (SOFT_AUC, HARD_AUC)
                and dash
                and metrics_of(label, [])[0] == _YES_NO
                and isinstance(score, float)
            ):
                found.setdefault(f"{data_set}: {name}", []).append(score)
        many = {row: values for row, values in found.items() if len(values) > 1}
        return {f"{row}, mean of {len(values)} labels": sum(values) / len(values) for row, values in many.items()}


def metrics_of(task: str, truths: list[str]) -> tuple[tuple[type[Metric], ...], str]:
    """The metrics of a task of the benchmark by its name, and a remark where the name says nothing."""
    plain = task.lower().replace("-", "_")
    for word, metrics in _BY_NAME:
        if word in plain:
            return metrics, ""
    if all(label_of(truth) in (0, 1) for truth in truths):
        return _YES_NO, ""
    return (ExactMatch,), "not a known task of ChemLLMBench, scored by exact match"


def _part(table: BenchmarkTable, task: str, words: Words | None) -> Part:
    places = [place for place, name in enumerate(table.tasks) if name == task]
    truths, outputs, answers, probabilities = (
        [column[place] for place in places]
        for column in (table.truths, table.outputs, table.answers, table.probabilities)
    )
    metrics, remark = metrics_of(task, truths)
    pairs = Pairs(truths, outputs, words, answers, probabilities)
    remarks = [*ChemLLMBench().remarks(pairs), *([remark] if remark else [])]
    return Part(task, pairs, metrics, remarks)
