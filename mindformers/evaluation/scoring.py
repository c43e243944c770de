"""The story of an evaluation: words -> metrics of the model and of the baseline -> report."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path

from mindformers.evaluation.bootstrap import Bootstrap
from mindformers.evaluation.metrics.estimate import Estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, Score, Unmeasured, installed_versions
from mindformers.evaluation.predictions import PredictionTable
from mindformers.evaluation.report import Report
from mindformers.evaluation.tasks import Task, get_task
from mindformers.evaluation.words import Words, words_from
from mindformers.tools.errors import unknown_name
from mindformers.tools.logging import get_logger
from mindformers.tools.progress import Progress

logger = get_logger(__name__)
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
    metrics = [*_wanted(chosen, skip), *more_metrics]
    words = _words(chosen, text_tokenizer)
    pairs = Pairs(predictions.truths, predictions.outputs, words)
    rivals = [pairs] if baseline_answer is None else [pairs, pairs.with_outputs([baseline_answer] * len(pairs))]
    estimates = _estimate(metrics, rivals)
    scores = [{row: _value(found) for row, found in one.items()} for one in estimates]
    return Report(
        task=task,
        items=len(pairs),
        tokenizer=words.label if words else None,
        metrics=scores[0],
        baseline=scores[1] if len(scores) > 1 else None,
        intervals=bootstrap.intervals(estimates[0], len(pairs)) if bootstrap else None,
        references=hash_of(predictions.truths),
        details={name: value for metric in metrics for name, value in metric.details(pairs).items()},
        versions=_versions(metrics, words) | (installed_versions(["numpy"]) if bootstrap else {}),
        notes=[
            *_notes(chosen, pairs, scores, skip, baseline_answer),
            *(remark for metric in metrics for remark in metric.remarks(pairs)),
            *_interval_notes(bootstrap, estimates[0]),
        ],
    )


def hash_of(truths: Sequence[str]) -> str:
    """A short name for a list of ground truths: equal lists have equal ones."""
    return blake2b("\n".join(truths).encode(), digest_size=8).hexdigest()


def _wanted(task: Task, skip: Collection[str]) -> list[Metric]:
    names = [metric.name for metric in task.metrics]
    for name in skip:
        if name not in names:
            raise unknown_name(f"--skip for task {task.name}", name, names)
    return [metric() for metric in task.metrics if metric.name not in skip]


def _words(task: Task, text_tokenizer: str | Path | None) -> Words | None:
    if task.uses_words:
        return words_from(text_tokenizer)
    if text_tokenizer is not None:
        logger.warning("--text_tokenizer is ignored: task %s counts no words", task.name)
    return None


def _estimate(metrics: Sequence[Metric], rivals: Sequence[Pairs]) -> list[dict[str, Estimate | Unmeasured]]:
    found: list[dict[str, Estimate | Unmeasured]] = [{} for _ in rivals]
    with Progress("scoring", len(metrics) * len(rivals), "metrics") as progress:
        for metric in metrics:
            for rows, pairs in zip(found, rivals, strict=True):
                rows.update(metric.estimates(pairs))
                progress.update()
    return found


def _value(found: Estimate | Unmeasured) -> Score:
    return found.value if isinstance(found, Estimate) else found


def _interval_notes(bootstrap: Bootstrap | None, estimates: dict[str, Estimate | Unmeasured]) -> list[str]:
    if bootstrap is None:
        return []
    notes = [f"intervals: percentiles of {bootstrap.samples} draws of the items with seed {bootstrap.seed}"]
    without = [row for row, found in estimates.items() if isinstance(found, Estimate) and found.resample is None]
    return notes + [f"no interval for {row}: too costly to draw again" for row in without]


def _versions(metrics: Sequence[Metric], words: Words | None) -> dict[str, str]:
    found = {name: version for metric in metrics for name, version in metric.versions().items()}
    return found | installed_versions(words.packages if words else ())


def _notes(
    task: Task, pairs: Pairs, scores: Sequence[dict[str, Score]], skip: Collection[str], baseline_answer: str | None
) -> list[str]:
    notes = [] if pairs.words is None or pairs.words.is_published else [_PLAIN_NOTE]
    notes += task.remarks(pairs)
    notes += dict.fromkeys(s.note for found in scores for s in found.values() if isinstance(s, Unmeasured))
    if skip:
        notes.append(f"skipped on request: {', '.join(sorted(skip))}")
    if baseline_answer is not None:
        notes.append(f"the baseline answers every item with: {baseline_answer}")
    return notes
