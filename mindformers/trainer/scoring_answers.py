"""From answers straight to their table: what `--score_as` adds to a prediction."""

from __future__ import annotations

import sys
from pathlib import Path

from mindformers.evaluation.scoring import evaluate
from mindformers.evaluation.table import format_report
from mindformers.evaluation.tasks import get_task, task_names
from mindformers.evaluation.words import words_from
from mindformers.tools.errors import InputError, unknown_name
from mindformers.tools.files import write_json
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)


def check_scoring(task: str | None, save_file: str | None, text_tokenizer: str | None) -> None:
    """Refuse what could not be scored once all is answered.

    Raises:
        InputError: an unknown task, answers that go into no table, or a vocabulary that cannot be read.
    """
    if task is None:
        if text_tokenizer is not None:
            raise InputError("--text_tokenizer", "given without --score_as", "a task to score", "pass both")
        return
    if task not in task_names():
        raise unknown_name("--score_as", task, task_names())
    if save_file is None or Path(save_file).suffix != ".tsv":
        raise InputError("--score_as", f"answers go to {save_file or 'the screen'}", "--save_file F.tsv", "pass one")
    words_from(text_tokenizer)


def score_answers(task: str, save_file: str | Path, text_tokenizer: str | None = None) -> Path:
    """Print the table of a file of answers and write its report beside it.

    Args:
        task: as `--task` of the evaluation.
        save_file: the answers with their ground truths, a table.
        text_tokenizer: a WordPiece vocabulary for tasks that count words.

    Returns:
        The report, `answers.metrics.json` of `answers.tsv`.

    Raises:
        InputError: the answers have no ground truths beside them.
    """
    report = evaluate(task, get_task(task).read(save_file), text_tokenizer=text_tokenizer)
    path = Path(save_file).with_suffix(".metrics.json")
    write_json(path, report.to_json())
    sys.stdout.write(format_report(report) + "\n")
    logger.info("scores written to %s", path)
    return path
