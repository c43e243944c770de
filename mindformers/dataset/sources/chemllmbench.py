"""The files of ChemLLMBench as ChemDFM publishes them: questions with their right answers, an object a line.

    {"question", "answer", "task_name"}                               the question is whole
    {"question", "input_format": "SMILES: {}\\nAnswer:", "input", ...}    the input goes into the slot and behind it
    {..., "few_shots_examples": [{"human", "assistant"}, ...]}         solved inputs that may stand in front

`read_items` is the one reader of this form: training, prompts and scores are made from its items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mindformers.dataset.example import GPT, HUMAN, BadRow, Example, Turn
from mindformers.dataset.sources.base import Source, register_source
from mindformers.dataset.sources.find_molecules import is_molecule, tag_molecules, tagged
from mindformers.dataset.sources.json_rows import json_rows
from mindformers.dataset.sources.json_source import RowError, row_value

_SLOT = "{}"
# Retrosynthesis lists the reactants, all of which are needed; elsewhere each answer of a list is right.
_NEEDS_ALL = ("retro",)


class Shot(NamedTuple):
    """A solved example of a few-shot prompt: what is given, and the answer; both as published."""

    given: str
    answer: str


@dataclass(frozen=True, slots=True)
class BenchmarkItem:
    """A question of the benchmark, as published.

    Args:
        task: name of the task, e.g. `retro-synthesis`; empty where the file gives none.
        question: the whole question, or what stands before the input.
        answers: the right answers in the order of the file, at least one.
        given: the input that goes into `slot`; empty where the question is whole.
        slot: a text with `{}` in the place of the input.
        shots: solved examples, possibly none.
        file, line: where the item stands.
    """

    task: str
    question: str
    answers: tuple[str, ...]
    given: str = ""
    slot: str = ""
    shots: tuple[Shot, ...] = ()
    file: str = ""
    line: int = 0

    @property
    def reference(self) -> str:
        """The right answer in one string: all reactants joined by dots in a retrosynthesis, elsewhere the first."""
        needs_all = any(word in self.task.lower() for word in _NEEDS_ALL)
        return ".".join(self.answers) if needs_all else self.answers[0]

    @property
    def target(self) -> str:
        """The answer as a model learns and gives it: the reference, in tags where it is a molecule."""
        return self.answer_text(self.reference)

    def answer_text(self, answer: str) -> str:
        """An answer, of this item or of one of its shots, in tags where it is a molecule."""
        is_formula = "formula" in self.task.lower()
        return tagged(answer) if len(answer) > 1 and not is_formula and is_molecule(answer) else answer

    def fill(self, given: str) -> str:
        """An input, of this item or of one of its shots, in the slot; molecules in tags."""
        return tag_molecules(self.slot.replace(_SLOT, given, 1))

    def prompt(self) -> str:
        """The question without solved examples; molecules in tags."""
        question = tag_molecules(self.question)
        return question + self.fill(self.given) if self.slot else question


def read_items(path: str | Path) -> Iterator[BenchmarkItem | BadRow]:
    """The items of a file, in order, and a BadRow for each row that is none.

    Raises:
        InputError: the file is missing, empty or a broken list.
    """
    for index, row in enumerate(json_rows(path)):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield _item(row.value, str(path), row.line)
        except RowError as error:
            yield BadRow(str(path), row.line, f"item {index}: {error}")


@register_source("chemllmbench")
class ChemLLMBenchSource(Source):
    """The items as instructions: the question without solved examples, and the right answer."""

    suffixes = (".json", ".jsonl")

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        for item in read_items(path):
            if isinstance(item, BadRow):
                yield item
            else:
                yield Example((Turn(HUMAN, item.prompt()), Turn(GPT, item.target)), file=item.file, line=item.line)


def _item(row: Any, file: str, line: int) -> BenchmarkItem:
    question = _text(row, "question")
    task = row_value(row, "task_name", str) if "task_name" in row else ""
    given, slot = (_text(row, "input"), _text(row, "input_format")) if "input" in row else ("", "")
    if slot and slot.count(_SLOT) != 1:
        raise RowError(f"'input_format' has {slot.count(_SLOT)} places {_SLOT}, expected 1")
    shots = (
        tuple(_shot(shot) for shot in row_value(row, "few_shots_examples", list)) if "few_shots_examples" in row else ()
    )
    if shots and not slot:
        raise RowError("'few_shots_examples' without 'input' and 'input_format'")
    return BenchmarkItem(task, question, _answers(row), given, slot, shots, file, line)


def _shot(row: Any) -> Shot:
    try:
        return Shot(_text(row, "human"), _text(row, "assistant"))
    except RowError as error:
        raise RowError(f"in 'few_shots_examples': {error}") from None


def _answers(row: Any) -> tuple[str, ...]:
    answers = row.get("answer")
    answers = answers if isinstance(answers, list) else [row_value(row, "answer", str)]
    if not answers or not all(isinstance(answer, str) and answer.strip() for answer in answers):
        raise RowError("'answer' is empty or not made of strings")
    return tuple(answers)


def _text(row: Any, key: str) -> str:
    value = row_value(row, key, str)
    if not value.strip():
        raise RowError(f"'{key}' is empty")
    return value
