"""Prediction files: what the model was given, what it should have said, what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindformers.evaluation.text_files import read_lines, read_table
from mindformers.tools.errors import InputError

TRUTH_COLUMN, OUTPUT_COLUMN = "ground truth", "output"
_INPUT_COLUMNS = frozenset({"SMILES", "description"})
_CLS_PREFIX = "[CLS] "


@dataclass(frozen=True)
class PredictionTable:
    """Ground truths and outputs, item by item.

    Args:
        truths: the right answer of each item.
        outputs: the model's answer of each item, in the same order; a leading `[CLS] ` is removed.

    Raises:
        InputError: the two differ in length, or there is no item.
    """

    truths: Sequence[str]
    outputs: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.truths) != len(self.outputs) or not self.truths:
            got = f"{len(self.outputs)} outputs for {len(self.truths)} ground truths"
            raise InputError("predictions", got, "one output for each ground truth, and at least one")
        object.__setattr__(self, "outputs", [output.removeprefix(_CLS_PREFIX) for output in self.outputs])

    def __len__(self) -> int:
        return len(self.truths)


def read_predictions(
    predictions: str | Path, input_column: str, references: str | Path | None = None
) -> PredictionTable:
    """Read a prediction file.

    Args:
        predictions: without `references` a table with the columns `ground truth` and `output`, in any order and beside
            others, but not with the input of another task; with it one output a line and no header. Plain text or
            `.xz`; `\\n` written as two characters stays so.
        input_column: the name of the first column, `SMILES` or `description`.
        references: the ground truths, one a line, in the order of the outputs.

    Returns:
        The table.

    Raises:
        InputError: a file cannot be read, has other columns, a broken row, or the line counts differ.
    """
    if references is not None:
        return _from_lines(predictions, references)
    header, rows = read_table(predictions, "--predictions")
    is_another_task = input_column not in header and not _INPUT_COLUMNS.isdisjoint(header)
    if is_another_task or not {TRUTH_COLUMN, OUTPUT_COLUMN} <= {*header}:
        raise InputError(
            f"{predictions} line 1",
            f"columns {_shown(header)}",
            f"{_shown([input_column, TRUTH_COLUMN, OUTPUT_COLUMN])}, separated by tabs",
            "check --task, or give --references where the file has one output a line",
        )
    truth, output = header.index(TRUTH_COLUMN), header.index(OUTPUT_COLUMN)
    return PredictionTable([row[truth] for row in rows], [row[output] for row in rows])


def _from_lines(predictions: str | Path, references: str | Path) -> PredictionTable:
    outputs, truths = read_lines(predictions, "--predictions"), read_lines(references, "--references")
    if len(outputs) != len(truths):
        raise InputError(
            f"{predictions}",
            f"{len(outputs)} lines",
            f"{len(truths)}, as in {references}",
            "give one output and one ground truth a line, without a header",
        )
    return PredictionTable(truths, outputs)


def _shown(columns: list[str]) -> str:
    text = ", ".join(f"'{column}'" for column in columns[:5])
    return text if len(text) <= 120 else f"{text[:117]}..."
