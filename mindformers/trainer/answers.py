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
        InputError: it is no file of answers, or a table of other columns, and is left as it was; or there is no
            place for it.
    """

    def __init__(self, path: str | Path, columns: Sequence[str], resume: bool = False) -> None:
        self.path, self.columns = Path(path), list(columns)
        self.is_table = self.path.suffix == ".tsv"
        self.header = "\t".join([*self.columns, OUTPUT_COLUMN])
        content = self._content()
        whole = content[: content.rfind(b"\n") + 1]
        lines = self._lines_of(whole)
        if len(whole) < len(content):
            self._drop_cut_line(len(whole), resume)
        self._make_folder()
        self.has_header = bool(lines)
        self.num_done = len(lines) - (self.is_table and bool(lines)) if resume else 0

    def _content(self) -> bytes:
        if self.path.is_dir():
            raise self._refusal("is a folder", "a file")
        return self.path.read_bytes() if self.path.exists() else b""

    def _lines_of(self, whole: bytes) -> list[str]:
        try:
            lines = whole.decode("utf-8").split("\n")[:-1]
        except UnicodeDecodeError as error:
            raise self._refusal("not UTF-8", "a file of answers") from error
        if lines and self.is_table and lines[0] != self.header:
            raise self._refusal(f"columns {lines[0]!r}", f"{self.header!r}")
        return lines

    def _drop_cut_line(self, length: int, resume: bool) -> None:
        if not resume:
            raise self._refusal("its last line is cut off", "whole lines", "pass --resume True to go on, or ")
        os.truncate(self.path, length)

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(f"no folder can be made for it ({error.strerror})", "a place to write to") from error

    def _refusal(self, got: str, expected: str, instead: str = "") -> InputError:
        return InputError(f"save_file '{self.path}'", got, expected, f"{instead}choose another file")

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
