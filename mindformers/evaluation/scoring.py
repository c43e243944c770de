"""The story of an evaluation: words -> metrics of the model and of the baseline -> report."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

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
) -> Report:
    """Score predictions by all metrics of a task.

    Args:
        task: the name of a registered task, e.g. `caption`.
        predictions: ground truths and outputs.
        text_tokenizer: a WordPiece vocabulary for tasks that count words; without it words are split plainly.
        skip: names of metrics to leave out, e.g. `meteor`.
        baseline_answer: one answer to score beside the model's, given to every item.

    Returns:
        The report; a metric that lacks something here is in it as `Unmeasured`.

    Raises:
        InputError: the task or a metric to skip is unknown, or the vocabulary cannot be read.
    """
    chosen = get_task(task)
    metrics = _wanted(chosen, skip)
    words = _words(chosen, text_tokenizer)
    pairs = Pairs(predictions.truths, predictions.outputs, words)
    rivals = [pairs] if baseline_answer is None else [pairs, pairs.with_outputs([baseline_answer] * len(pairs))]
    scores = _score(metrics, rivals)
    return Report(
        task=task,
        items=len(pairs),
        tokenizer=words.label if words else None,
        metrics=scores[0],
        baseline=scores[1] if len(scores) > 1 else None,
        versions=_versions(metrics, words),
        notes=_notes(chosen, pairs, scores, skip, baseline_answer),
    )


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


def _score(metrics: Sequence[Metric], rivals: Sequence[Pairs]) -> list[dict[str, Score]]:
    scores: list[dict[str, Score]] = [{} for _ in rivals]
    with Progress("scoring", len(metrics) * len(rivals), "metrics") as progress:
        for metric in metrics:
            for found, pairs in zip(scores, rivals, strict=True):
                found.update(metric.score(pairs))
                progress.update()
    return scores


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
