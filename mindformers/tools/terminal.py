"""Lines that somebody types."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO


def typed_lines(out: TextIO, prompt: str, hint: str) -> Iterator[str]:
    """What is typed in a terminal, line by line, until Ctrl-D, or Ctrl-C twice in a row; one alone clears the line.

    Args:
        out: the terminal.
        prompt: shown in front of every line.
        hint: shown after the first Ctrl-C.
    """
    with suppress(ImportError):  # arrow keys and history for `input`, where Python has them
        importlib.import_module("readline")
    is_leaving = False
    while True:
        try:
            line = input(prompt)
        except EOFError:
            out.write("\n")
            return
        except KeyboardInterrupt:
            out.write("\n" if is_leaving else f"\n{hint}\n")
            if is_leaving:
                return
            is_leaving = True
        else:
            is_leaving = False
            yield line
