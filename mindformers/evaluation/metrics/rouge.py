"""ROUGE-N and ROUGE-L (Lin, 2004, sections 2 and 3) as `rouge_score` computes them."""

from __future__ import annotations

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, register_metric

_ROWS = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}


@register_metric("rouge")
class Rouge(Metric):
    """Mean F-measure over items, between 0 and 1, on the raw strings, without stemming."""

    packages = ("rouge-score",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Rows `ROUGE-1`, `ROUGE-2` and `ROUGE-L`."""
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(_ROWS), use_stemmer=False)
        items = [scorer.score(output, truth) for output, truth in zip(pairs.outputs, pairs.truths, strict=True)]
        return {row: mean_estimate([item[kind].fmeasure for item in items]) for kind, row in _ROWS.items()}
