"""Conversations: `{"id", "conversations" | "conversation": [{"from": "human" | "gpt", "value": ...}, ...]}`."""

from __future__ import annotations

from typing import Any

from mindformers.dataset.example import GPT, HUMAN, SYSTEM, Turn
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.json_source import JsonSource, RowError, row_value

_ROLES = {"human": HUMAN, "user": HUMAN, "gpt": GPT, "assistant": GPT, "system": SYSTEM}


@register_source("qa")
class ConversationSource(JsonSource):
    """The published form of question and answer, in any number of rounds."""

    @staticmethod
    def turns(row: Any) -> tuple[Turn, ...]:
        key = "conversation" if isinstance(row, dict) and "conversation" in row else "conversations"
        return tuple(Turn(_role(turn), row_value(turn, "value", str)) for turn in row_value(row, key, list))


def _role(turn: Any) -> str:
    role = row_value(turn, "from", str)
    if role not in _ROLES:
        raise RowError(f"a turn from '{role}', expected human or gpt")
    return _ROLES[role]
