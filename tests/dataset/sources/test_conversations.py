"""The JSON formats: qa, alpaca, context_target."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from mindformers.dataset.example import GPT, HUMAN, SYSTEM, BadRow, Example, Turn
from mindformers.dataset.sources import source_class, source_names
from mindformers.tools.errors import InputError

GOOD = {"id": "1", "conversation": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}
TURNS = (Turn(HUMAN, "q"), Turn(GPT, "a"))


def _read(kind: str, path: Path) -> list[Example | BadRow]:
    return list(source_class(kind)().read(path))


def _read_rows(kind: str, rows: list[Any], path: Path, indent: int | None = None) -> list[Example | BadRow]:
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=indent), encoding="utf-8")
    return _read(kind, path)


def test_all_formats_are_known() -> None:
    assert source_names() == [
        *("alpaca", "chebi20", "chebi20_molgen", "chemllmbench", "context_target"),
        *("context_target_text", "context_text", "nucleotide", "promoter", "protein"),
        *("protein_class", "protein_function", "qa", "sharegpt", "smiles", "text", "wiki"),
    ]
    with pytest.raises(InputError, match=r"dataset_type: unknown name 'proteins'.*did you mean 'protein'"):
        source_class("proteins")


def test_conversations(tmp_path: Path) -> None:
    shared_gpt = {"conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}] * 2}
    system = {"conversation": [{"from": "system", "value": "s"}, *GOOD["conversation"]]}
    path = tmp_path / "qa.json"
    rows = _read_rows("qa", [GOOD, shared_gpt, system], path)
    assert [row.turns for row in rows] == [TURNS, TURNS * 2, (Turn(SYSTEM, "s"), *TURNS)]
    assert {row.file for row in rows} == {str(path)}


def test_items_know_their_line(tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    path.write_text(f"\n[\n{json.dumps(GOOD)},\n\n{json.dumps(GOOD)}, {json.dumps(GOOD)}\n]\n", encoding="utf-8")
    assert [row.line for row in _read("qa", path)] == [3, 5, 5]


@pytest.mark.parametrize(
    "row, reason",
    [
        ({"id": "1"}, "no 'conversations', found id"),
        ({}, "no 'conversations', found nothing"),
        ({"conversation": "text"}, "'conversation' is str, expected list"),
        ({"conversation": ["x"]}, "str, expected an object with 'from'"),
        ({"conversation": [{"from": "human"}]}, "no 'value', found from"),
        ({"conversation": [{"from": "human", "value": 3}]}, "'value' is int, expected str"),
        ({"conversation": [{"from": "robot", "value": "x"}]}, "a turn from 'robot', expected human or gpt"),
        ({"conversation": []}, "the conversation is empty"),
        ({"conversation": GOOD["conversation"][:1]}, "the last turn is from 'human'"),
        ({"conversation": GOOD["conversation"][::-1]}, "turn 1 is from 'gpt', expected 'human'"),
        ([1], "list, expected an object with 'conversations'"),
    ],
)
def test_a_bad_conversation_is_reported_with_index_and_line(row: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    first, bad = _read_rows("qa", [GOOD, row], path)
    assert first.turns == TURNS and bad == BadRow(str(path), 1, f"item 1: {reason}")


@pytest.mark.parametrize(
    "text, place",
    [
        ('[\n{"a": 1},\n{"a": }\n]', "line 3 column 7: broken JSON: Expecting value"),
        ('[\n{"a": 1}\n{"b": 2}]', "line 3 column 1: broken JSON: ',' or ']' is missing"),
        ('[{"a": 1}', "line 1 column 10: broken JSON: ',' or ']' is missing"),
        ("[1, ]", "line 1 column 5: broken JSON: Expecting value"),
        ("[1]\n x", "line 2 column 2: broken JSON: text behind the list"),
        ("[", "line 1 column 2: broken JSON"),
    ],
)
def test_a_broken_list_is_an_error_with_line_and_column(text: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        _read("qa", path)
    assert f"'{path}' {place}" in caught.value.line() and "\n" not in caught.value.line()


def test_an_empty_list_has_no_rows(tmp_path: Path) -> None:
    assert _read_rows("qa", [], tmp_path / "qa.json") == []


@pytest.mark.parametrize("text, reason", [("", "is empty"), (" \n\n", "is empty")])
def test_an_empty_file_is_an_error(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        _read("qa", path)


def test_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    good = json.dumps(GOOD).encode()
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join([good, b'{"a": 1', b"", b"\xff\xfe", good, b"", b""]))
    rows = _read("qa", path)
    assert [row.turns for row in rows if isinstance(row, Example)] == [TURNS, TURNS]
    assert [(row.line, row.reason) for row in rows if isinstance(row, BadRow)] == [
        (2, "broken JSON: Expecting ',' delimiter at column 8"),
        (3, "empty line"),
        (4, "not UTF-8"),
    ]


def test_a_list_that_is_no_utf8_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    path.write_bytes(b"[\n\xff\n]")
    with pytest.raises(InputError, match="line 2: not UTF-8"):
        _read("qa", path)


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text('{"a": ' + "[" * 100_000)
    (bad,) = _read("qa", path)
    assert "nested too deeply" in bad.reason
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="broken JSON"):
        _read("qa", path)


def test_alpaca(tmp_path: Path) -> None:
    rows = [
        {"instruction": "do", "input": "it", "output": "done"},
        {"instruction": "q", "output": "a"},
        {"instruction": "q", "input": "", "output": ""},
        {"instruction": "q", "input": 1, "output": "a"},
        "text",
    ]
    first, second, *bad = _read_rows("alpaca", rows, tmp_path / "a.json", indent=1)
    assert first.turns == (Turn(HUMAN, "do", "it"), Turn(GPT, "done")) and second.turns == TURNS
    assert [row.reason for row in bad] == [
        "item 2: turn 2 (gpt) is empty",
        "item 3: 'input' is int, expected str",
        "item 4: str, expected an object with 'instruction'",
    ]
    assert [row.line for row in (first, second, *bad)] == [2, 7, 11, 16, 21]
    assert source_class("alpaca").template == "alpaca"


def test_context_and_target(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"context": "Answer: ", "target": "yes"}\n{"context": "x"}\n', encoding="utf-8")
    first, bad = _read("context_target", path)
    assert first.turns == (Turn(HUMAN, "Answer: "), Turn(GPT, "yes")) and first.line == 1
    assert (bad.line, bad.reason) == (2, "item 1: no 'target', found context")
    assert source_class("context_target").template == "plain"


@pytest.mark.parametrize("suffix, opener", [(".xz", lzma.open), (".gz", gzip.open)])
def test_archives_are_unpacked(suffix: str, opener: Any, tmp_path: Path) -> None:
    path = tmp_path / f"qa.json{suffix}"
    with opener(path, "wt", encoding="utf-8") as handle:
        json.dump([GOOD], handle)
    assert [row.turns for row in _read("qa", path)] == [TURNS]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="breaks off"):
        _read("qa", path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        _read("qa", tmp_path / "none.json")


def test_shared_chats(tmp_path: Path) -> None:
    said = [("system", "s"), ("gpt", "late"), ("human", "q"), ("chatgpt", "a"), ("user", "unanswered")]
    chats = [
        {"id": "x", "conversations": [{"from": who, "value": what} for who, what in said]},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {"conversations": [{"from": "gpt", "value": "alone"}]},
        {"messages": [{"role": "tool", "content": "q"}]},
        {"text": "no chat"},
    ]
    first, second, *bad = _read_rows("sharegpt", chats, tmp_path / "s.json")
    assert first.turns == (Turn(SYSTEM, "s"), *TURNS)
    assert second.turns == TURNS
    assert [row.reason for row in bad] == [
        "item 2: the conversation is empty",
        "item 3: a turn from 'tool', expected human or gpt",
        "item 4: no 'conversations', found text",
    ]


def test_contexts_and_targets_as_texts_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"context": "q", "target": "a"}\n{"context": "q"}\n', encoding="utf-8")
    *texts, bad = _read("context_target_text", path)
    assert [(one.text, one.turns, one.line) for one in texts] == [("q", (), 1), ("a", (), 1)]
    assert [one.text for one in _read("context_text", path)[:-1]] == ["q"]
    assert isinstance(bad, BadRow) and bad.line == 2
