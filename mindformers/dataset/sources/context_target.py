"""Ready prompts with their answers: `{"context", "target"}`, one object a line."""

from __future__ import annotations

from typing import Any

from mindformers.dataset.example import GPT, HUMAN, Turn
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.json_source import JsonSource, row_value


@register_source("context_target")
class ContextTargetSource(JsonSource):
    """The context is the whole prompt; nothing is put around it."""

    template = "plain"

    @staticmethod
    def turns(row: Any) -> tuple[Turn, ...]:
        return Turn(HUMAN, row_value(row, "context", str)), Turn(GPT, row_value(row, "target", str))
