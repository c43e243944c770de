"""Ready prompts with their answers: `{"context", "target"}`, one object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindformers.dataset.example import GPT, HUMAN, BadRow, Example, Turn
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.json_source import JsonSource, row_value


@register_source("context_target")
class ContextTargetSource(JsonSource):
    """The context is the whole prompt; nothing is put around it."""

    template = "plain"

    @staticmethod
    def turns(row: Any) -> tuple[Turn, ...]:
        return Turn(HUMAN, row_value(row, "context", str)), Turn(GPT, row_value(row, "target", str))


@register_source("context_target_text")
class ContextTargetTextSource(ContextTargetSource):
    """The same rows for a base that shall know the language of both parts, not yet which answer belongs to a prompt."""

    parts = 2

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        """Each context and each target as a text of its own."""
        for row in super().read(path):
            if isinstance(row, BadRow):
                yield row
                continue
            for turn in row.turns[: self.parts]:
                yield Example(text=turn.text, file=row.file, line=row.line, may_split=False)


@register_source("context_text")
class ContextTextSource(ContextTargetTextSource):
    """The contexts of the same rows alone, each as a text."""

    parts = 1
