"""HCCL's rank table, and the part of it that this server runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindformers.launch.rank_table import Place, ranks_here, read_rank_table
from mindformers.tools.errors import InputError


def table(*servers: int) -> dict[str, Any]:
    """A table of servers with so many devices each."""
    ranks = iter(range(sum(servers)))
    content = [
        {
            "server_id": f"10.0.0.{number}",
            "device": [
                {"device_id": str(i), "device_ip": f"192.1.{number}.{i}", "rank_id": str(next(ranks))}
                for i in range(count)
            ],
        }
        for number, count in enumerate(servers, 1)
    ]
    return {"version": "1.0", "server_count": str(len(servers)), "server_list": content, "status": "completed"}


def written(folder: Path, content: Any) -> Path:
    path = folder / "table.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_ranks_and_their_places(tmp_path: Path) -> None:
    places = read_rank_table(written(tmp_path, table(2, 2)))
    first, second = "10.0.0.1", "10.0.0.2"
    assert places == {0: Place(first, 0), 1: Place(first, 1), 2: Place(second, 0), 3: Place(second, 1)}
    assert ranks_here(places, "[2,4]") == range(2, 4)
    assert ranks_here(places, " 0, 2 ") == range(0, 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: "{no json", "is no rank table (Expecting property name"),
        (lambda t: "[]", "is no rank table ('list' object has no attribute 'get')"),
        (lambda t: {**t, "status": "initializing"}, "its status is 'initializing'"),
        (lambda t: {key: value for key, value in t.items() if key != "server_list"}, "no 'server_list'"),
        (lambda t: {**t, "server_list": []}, "its ranks are [], not 0, 1, 2, ..."),
        (lambda t: {**t, "server_list": t["server_list"][1:]}, "its ranks are [2, 3], not 0, 1, 2, ..."),
        (lambda t: json.dumps(t).replace('"device_id": "1"', '"device_id": "0"'), "one device has two ranks"),
        (lambda t: json.dumps(t).replace('"rank_id": "1"', '"rank_id": "x"'), "invalid literal for int()"),
    ],
)
def test_what_is_no_rank_table(tmp_path: Path, change: Any, reason: str) -> None:
    path = written(tmp_path, change(table(2, 2)))
    with pytest.raises(InputError) as caught:
        read_rank_table(path)
    assert f"RANK_TABLE_FILE: '{path}' is no rank table" in caught.value.line() and reason in caught.value.line()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "got '0'; expected first and behind last, '[0,8]'; put it in quotes"),
        ("[2,2]", "got '[2,2]'; expected a part of the table's [0,4]"),
        ("[3,1]", "expected a part of the table's [0,4]"),
        ("[0,8]", "got '[0,8]'; expected a part of the table's [0,4]"),
        ("[-1,2]", "expected first and behind last"),
        ("[0,1]", "'[0,1]' holds 1 of the 2 ranks of 10.0.0.1; expected all ranks of one server"),
        ("[0,4]", "'[0,4]' holds 4 of the 4 ranks of 10.0.0.1, 10.0.0.2; expected all ranks of one server"),
    ],
)
def test_what_is_no_range_of_it(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        ranks_here(read_rank_table(written(tmp_path, table(2, 2))), text)
    assert reason in caught.value.line()
