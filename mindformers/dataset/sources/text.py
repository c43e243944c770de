"""Plain text: every line that is not blank is a document or paragraph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources.base import Source, register_source
from mindformers.dataset.sources.lines import read_lines


@register_source("wiki")
@register_source("text")
class TextSource(Source):
    """Lines of text; sequences in tags are read as such. Blank lines only separate."""

    packs = True

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        for number, line in read_lines(path):
            if line is None:
                yield BadRow(str(path), number, "not UTF-8")
            elif line.strip():
                yield Example(text=line.strip(), file=str(path), line=number)
