"""What `--predict_data` gives, as prompts: texts, ready prompts, conversations, or a table of molecules."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mindformers.dataset.benchmark_prompts import Shots, benchmark_prompts, is_benchmark
from mindformers.dataset.example import GPT, HUMAN, BadRow, Turn
from mindformers.dataset.instructions import CAPTION_INSTRUCTIONS, MOLGEN_INSTRUCTIONS
from mindformers.dataset.prompt import TRUTH_COLUMN, Prompt
from mindformers.dataset.sources.json_rows import json_rows
from mindformers.dataset.sources.json_source import RowError, row_value
from mindformers.dataset.sources.lines import inner_suffix, read_lines
from mindformers.dataset.sources.qa import ConversationSource
from mindformers.dataset.sources.tables import TableRow, read_table
from mindformers.dataset.templates import Template, get_template
from mindformers.tools.errors import InputError

_COLUMN_INSTRUCTIONS = {"smiles": CAPTION_INSTRUCTIONS[0], "description": MOLGEN_INSTRUCTIONS[0]}


class Prompts:
    """The prompts of texts and files, in order, read one by one each time that they are gone through.

    Args:
        predict_data: texts, or files by their suffix. A text is a human turn, put into the template (`plain` leaves it
            as it is). `.txt`: one ready prompt a line, used as it is. `.json`, `.jsonl`: conversations, up to the last
            human turn; the answer behind it becomes the column `ground truth`; or items of ChemLLMBench; or rows of
            `instruction`, `input` and `output`, put into the template, or of `context` and `target`, ready prompts.
            `.tsv`, `.csv`: a table with a column `SMILES` (else `description`), whose value is put into the instruction
            of its task; all columns are kept.
        template: the template, or its name; the one that the model was trained with.
        shots: which solved examples stand in front of an item of ChemLLMBench; by default all that come with it.

    Raises, when gone through:
        InputError: a file is missing, empty or broken, or a column or a line is.
    """

    def __init__(self, predict_data: str | Sequence[str], template: Template | str, shots: Shots | None = None) -> None:
        self.given = [predict_data] if isinstance(predict_data, str) else list(predict_data)
        self.template = get_template(template) if isinstance(template, str) else template
        self.shots = shots or Shots()
        self._is_told = False

    def __iter__(self) -> Iterator[Prompt]:
        if not self.given:
            raise InputError("predict_data", "no prompt", "a text or a file with prompts", "check the input")
        for one in self.given:
            yield from self._of(one)
        self._is_told = True

    def _of(self, given: str) -> Iterator[Prompt]:
        suffix, is_file = inner_suffix(given), os.path.isfile(given)
        if not is_file and (suffix not in _READERS or " " in given.strip()):
            return iter([Prompt(self.template.render_prompt([Turn(HUMAN, given)]))])
        if suffix not in _READERS:
            raise InputError(
                f"predict_data '{given}'", f"suffix '{suffix}'", f"one of {', '.join(_READERS)}", "rename it"
            )
        if suffix in _JSON and is_benchmark(given):
            return benchmark_prompts(Path(given), self.template, self.shots, is_told=self._is_told)
        return _some(given, _READERS[suffix](Path(given), self.template))


def _some(given: str, prompts: Iterator[Prompt]) -> Iterator[Prompt]:
    """Prompts, of which there must be one."""
    first = next(prompts, None)
    if first is None:
        raise InputError(f"predict_data '{given}'", "no prompt in it", "one prompt or more", "check the file")
    return chain([first], prompts)


def _ready_prompts(path: Path, template: Template) -> Iterator[Prompt]:
    blank = 0
    for number, line in read_lines(path):
        if line is None:
            raise _line_error(path, number, "not UTF-8", "UTF-8 text")
        if not line.strip():
            blank = blank or number
            continue
        if blank:
            raise _line_error(path, blank, "empty line", "one prompt a line")
        yield Prompt(line, source=f"{path} line {number}")


def _conversations(path: Path, template: Template) -> Iterator[Prompt]:
    for index, row in enumerate(json_rows(path)):
        if isinstance(row, BadRow):
            raise _line_error(path, row.line, row.reason, "a conversation")
        where = f"{path} line {row.line}"
        try:
            if (asked_alone := _instruction(row.value, template, where)) is not None:
                yield asked_alone
                continue
            turns = ConversationSource.turns(row.value)
            asked = max((i + 1 for i, turn in enumerate(turns) if turn.role == HUMAN), default=0)
            text = template.render_prompt(turns[:asked])
        except (RowError, InputError) as error:
            reason = getattr(error, "got", str(error))
            raise _line_error(path, row.line, f"item {index}: {reason}", "a conversation") from error
        columns = {"id": str(row.value["id"])} if "id" in row.value else {}
        if turns[asked:] and turns[asked].role == GPT:
            columns[TRUTH_COLUMN] = turns[asked].text
        yield Prompt(text, columns, where)


def _instruction(row: Any, template: Template, where: str) -> Prompt | None:
    """The prompt of a row of an instruction format; None for a row of another. Raises RowError where it is broken."""
    if not isinstance(row, dict) or not {"context", "instruction"} & row.keys():
        return None
    answer = "target" if "context" in row else "output"
    columns = {TRUTH_COLUMN: row_value(row, answer, str)} if answer in row else {}
    if "context" in row:
        return Prompt(row_value(row, "context", str), columns, where)
    given = row_value(row, "input", str) if row.get("input") else ""
    return Prompt(template.render_prompt([Turn(HUMAN, row_value(row, "instruction", str), given)]), columns, where)


def _table(path: Path, template: Template) -> Iterator[Prompt]:
    rows = read_table(path)
    header = next(rows).fields
    column, instruction = _input_column(path, header)
    blank = 0
    for row in rows:
        if not row.fields:
            blank = blank or row.line
            continue
        if blank:
            raise _line_error(path, blank, "empty line", "a row")
        value = _checked_row(path, row, header, column)
        text = template.render_prompt([Turn(HUMAN, instruction.format(value))])
        yield Prompt(text, dict(zip(header, row.fields, strict=True)), f"{path} line {row.line}")


def _input_column(path: Path, header: list[str]) -> tuple[int, str]:
    names = [name.strip().lower() for name in header]
    for name, instruction in _COLUMN_INSTRUCTIONS.items():
        if name in names:
            return names.index(name), instruction
    found = ", ".join(header) or "nothing"
    raise _line_error(path, 1, f"columns {found}", "a column SMILES or description")


def _checked_row(path: Path, row: TableRow, header: list[str], column: int) -> str:
    if len(row.fields) != len(header):
        raise _line_error(path, row.line, f"{len(row.fields)} columns", f"{len(header)} as in the header")
    value = row.fields[column].strip()
    if not value:
        raise _line_error(path, row.line, f"'{header[column]}' is empty", "a value")
    return value


def _line_error(path: Path, line: int, got: str, expected: str) -> InputError:
    return InputError(f"predict_data '{path}' line {line}", got, expected, "correct the file")


_JSON = (".json", ".jsonl")
_READERS: dict[str, Any] = {
    ".txt": _ready_prompts,
    ".json": _conversations,
    ".jsonl": _conversations,
    ".tsv": _table,
    ".csv": _table,
}
