"""Conversations: `{"id", "conversations" | "conversation": [{"from": "human" | "gpt", "value": ...}, ...]}`."""

from __future__ import annotations

from typing import Any

from mindformers.dataset.example import GPT, HUMAN, SYSTEM, Turn
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.json_source import JsonSource, RowError, row_value

_ROLES = {"human": HUMAN, "user": HUMAN, "gpt": GPT, "assistant": GPT, "system": SYSTEM}
_ROLES_OF_SHAREGPT = {**_ROLES, "chatgpt": GPT, "bing": GPT, "bard": GPT, "model": GPT}
_KEYS_OF_SHAREGPT = ("conversations", "conversation", "messages", "items")


@register_source("qa")
class ConversationSource(JsonSource):
    """The published form of question and answer, in any number of rounds."""

    @staticmethod
    def turns(row: Any) -> tuple[Turn, ...]:
        key = "conversation" if isinstance(row, dict) and "conversation" in row else "conversations"
        return tuple(Turn(_role(turn), row_value(turn, "value", str)) for turn in row_value(row, key, list))


@register_source("sharegpt")
class ShareGptSource(JsonSource):
    """Shared chats: `conversations` of `from` and `value`, or `messages` of `role` and `content`.

    Answers in front of the first question and a question behind the last answer are left out: shared chats are
    often cut in the middle, and neither can be learnt from.
    """

    @staticmethod
    def turns(row: Any) -> tuple[Turn, ...]:
        found = (key for key in _KEYS_OF_SHAREGPT if isinstance(row, dict) and key in row)
        turns = [_shared_turn(turn) for turn in row_value(row, next(found, _KEYS_OF_SHAREGPT[0]), list)]
        system = turns[:1] if turns and turns[0].role == SYSTEM else []
        rounds = turns[len(system) :]
        while rounds and rounds[0].role == GPT:
            rounds = rounds[1:]
        if rounds and rounds[-1].role == HUMAN:
            rounds = rounds[:-1]
        return tuple(system + rounds)


def _shared_turn(turn: Any) -> Turn:
    who, what = ("role", "content") if isinstance(turn, dict) and "role" in turn else ("from", "value")
    return Turn(_role(turn, who, _ROLES_OF_SHAREGPT), row_value(turn, what, str))


def _role(turn: Any, key: str = "from", roles: dict[str, str] = _ROLES) -> str:
    role = row_value(turn, key, str)
    if role not in roles:
        raise RowError(f"a turn from '{role}', expected human or gpt")
    return roles[role]
