"""A file of answers: appended to batch by batch, whole lines only, so that it is valid whenever a run ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mindformers.tools.errors import InputError

OUTPUT_COLUMN = "output"
_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


def escaped(text: str) -> str:
    """A text on one line: its line breaks and tabs are written as `\\n`, `\\r` and `\\t`."""
    return text.translate(_ESCAPES)


class AnswerFile:
    """One line per prompt, in the order of the input.

    A table when its name ends in .tsv: a header, the prompts' own columns, then `output`. Else the output alone.

    Args:
        path: the file; it is created with its first line.
        columns: names of the prompts' own columns.
        resume: go on behind the whole lines that are there; a last line that was cut off is dropped.

    Raises:
        InputError: the file holds a table of other columns, or the folder cannot be written to.
    """

    def __init__(self, path: str | Path, columns: Sequence[str], resume: bool = False) -> None:
        self.path, self.columns = Path(path), list(columns)
        self.is_table = self.path.suffix == ".tsv"
        self.header = "\t".join([*self.columns, OUTPUT_COLUMN])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._drop_cut_line(resume)
        if lines and self.is_table and lines[0] != self.header:
            raise InputError(f"save_file '{path}'", f"columns {lines[0]!r}", f"{self.header!r}", "choose another file")
        self.has_header = bool(lines)
        self.num_done = len(lines) - (self.is_table and bool(lines)) if resume else 0

    def _drop_cut_line(self, resume: bool) -> list[str]:
        if not self.path.is_file():
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            if not resume:
                raise InputError(
                    f"save_file '{self.path}'",
                    "its last line is cut off",
                    "whole lines",
                    "pass --resume True to go on, or choose another file",
                )
            os.truncate(self.path, len(whole))
        return whole.decode("utf-8").splitlines()

    def add(self, rows: Sequence[tuple[dict[str, str], str]]) -> None:
        """Append answers, each with its prompt's columns; they are on the disk when this returns."""
        lines = [] if self.has_header or not self.is_table else [self.header]
        lines += [self._line(columns, answer) for columns, answer in rows]
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        self.has_header = True

    def _line(self, columns: dict[str, str], answer: str) -> str:
        if not self.is_table:
            return escaped(answer)
        return "\t".join([escaped(columns.get(name, "")) for name in self.columns] + [escaped(answer)])
