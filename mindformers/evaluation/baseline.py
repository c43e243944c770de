"""The baseline that a model has to beat: always give the most frequent answer of the training set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mindformers.evaluation.text_files import read_lines, read_table
from mindformers.tools.errors import InputError

_ROUNDS, _SPEAKER, _MODEL, _TEXT = "conversation", "from", "gpt", "value"


def most_frequent_caption(train_captions: Iterable[str]) -> str:
    """The caption that occurs most often; among equally frequent ones the first.

    Args:
        train_captions: the answers of the training set, in the order of the file.

    Returns:
        The caption.

    Raises:
        InputError: there is none.
    """
    ranked = Counter(train_captions).most_common(1)
    if not ranked:
        raise InputError("--baseline", "no answers", "a training file with at least one answer")
    return ranked[0][0]


def read_answers(path: str | Path, columns: Sequence[str]) -> list[str]:
    """The answers of a training file.

    Args:
        path: conversations (`.json`, `.json.xz`: a list of `{"id", "conversation": [{"from", "value"}, ...]}`, of which
            the turns of `gpt` count), or else a tab-separated table with a header.
        columns: names of the column that holds the answers in a table; the first that is there is taken.

    Returns:
        All answers in the order of the file.

    Raises:
        InputError: the file cannot be read as one of the two.
    """
    if ".json" in Path(path).suffixes[-2:]:
        return _from_conversations(path)
    header, rows = read_table(path, "--baseline")
    found = [name for name in columns if name in header]
    if not found:
        expected = f"a column {' or '.join(repr(name) for name in columns)}"
        raise InputError(f"{path} line 1", f"columns {', '.join(header)[:120]}", expected)
    return [row[header.index(found[0])] for row in rows]


def _from_conversations(path: str | Path) -> list[str]:
    try:
        entries = json.loads("\n".join(read_lines(path, "--baseline")))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}", f"not JSON ({error.msg})", "a list of conversations") from error
    if not isinstance(entries, list):
        raise InputError(f"{path}", f"JSON of type {type(entries).__name__}", "a list of conversations")
    return [answer for number, entry in enumerate(entries, start=1) for answer in _answers_of(entry, path, number)]


def _answers_of(entry: Any, path: str | Path, number: int) -> list[str]:
    try:
        answers = [turn[_TEXT] for turn in entry[_ROUNDS] if turn[_SPEAKER] == _MODEL]
    except (KeyError, TypeError, IndexError) as error:
        got = f"no key {error}" if isinstance(error, KeyError) else f"other JSON ({error})"
        raise _not_a_conversation(path, number, got) from error
    if not all(isinstance(answer, str) for answer in answers):
        raise _not_a_conversation(path, number, "an answer that is not text")
    return answers


def _not_a_conversation(path: str | Path, number: int, got: str) -> InputError:
    shape = '{"id", "conversation": [{"from": "human"|"gpt", "value": text}, ...]}'
    return InputError(f"{path} entry {number}", got, shape)
