"""What is found in a training and a test set: faults of rows, repetitions within a set, leakage from one to the other.

A row is reported under one kind of repetition or leakage, the strongest:

    same row            the same text, whatever its blanks
    same molecule       the same canonical SMILES, however it is written
    same InChIKey       for InChI one substance: another tautomer or another drawing of charges
    same connectivity   the same first block of the InChIKey: a stereoisomer or an isotope
    same sequence       the same protein or nucleic acid
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from mindformers.dataset.checks.rows import Checked
from mindformers.dataset.example import BadRow, LeftOut

TRAIN, TEST = "train", "test"
# Every kind with the group that --fail_on names, and what the page and the printed table call it.
KINDS: dict[str, tuple[str, str]] = {
    "bad_row": ("faults", "rows that cannot be read"),
    "empty": ("faults", "empty rows"),
    "too_long": ("faults", "rows longer than the model sees"),
    "invalid_molecule": ("faults", "molecules RDKit cannot read"),
    "left_out": ("notes", "rows that tell nothing"),
    "duplicate_row": ("duplicates", "rows twice in a set"),
    "duplicate_molecule": ("duplicates", "molecules twice in a set"),
    "duplicate_inchikey": ("duplicates", "InChIKeys twice in a set"),
    "duplicate_sequence": ("duplicates", "sequences twice in a set"),
    "leak_row": ("leakage", "test rows that are in training"),
    "leak_molecule": ("leakage", "test molecules that are in training"),
    "leak_inchikey": ("leakage", "test InChIKeys that are in training"),
    "leak_connectivity": ("leakage", "test connectivities that are in training"),
    "leak_sequence": ("leakage", "test sequences that are in training"),
}
GROUPS = ("faults", "duplicates", "leakage")
_LEVELS = ("row", "molecule", "inchikey", "connectivity", "sequence")
_WORDS = {
    "row": "the same row as",
    "molecule": "the same molecule as",
    "inchikey": "the same InChIKey as",
    "connectivity": "the same connectivity as",
    "sequence": "the same sequence as",
}


class Place(NamedTuple):
    """Where a row stands, and its first molecule as written (or an empty text)."""

    file: str
    line: int
    molecule: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Args:
        kind: a key of `KINDS`.
        split: `train` or `test`.
        row: the row.
        reason: one line.
        other: the row that it repeats, or None.
    """

    kind: str
    split: str
    row: Place
    reason: str
    other: Place | None = None

    def to_dict(self) -> dict[str, object]:
        """The finding as it stands in the report."""
        written: dict[str, object] = {"split": self.split, "file": self.row.file, "line": self.row.line}
        written["reason"] = self.reason
        if self.other:
            written.update(other_file=self.other.file, other_line=self.other.line)
        return written


@dataclass
class Findings:
    """Counts every finding by kind and keeps the first ones; remembers rows by what makes them the same.

    Args:
        most: findings of a kind that are kept whole.
    """

    most: int = 1000
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: dict[str, list[Finding]] = field(default_factory=dict)
    _seen: dict[tuple[str, str], dict[object, Place]] = field(default_factory=dict)

    def add_row(self, row: Checked | BadRow, split: str) -> None:
        """Look at a row of the training set, all of which come first, or of the test set."""
        if isinstance(row, BadRow):
            self._add(_kind_of_bad(row), split, Place(row.file, row.line, ""), row.reason)
            return
        place = Place(row.file, row.line, row.molecules[0] if row.molecules else "")
        for kind, reason in row.faults:
            self._add(kind, split, place, reason)
        keys = _keys(row)
        if split == TEST:
            self._compare(keys, TRAIN, "leak", split, place, _LEVELS)
        # Stereoisomers within one set are no repetition.
        self._compare(keys, split, "duplicate", split, place, tuple(one for one in _LEVELS if one != "connectivity"))
        for level, key in keys.items():
            self._seen.setdefault((split, level), {}).setdefault(key, place)

    def count(self, kind: str, split: str | None = None) -> int:
        """Findings of a kind, in one set or in both."""
        return sum(number for (name, where), number in self.counts.items() if name == kind and split in (None, where))

    def count_group(self, group: str) -> int:
        """Findings of a group of `GROUPS`."""
        return sum(self.count(kind) for kind, (of, _) in KINDS.items() if of == group)

    def _compare(
        self, keys: dict[str, object], where: str, kind: str, split: str, place: Place, levels: Iterable[str]
    ) -> None:
        for level in levels:
            other = self._seen.get((where, level), {}).get(keys.get(level))
            if other is not None:
                of = "" if where == split else f"{where}: "
                written = f", written {other.molecule}" if other.molecule and other.molecule != place.molecule else ""
                reason = f"{_WORDS[level]} {of}{other.file} line {other.line}{written}"
                self._add(f"{kind}_{level}", split, place, reason, other)
                return

    def _add(self, kind: str, split: str, place: Place, reason: str, other: Place | None = None) -> None:
        self.counts[kind, split] += 1
        kept = self.kept.setdefault(kind, [])
        if len(kept) < self.most:
            kept.append(Finding(kind, split, place, reason, other))


def _keys(row: Checked) -> dict[str, object]:
    """What makes the row the same as another, by level. A row of several molecules is the same where all are."""
    keys: dict[str, object] = {"row": row.mark}
    if row.keys and len(row.keys) == len(row.molecules):
        blocks = sorted(key.split("-")[0] for key in row.keys)
        keys.update(molecule=".".join(row.canonical), inchikey=" ".join(row.keys), connectivity=" ".join(blocks))
    if row.sequences:
        keys["sequence"] = b"".join(sorted(row.sequences))
    return keys


def _kind_of_bad(row: BadRow) -> str:
    if isinstance(row, LeftOut):
        return "left_out"
    return "empty" if "empty" in row.reason.split() else "bad_row"
