"""What an evaluation found, ready for the screen and for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mindformers.evaluation.bootstrap import Interval
from mindformers.evaluation.metrics.metric import Score


@dataclass(frozen=True)
class Report:
    """The outcome of one evaluation.

    Args:
        task: the task's name.
        items: how many items were scored.
        tokenizer: the words that BLEU and METEOR counted, or None where the task has no words.
        metrics: metric name -> score, in the order of the table.
        baseline: the same for the baseline, or None where there is none.
        intervals: metric name -> the 95 % interval of the model's score, or None where none were asked for.
        references: a hash of the ground truths, by which runs over the same items are known.
        details: scores below the table's rows, as plain values.
        versions: library -> version, of all that computed a score.
        notes: what a reader of the numbers has to know.
    """

    task: str
    items: int
    tokenizer: str | None
    metrics: dict[str, Score]
    baseline: dict[str, Score] | None = None
    intervals: dict[str, Interval] | None = None
    references: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report as plain values; a score that could not be computed is null."""
        return {
            "task": self.task,
            "items": self.items,
            "tokenizer": self.tokenizer,
            "metrics": _plain(self.metrics),
            "baseline": None if self.baseline is None else _plain(self.baseline),
            "intervals": self.intervals,
            "references": self.references,
            "details": self.details,
            "versions": self.versions,
            "notes": self.notes,
        }


def _plain(scores: dict[str, Score]) -> dict[str, float | None]:
    return {name: score if isinstance(score, float) else None for name, score in scores.items()}
