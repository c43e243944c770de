"""The story of an evaluation: words -> metrics of the model and of the baseline -> report."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mindformers.evaluation.bootstrap import Bootstrap, Interval
from mindformers.evaluation.metrics.estimate import Estimate
from mindformers.evaluation.metrics.metric import Metric, Score, Unmeasured, installed_versions
from mindformers.evaluation.predictions import PredictionTable
from mindformers.evaluation.report import Report
from mindformers.evaluation.tasks import Part, Task, get_task
from mindformers.evaluation.words import Words, words_from
from mindformers.tools.errors import unknown_name
from mindformers.tools.logging import get_logger
from mindformers.tools.progress import Progress

logger = get_logger(__name__)
Rows = dict[str, Estimate | Unmeasured]
_PLAIN_NOTE = "no --text_tokenizer: BLEU and METEOR count plain lower-cased words, which published scores do not"


def evaluate(
    task: str,
    predictions: PredictionTable,
    *,
    text_tokenizer: str | Path | None = None,
    skip: Collection[str] = (),
    baseline_answer: str | None = None,
    more_metrics: Sequence[Metric] = (),
    bootstrap: Bootstrap | None = None,
) -> Report:
    """Score predictions by all metrics of a task.

    Args:
        task: the name of a registered task, e.g. `caption`.
        predictions: ground truths and outputs.
        text_tokenizer: a WordPiece vocabulary for tasks that count words; without it words are split plainly.
        skip: names of metrics to leave out, e.g. `meteor`.
        baseline_answer: one answer to score beside the model's, given to every item.
        more_metrics: metrics beside those of the task, e.g. `PropertyScores` of a tree.
        bootstrap: how to make intervals; None makes none.

    Returns:
        The report; a metric that lacks something here is in it as `Unmeasured`.

    Raises:
        InputError: the task or a metric to skip is unknown, or the vocabulary cannot be read.
    """
    chosen = get_task(task)
    _check_skipped(chosen, skip)
    words = _words(chosen, text_tokenizer)
    parts = [_ScoredPart(part, skip, more_metrics) for part in chosen.parts(predictions, words)]
    answers = [None] if baseline_answer is None else [None, baseline_answer]
    estimates = [_estimate(parts, answer) for answer in answers]
    scores = [_scores(parts, found) for found in estimates]
    return Report(
        task=task,
        items=len(predictions),
        tokenizer=words.label if words else None,
        metrics=scores[0] | chosen.summary(scores[0]),
        baseline=scores[1] if len(scores) > 1 else None,
        intervals=_intervals(bootstrap, parts, estimates[0]) if bootstrap else None,
        references=hash_of(predictions.truths),
        details=_details(parts),
        versions=_versions(parts, words) | (installed_versions(["numpy"]) if bootstrap else {}),
        notes=[*_notes(parts, scores, skip, baseline_answer), *_interval_notes(bootstrap, parts, estimates[0])],
    )


def hash_of(truths: Sequence[str]) -> str:
    """A short name for a list of ground truths: equal lists have equal ones."""
    return blake2b("\n".join(truths).encode(), digest_size=8).hexdigest()


def _details(parts: Sequence[_ScoredPart]) -> dict[str, Any]:
    found = {name: value for part in parts for name, value in part.details().items()}
    return found if len(parts) == 1 else {"items": {part.label: len(part.pairs) for part in parts}, **found}


class _ScoredPart:
    """A part of the table with the metrics that score it."""

    def __init__(self, part: Part, skip: Collection[str], more_metrics: Sequence[Metric]) -> None:
        self.label, self.row, self.pairs, self.own_remarks = part.label, part.row, part.pairs, part.remarks
        self.metrics = [metric() for metric in part.metrics if metric.name not in skip] + list(more_metrics)

    def details(self) -> dict[str, Any]:
        return {self.row(name): value for metric in self.metrics for name, value in metric.details(self.pairs).items()}

    def remarks(self) -> list[str]:
        more = [remark for metric in self.metrics for remark in metric.remarks(self.pairs)]
        return [self.row(remark) for remark in [*self.own_remarks, *more]]


def _check_skipped(task: Task, skip: Collection[str]) -> None:
    names = [metric.name for metric in task.metrics]
    for name in skip:
        if name not in names:
            raise unknown_name(f"--skip for task {task.name}", name, names)


def _words(task: Task, text_tokenizer: str | Path | None) -> Words | None:
    if task.uses_words:
        return words_from(text_tokenizer)
    if text_tokenizer is not None:
        logger.warning("--text_tokenizer is ignored: task %s counts no words", task.name)
    return None


def _estimate(parts: Sequence[_ScoredPart], answer: str | None) -> list[Rows]:
    """The rows of each part; with an answer, those of a model that always gives it."""
    found: list[Rows] = []
    with Progress("scoring", sum(len(part.metrics) for part in parts), "metrics") as progress:
        for part in parts:
            pairs = part.pairs if answer is None else part.pairs.with_outputs([answer] * len(part.pairs))
            rows: Rows = {}
            for metric in part.metrics:
                rows |= metric.estimates(pairs)
                progress.update()
            found.append(rows)
    return found


def _scores(parts: Sequence[_ScoredPart], estimates: Sequence[Rows]) -> dict[str, Score]:
    return {
        part.row(name): one.value if isinstance(one, Estimate) else one
        for part, rows in zip(parts, estimates, strict=True)
        for name, one in rows.items()
    }


def _intervals(bootstrap: Bootstrap, parts: Sequence[_ScoredPart], estimates: Sequence[Rows]) -> dict[str, Interval]:
    """The intervals of each part's rows, its items drawn among themselves."""
    return {
        part.row(name): interval
        for part, rows in zip(parts, estimates, strict=True)
        for name, interval in bootstrap.intervals(rows, len(part.pairs)).items()
    }


def _interval_notes(bootstrap: Bootstrap | None, parts: Sequence[_ScoredPart], estimates: Sequence[Rows]) -> list[str]:
    if bootstrap is None:
        return []
    without = [
        part.row(name)
        for part, rows in zip(parts, estimates, strict=True)
        for name, one in rows.items()
        if isinstance(one, Estimate) and one.resample is None
    ]
    notes = [f"intervals: percentiles of {bootstrap.samples} draws of the items with seed {bootstrap.seed}"]
    return notes + [f"no interval for {row}: too costly to draw again" for row in without]


def _versions(parts: Sequence[_ScoredPart], words: Words | None) -> dict[str, str]:
    metrics = [metric for part in parts for metric in part.metrics]
    found = {name: version for metric in metrics for name, version in metric.versions().items()}
    return found | installed_versions(words.packages if words else ())


def _notes(
    parts: Sequence[_ScoredPart],
    scores: Sequence[dict[str, Score]],
    skip: Collection[str],
    baseline_answer: str | None,
) -> list[str]:
    counts_plain_words = any(part.pairs.words is not None and not part.pairs.words.is_published for part in parts)
    notes = [_PLAIN_NOTE] if counts_plain_words else []
    notes += [remark for part in parts for remark in part.remarks()]
    notes += dict.fromkeys(s.note for found in scores for s in found.values() if isinstance(s, Unmeasured))
    if skip:
        notes.append(f"skipped on request: {', '.join(sorted(skip))}")
    if baseline_answer is not None:
        notes.append(f"the baseline answers every item with: {baseline_answer}")
    return notes
