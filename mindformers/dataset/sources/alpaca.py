"""Instructions: `{"instruction", "input", "output"}`; input may be missing or empty."""

from __future__ import annotations

from typing import Any

from mindformers.dataset.example import GPT, HUMAN, Turn
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.json_source import JsonSource, row_value


@register_source("alpaca")
class AlpacaSource(JsonSource):
    """An instruction, what it is about, and the answer."""

    template = "alpaca"

    @staticmethod
    def turns(row: Any) -> tuple[Turn, ...]:
        instruction = row_value(row, "instruction", str)
        given = row_value(row, "input", str) if row.get("input") else ""
        return Turn(HUMAN, instruction, given), Turn(GPT, row_value(row, "output", str))
