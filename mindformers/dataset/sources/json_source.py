"""What the JSON formats share: rows with turns, and the checks of their keys."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindformers.dataset.example import BadRow, Example, Turn, why_not_a_conversation
from mindformers.dataset.sources.base import Source
from mindformers.dataset.sources.json_rows import json_rows


class RowError(ValueError):
    """A row that is no example; the message is the reason."""


class JsonSource(Source):
    """A JSON list, or a JSON value a line; every row is a conversation of some form."""

    suffixes = (".json", ".jsonl")

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        for index, row in enumerate(json_rows(path)):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                turns = self.turns(row.value)
                reason = why_not_a_conversation(turns)
            except RowError as error:
                reason = str(error)
            if reason:
                yield BadRow(str(path), row.line, f"item {index}: {reason}")
            else:
                yield Example(turns=turns, file=str(path), line=row.line)

    @staticmethod
    @abstractmethod
    def turns(row: Any) -> tuple[Turn, ...]:
        """The turns of a row. Raises RowError with the reason where it has none."""


def row_value(row: Any, key: str, kind: type) -> Any:
    """`row[key]`. Raises RowError unless row is an object that has it, of this kind."""
    if not isinstance(row, dict):
        raise RowError(f"{type(row).__name__}, expected an object with '{key}'")
    if key not in row:
        raise RowError(f"no '{key}', found {', '.join(map(str, row)) or 'nothing'}")
    if not isinstance(row[key], kind):
        raise RowError(f"'{key}' is {type(row[key]).__name__}, expected {kind.__name__}")
    return row[key]
