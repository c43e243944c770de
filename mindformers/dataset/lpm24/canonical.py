"""What makes molecules the same, for many of them, in order, in a few processes, with few rows in flight."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from typing import Any

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.rows import Row

Keys = Callable[[list[str]], list[str]]

_BATCH = 1000


def canonical_rows(rows: Iterable[Row], workers: int, keys: Keys | None = None) -> Iterator[tuple[Row, str] | BadRow]:
    """Each row with the key of its molecule, or a BadRow where RDKit finds no molecule.

    Args:
        rows: rows with a molecule.
        workers: number of processes; input of up to 2000 rows is done in this one, where that is quicker.
        keys: `canonical_smiles`, as when not given, or `connectivities`.
    """
    keys = keys or canonical_smiles
    batches = batched_rows(rows, _BATCH)
    first = list(islice(batches, 3))
    if workers <= 1 or len(first) < 3:
        for batch in chain(first, batches):
            yield from _paired(batch, keys([row.molecule for row in batch]))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from _in_flight(pool, keys, first, batches, 2 * workers)


def _in_flight(
    pool: ProcessPoolExecutor, keys: Keys, first: list[list[Row]], rest: Iterator[list[Row]], most: int
) -> Iterator:
    waiting: deque[tuple[list[Row], Future]] = deque()
    for batch in chain(first, rest):
        waiting.append((batch, pool.submit(keys, [row.molecule for row in batch])))
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


def connectivities(molecules: list[str]) -> list[str]:
    """What stereoisomers, isotopes and tautomers of a molecule share: the first block of its InChIKey.

    Where InChI knows none, the canonical SMILES without stereochemistry; empty where RDKit finds no molecule.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        found = [Chem.MolFromSmiles(smiles) for smiles in molecules]
        return ["" if molecule is None else _connectivity(molecule) for molecule in found]


def _connectivity(molecule: Any) -> str:
    from rdkit import Chem

    key = Chem.MolToInchiKey(molecule)
    return key.split("-")[0] if key else Chem.MolToSmiles(molecule, isomericSmiles=False)


def batched_rows(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Rows in lists of `size`, the last one shorter."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch
