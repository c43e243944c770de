"""Choices that depend on a molecule alone: the split, the sample, the wording. The same in every run and order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from mindformers.dataset.lpm24.rows import Row
from mindformers.dataset.stable import RANGE, stable_number


def is_held_out(canonical: str, holdout: float, seed: int) -> bool:
    """Whether a molecule belongs to the test side.

    Args:
        canonical: canonical SMILES, so that every spelling of a molecule falls on one side.
        holdout: expected share of molecules on the test side, 0 to 1.
        seed: another seed holds out other molecules.
    """
    return stable_number("split", seed, canonical) < holdout * RANGE


def choose_rows(rows: Iterable[Row], max_rows: int | None, max_per_set: int | None, seed: int) -> Iterator[Row]:
    """At most `max_rows` rows, at most `max_per_set` of one property set: those with the lowest hash, in input order.

    Without a limit rows pass straight through. A row without properties counts under its caption. Memory holds the
    chosen rows of every set, never the whole input where both limits are given.
    """
    if max_rows is None and max_per_set is None:
        yield from rows
        return
    limit = min(number for number in (max_rows, max_per_set) if number is not None)
    heaps: dict[tuple[str, ...] | str, list[tuple[int, int, Row]]] = {}
    for index, row in enumerate(rows):
        group = (row.properties or row.caption) if max_per_set is not None else ""
        item = (-stable_number("choice", seed, row.molecule), -index, row)
        _keep_lowest(heaps.setdefault(group, []), item, limit)
    chosen = [item for heap in heaps.values() for item in heap]
    if max_rows is not None:
        chosen = heapq.nlargest(max_rows, chosen)
    yield from (row for _, _, row in sorted(chosen, key=lambda item: -item[1]))


def _keep_lowest(heap: list[tuple[int, int, Row]], item: tuple[int, int, Row], limit: int) -> None:
    """Negated hashes make heapq's smallest the highest hash, which is the one to drop."""
    if len(heap) < limit:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)
