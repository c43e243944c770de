"""Answers in a strict format: extraction and classification."""

from mindformers.evaluation.metrics.metric import Pairs
from mindformers.evaluation.metrics.structured import LabelAccuracy, TripleF1, ValidJson, labels, parsed, triples
from mindformers.evaluation.tasks.task import Task, register_task


@register_task
class Structured(Task):
    """JSON lists of triples or labels against the right ones."""

    name = "structured"
    input_column = "context"
    answer_columns = ("ground truth", "target")
    metrics = (ValidJson, TripleF1, LabelAccuracy)

    def remarks(self, pairs: Pairs) -> list[str]:
        """Of what kinds the ground truths are."""
        found = [parsed(truth) for truth in pairs.truths]
        with_triples = sum(bool(triples(value)) for value in found)
        with_labels = sum(labels(value) is not None for value in found)
        kinds = f"{with_triples} ground truths have triples, {with_labels} labels"
        return [*super().remarks(pairs), f"{kinds}, {len(pairs) - with_triples - with_labels} neither"]
