"""Metrics on the raw strings."""

from __future__ import annotations

from mindformers.evaluation.metrics.metric import Metric, Pairs, Score, mean, register_metric


@register_metric("levenshtein")
class Levenshtein(Metric):
    """Mean edit distance in characters (insert, delete, replace cost 1 each); lower is better."""

    packages = ("rapidfuzz",)

    def score(self, pairs: Pairs) -> dict[str, Score]:
        """Row `Levenshtein`."""
        from rapidfuzz.distance import Levenshtein as Distance

        return {"Levenshtein": mean(list(map(Distance.distance, pairs.outputs, pairs.truths)))}
