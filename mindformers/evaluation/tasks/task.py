"""What a task is: how its prediction file reads, which metrics score it, what is worth a remark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from mindformers.evaluation.metrics.metric import Metric, Pairs, Score
from mindformers.evaluation.predictions import PredictionTable, read_predictions
from mindformers.tools.errors import unknown_name

if TYPE_CHECKING:
    from mindformers.evaluation.words import Words

T = TypeVar("T", bound="type[Task]")


@dataclass(frozen=True)
class Part:
    """Items that are scored together.

    Args:
        label: stands before the names of their rows; empty where a table has one part.
        pairs: the items.
        metrics: what scores them.
        remarks: what a reader of the scores has to know.
    """

    label: str
    pairs: Pairs
    metrics: tuple[type[Metric], ...]
    remarks: Sequence[str] = ()

    def row(self, name: str) -> str:
        """The name of a row in the table."""
        return f"{self.label}: {name}" if self.label else name


class Task:
    """Base of the registered tasks.

    Attributes:
        name: what `--task` takes.
        input_column: the first column of its prediction file.
        answer_columns: columns that may hold the answers in a training table, for the baseline.
        metrics: its metrics in the order of the table.
        uses_words: whether a metric counts words, so that `--text_tokenizer` matters.
    """

    name: ClassVar[str]
    input_column: ClassVar[str]
    answer_columns: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[type[Metric], ...]]
    uses_words: ClassVar[bool] = False

    def read(self, predictions: str | Path, references: str | Path | None = None) -> PredictionTable:
        """Read the prediction file of this task; see `read_predictions`."""
        return read_predictions(predictions, self.input_column, references)

    def parts(self, table: PredictionTable, words: Words | None) -> list[Part]:
        """The table in parts that are scored one by one; here all of it."""
        pairs = Pairs(table.truths, table.outputs, words)
        return [Part("", pairs, self.metrics, self.remarks(pairs))]

    def summary(self, scores: Mapping[str, Score]) -> dict[str, float]:
        """Rows over several parts, from the rows of all parts."""
        return {}

    def remarks(self, pairs: Pairs) -> list[str]:
        """What a reader of the scores has to know about these predictions, one sentence each."""
        empty = sum(not output for output in pairs.outputs)
        return [f"{empty} of {len(pairs)} outputs are empty"] if empty else []


_TASKS: dict[str, Task] = {}


def register_task(task: T) -> T:
    """Decorator: make a task known under its `name`."""
    _TASKS[task.name] = task()
    return task


def get_task(name: str) -> Task:
    """The task registered as `name`. Raises InputError where there is none."""
    if name not in _TASKS:
        raise unknown_name("--task", name, _TASKS)
    return _TASKS[name]


def task_names() -> list[str]:
    """The names of all tasks, sorted."""
    return sorted(_TASKS)
