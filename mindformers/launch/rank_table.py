"""The rank table of HCCL: which device of which server is which rank."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file

_RANGE = re.compile(r"\[?\s*(\d+)\s*,\s*(\d+)\s*\]?")
_MAKE_IT = "make the table with Ascend's hccl_tools.py"


@dataclass(frozen=True)
class Place:
    """Where a rank runs.

    Args:
        server: the server's address in the table.
        device_id: the device's number on that server.
    """

    server: str
    device_id: int


def read_rank_table(path: Path) -> dict[int, Place]:
    """Rank -> place, in order of the ranks.

    Raises:
        InputError: no such file, no rank table, or ranks that are not 0, 1, 2, ...
    """
    text = existing_file(path, "RANK_TABLE_FILE").read_text(encoding="utf-8", errors="replace")
    try:
        table = json.loads(text)
        if str(table.get("status", "completed")) != "completed":
            raise ValueError(f"its status is '{table['status']}'")
        places = [
            (int(device["rank_id"]), Place(str(server["server_id"]), int(device["device_id"])))
            for server in table["server_list"]
            for device in server["device"]
        ]
        _check(places)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError("RANK_TABLE_FILE", f"'{path}' is no rank table ({reason})", "HCCL's JSON", _MAKE_IT) from error
    return dict(sorted(places, key=lambda item: item[0]))


def _check(places: list[tuple[int, Place]]) -> None:
    ranks = sorted(rank for rank, _ in places)
    if not ranks or ranks != list(range(len(ranks))):
        raise ValueError(f"its ranks are {ranks}, not 0, 1, 2, ...")
    if len({place for _, place in places}) < len(places):
        raise ValueError("one device has two ranks")


def ranks_here(places: dict[int, Place], text: str) -> range:
    """The ranks that a half-open range such as `[0,8]` means; all of one server.

    Raises:
        InputError: it is no such range, goes beyond the table, or does not hold exactly one server's ranks.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise InputError("device range", f"got '{text}'", "first and behind last, '[0,8]'", "put it in quotes")
    ranks = range(int(match[1]), int(match[2]))
    if not ranks or ranks.stop > len(places):
        known = f"a part of the table's [0,{len(places)}]"
        raise InputError("device range", f"got '{text}'", known, "correct the range, or name another table")
    servers = {places[rank].server for rank in ranks}
    same = [rank for rank, place in places.items() if place.server in servers]
    if len(servers) > 1 or same != list(ranks):
        got = f"'{text}' holds {len(ranks)} of the {len(same)} ranks of {', '.join(sorted(servers))}"
        raise InputError("device range", got, "all ranks of one server", "run this on every server with its own range")
    return ranks
