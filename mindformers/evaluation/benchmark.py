"""Predictions for ChemLLMBench: what each item asked, which answers are right, what was said and how surely.

A table as `--run_mode predict` writes it, with the columns `task`, `ground truth`, `output` and, where Yes or No was
asked, `P(Yes)`; or one output a line beside the benchmark's own file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindformers.dataset.prompt import PROBABILITY_COLUMN, TASK_COLUMN, TRUTH_COLUMN
from mindformers.evaluation.predictions import OUTPUT_COLUMN, PredictionTable
from mindformers.evaluation.text_files import read_lines, read_table
from mindformers.tools.errors import InputError

_NEEDED = (TASK_COLUMN, TRUTH_COLUMN, OUTPUT_COLUMN)


@dataclass(frozen=True)
class BenchmarkTable(PredictionTable):
    """A prediction table whose items belong to several tasks.

    Args:
        tasks: the task of each item, as the benchmark names it.
        answers: all right answers of each item; for a selection the candidates, best first.
        probabilities: P(Yes) / (P(Yes) + P(No)) of each item; None where it is not known.
    """

    tasks: Sequence[str] = ()
    answers: Sequence[tuple[str, ...]] = ()
    probabilities: Sequence[float | None] = ()


def read_benchmark(predictions: str | Path, references: str | Path | None = None) -> BenchmarkTable:
    """Read predictions for ChemLLMBench.

    Args:
        predictions: the table; with `references` one output a line and no header.
        references: a file of the benchmark, its items in the order of the outputs.

    Raises:
        InputError: a file cannot be read, a column is missing, a cell cannot be used, or the lengths differ.
    """
    return _from_table(predictions) if references is None else _from_lines(predictions, references)


def _from_table(path: str | Path) -> BenchmarkTable:
    header, rows = read_table(path, "--predictions")
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        shown = ", ".join(f"'{name}'" for name in header)[:120]
        hint = "predict from the benchmark's .jsonl files into a .tsv, or give --references"
        raise InputError(f"{path} line 1", f"columns {shown}", f"also {', '.join(missing)}", hint)
    tasks, truths, outputs = ([row[header.index(name)] for row in rows] for name in _NEEDED)
    answers = [_answers(cell, f"{path} line {number}") for number, cell in enumerate(truths, start=2)]
    cells = [row[header.index(PROBABILITY_COLUMN)] if PROBABILITY_COLUMN in header else "" for row in rows]
    probabilities = [_probability(cell, f"{path} line {number}") for number, cell in enumerate(cells, start=2)]
    return BenchmarkTable([found[0] for found in answers], outputs, tasks, answers, probabilities)


def _from_lines(predictions: str | Path, references: str | Path) -> BenchmarkTable:
    from mindformers.dataset.benchmark_prompts import required_items

    outputs, items = read_lines(predictions, "--predictions"), list(required_items(references, "--references"))
    if len(outputs) != len(items):
        expected = f"{len(items)}, one for each item of {references}"
        raise InputError(
            f"{predictions}", f"{len(outputs)} lines", expected, "give one output a line, without a header"
        )
    answers = [(item.reference,) if item.reference != item.answers[0] else item.answers for item in items]
    truths = [item.reference for item in items]
    return BenchmarkTable(truths, outputs, [item.task for item in items], answers, [None] * len(items))


def _answers(cell: str, where: str) -> tuple[str, ...]:
    if not cell.startswith('["'):
        return (cell,)
    try:
        found = json.loads(cell)
    except json.JSONDecodeError as error:
        raise InputError(where, f"ground truth is no JSON list ({error.msg})", "an answer, or a JSON list") from error
    return tuple(map(str, found))


def _probability(cell: str, where: str) -> float | None:
    if not cell.strip():
        return None
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"{where} column {PROBABILITY_COLUMN}", f"'{cell[:40]}'", "a number from 0 to 1, or nothing")
    return value
