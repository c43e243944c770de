"""A file of answers: each is appended as a whole line, so that the file is valid whenever a run ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mindformers.tools.errors import InputError
from mindformers.tools.files import sync

OUTPUT_COLUMN = "output"
_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


def escaped(text: str) -> str:
    """A text on one line: its line breaks and tabs are written as `\\n`, `\\r` and `\\t`."""
    return text.translate(_ESCAPES)


class AnswerFile:
    """One line per prompt, in the order of the input.

    A table when its name ends in .tsv: a header, the prompts' own columns, then the outputs. Else the outputs alone,
    separated by tabs where there are several.

    Args:
        path: the file; it is created with its first line.
        columns: names of the prompts' own columns; one that is also an output's name gives way to that.
        resume: go on behind the whole lines that are there; a last line that was cut off is dropped.
        outputs: names of what is written for each prompt.
        lines_per_sync: lines behind which the disk is waited for. Every line outlasts the process, those that the disk
            has outlast the machine.

    Raises:
        InputError: it is no file of answers, or a table of other columns, and is left as it was; or there is no
            place for it.
    """

    def __init__(
        self,
        path: str | Path,
        columns: Sequence[str],
        resume: bool = False,
        outputs: Sequence[str] = (OUTPUT_COLUMN,),
        lines_per_sync: int = 1,
    ) -> None:
        self.path, self.outputs = Path(path), list(outputs)
        self.columns = [name for name in columns if name not in self.outputs]
        self.is_table = self.path.suffix == ".tsv"
        self.header = "\t".join([*self.columns, *self.outputs])
        self._lines_per_sync, self._num_unsynced = lines_per_sync, 0
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

    def add(self, rows: Sequence[tuple[dict[str, str], Sequence[str]]]) -> None:
        """Append lines, each of a prompt's own columns and its outputs, as many as named or fewer."""
        lines = [] if self.has_header or not self.is_table else [self.header]
        lines += [self._line(columns, outputs) for columns, outputs in rows]
        content = "".join(f"{line}\n" for line in lines).encode("utf-8")
        # One call of the system for all of it: a process that is killed leaves whole lines.
        with self.path.open("ab", buffering=len(content) + 1) as file:
            file.write(content)
        self.has_header = True
        self._num_unsynced += len(rows)
        if self._num_unsynced >= self._lines_per_sync:
            self.sync()

    def sync(self) -> None:
        """Have all lines on the disk before going on."""
        if self._num_unsynced:
            sync(self.path)
        self._num_unsynced = 0

    def _line(self, columns: dict[str, str], outputs: Sequence[str]) -> str:
        own = [columns.get(name, "") for name in self.columns] if self.is_table else []
        missing = [""] * (len(self.outputs) - len(outputs))
        return "\t".join(map(escaped, [*own, *outputs, *missing]))
