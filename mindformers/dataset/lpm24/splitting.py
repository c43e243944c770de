"""Which side a molecule belongs to: by its hash, and by the held-out property combinations of any of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.canonical import Keys, canonical_rows, canonical_smiles, connectivities
from mindformers.dataset.lpm24.combos import WithheldCombos, read_withheld_combos
from mindformers.dataset.lpm24.rows import Row
from mindformers.dataset.lpm24.selection import is_held_out
from mindformers.dataset.lpm24.sources import Reader

KEYS: dict[str, Keys] = {"molecule": canonical_smiles, "connectivity": connectivities}


class SplitOptions(Protocol):
    """What of the command's options decides the split; see `prepare.Options`."""

    holdout: float
    seed: int
    split_by: str
    withheld_combos: Path | None

    def num_workers(self) -> int:
        """Processes that RDKit gets."""


@dataclass(frozen=True)
class Splitter:
    """Deals molecules to `train` and `test`.

    Args:
        keys: what makes two molecules one, see `canonical_rows`.
        holdout: expected share of molecules that their hash puts into test, 0 to 1.
        seed: another seed holds out other molecules.
        combos: the held-out property combinations.
        withheld: the keys of the molecules that have one in any of their rows.
    """

    keys: Keys
    holdout: float
    seed: int
    combos: WithheldCombos
    withheld: frozenset[str]

    def split_of(self, key: str) -> str:
        """`train` or `test`: the same for every row of a molecule."""
        return "test" if key in self.withheld or is_held_out(key, self.holdout, self.seed) else "train"


def make_splitter(sources: list[tuple[Path, Reader]], options: SplitOptions) -> Splitter:
    """The splitter of the options; for held-out combinations the sources are read for the molecules that have one.

    Raises:
        InputError: the file of combinations or a source cannot be read.
    """
    keys = KEYS[options.split_by]
    combos = read_withheld_combos(options.withheld_combos) if options.withheld_combos else WithheldCombos()
    rows = _rows_with(combos, sources) if len(combos) else iter(())
    found = canonical_rows(rows, options.num_workers(), keys)
    withheld = frozenset(pair[1] for pair in found if not isinstance(pair, BadRow))
    return Splitter(keys, options.holdout, options.seed, combos, withheld)


def _rows_with(combos: WithheldCombos, sources: list[tuple[Path, Reader]]) -> Iterator[Row]:
    for path, reader in sources:
        for row in reader(path):
            if isinstance(row, Row) and row.molecule and combos.of(row.properties):
                yield row
