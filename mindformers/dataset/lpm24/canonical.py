"""Canonical SMILES of many molecules, in order, in a few processes, with a bounded number of rows in flight."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.rows import Row

_BATCH = 1000


def canonical_rows(rows: Iterable[Row], workers: int) -> Iterator[tuple[Row, str] | BadRow]:
    """Each row with the canonical SMILES of its molecule, or a BadRow where RDKit finds no molecule.

    Args:
        rows: rows with a molecule.
        workers: number of processes; input of up to 2000 rows is done in this one, where that is quicker.
    """
    batches = batched_rows(rows, _BATCH)
    first = list(islice(batches, 3))
    if workers <= 1 or len(first) < 3:
        for batch in chain(first, batches):
            yield from _paired(batch, canonical_smiles([row.molecule for row in batch]))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from _in_flight(pool, first, batches, 2 * workers)


def _in_flight(pool: ProcessPoolExecutor, first: list[list[Row]], rest: Iterator[list[Row]], most: int) -> Iterator:
    waiting: deque[tuple[list[Row], Future]] = deque()
    for batch in chain(first, rest):
        waiting.append((batch, pool.submit(canonical_smiles, [row.molecule for row in batch])))
        if len(waiting) > most:
            yield from _finished(waiting)
    while waiting:
        yield from _finished(waiting)


def _finished(waiting: deque[tuple[list[Row], Future]]) -> Iterator[tuple[Row, str] | BadRow]:
    batch, future = waiting.popleft()
    return _paired(batch, future.result())


def _paired(batch: list[Row], canonical: list[str]) -> Iterator[tuple[Row, str] | BadRow]:
    for row, smiles in zip(batch, canonical, strict=True):
        yield (row, smiles) if smiles else BadRow(row.file, row.line, f"RDKit cannot read the molecule {row.molecule}")


def canonical_smiles(molecules: list[str]) -> list[str]:
    """RDKit's canonical SMILES, stereochemistry kept, of each molecule; empty where RDKit finds no molecule."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        found = [Chem.MolFromSmiles(smiles) for smiles in molecules]
        return [Chem.MolToSmiles(molecule) if molecule is not None else "" for molecule in found]


def batched_rows(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Rows in lists of `size`, the last one shorter."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch
