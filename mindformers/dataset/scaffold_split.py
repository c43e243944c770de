"""A table of molecules (MoleculeNet's CSV files) into training, validation and test by scaffold.

    python -m mindformers.dataset.scaffold_split --source BACE.csv --output DIR [--fractions 0.8,0.1,0.1]
        [--smiles_column mol] [--report R.json]

Molecules with the same Bemis-Murcko scaffold (Bemis and Murcko, 1996; without stereochemistry) stay together, so that
the test asks for other ring systems than those that were learnt. The split is the one under which MoleculeNet's scores
are published (Wu et al., 2018, section 3.3): the groups from the largest to the smallest, among equally large ones from
the last in the file to the first, each into training while it fits there, else into validation, else into test.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mindformers.dataset.command_line import CommandParser, run_command
from mindformers.dataset.example import BadRow
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, write_json, write_text
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
SIDES = ("train", "valid", "test")
_COLUMNS = ("smiles", "mol", "molecule")  # as MoleculeNet's files call it: BACE `mol`, the others `smiles`
_SHOWN_BAD_ROWS = 20


@dataclass(frozen=True)
class Table:
    """A table as it stands in the file.

    Args:
        header: names of the columns.
        rows: cells of each row.
        lines: the line on which each row ends.
        smiles: which column holds the molecule.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    smiles: int


def split_by_scaffold(scaffolds: Sequence[str], fractions: tuple[float, float, float]) -> list[list[int]]:
    """Numbers of the rows for training, validation and test, rising on each side.

    Args:
        scaffolds: the scaffold of each row; molecules without rings share the empty one.
        fractions: shares of the three sides, adding up to 1.
    """
    groups: dict[str, list[int]] = {}
    for number, scaffold in enumerate(scaffolds):
        groups.setdefault(scaffold, []).append(number)
    train_room = fractions[0] * len(scaffolds)
    room = (fractions[0] + fractions[1]) * len(scaffolds)
    train: list[int] = []
    valid: list[int] = []
    test: list[int] = []
    for group in sorted(groups.values(), key=lambda group: (len(group), group[0]), reverse=True):
        if len(train) + len(group) <= train_room:
            train += group
        elif len(train) + len(valid) + len(group) <= room:
            valid += group
        else:
            test += group
    return [sorted(train), sorted(valid), sorted(test)]


def scaffold_of(smiles: str) -> str | None:
    """The Bemis-Murcko scaffold as canonical SMILES, empty for a molecule without rings; None for no molecule."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds import MurckoScaffold

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if smiles.strip() else None
        return None if molecule is None else MurckoScaffold.MurckoScaffoldSmiles(mol=molecule, includeChirality=False)


def read_molecule_table(path: str | Path, column: str | None = None) -> Table:
    """A comma-separated table with quotes and a header.

    Args:
        path: the file.
        column: the column of SMILES; None looks for `smiles`, `mol` or `molecule`, in any case.

    Raises:
        InputError: the file cannot be read, has no such column or no row, or a row has another number of cells.
    """
    text = existing_file(path, "--source").read_bytes()
    try:
        reader = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
        numbered = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"--source '{path}'", f"cannot be read ({error})", "a UTF-8 CSV table", "check it") from error
    lines, rows = [number for number, _ in numbered[1:]], [cells for _, cells in numbered[1:]]
    header = numbered[0][1] if numbered else []
    if not rows:
        raise InputError(f"--source '{path}'", "no row under the header", "at least one molecule", "check the file")
    for number, cells in zip(lines, rows, strict=True):
        if len(cells) != len(header):
            raise InputError(f"{path} line {number}", f"{len(cells)} cells", f"{len(header)} as in the header")
    return Table(header, rows, lines, _smiles_column(path, header, column))


def split_table(
    source: str | Path, output: str | Path, fractions: tuple[float, float, float], column: str | None = None
) -> dict[str, Any]:
    """Write `<name>_train.csv`, `<name>_valid.csv` and `<name>_test.csv` into a folder, rows as they stand in the file.

    Returns:
        The report: files, rows and scaffolds of each side, and every row that RDKit cannot read.

    Raises:
        InputError: see `read_molecule_table`; or RDKit reads no molecule.
    """
    table = read_molecule_table(source, column)
    scaffolds = [scaffold_of(row[table.smiles]) for row in table.rows]
    bad = [
        BadRow(str(source), line, f"RDKit cannot read the molecule '{row[table.smiles][:80]}'")
        for line, row, scaffold in zip(table.lines, table.rows, scaffolds, strict=True)
        if scaffold is None
    ]
    usable = [number for number, scaffold in enumerate(scaffolds) if scaffold is not None]
    if not usable:
        raise InputError(f"--source '{source}'", "RDKit reads no molecule", "SMILES", "name the --smiles_column")
    sides = split_by_scaffold([scaffolds[number] for number in usable], fractions)
    report: dict[str, Any] = {"source": str(source), "rows": len(table.rows), "bad_rows": len(bad), "sides": {}}
    for name, side in zip(SIDES, sides, strict=True):
        numbers = [usable[place] for place in side]
        path = Path(output) / f"{Path(source).stem}_{name}.csv"
        _write(path, table, numbers)
        count = len({scaffolds[number] for number in numbers})
        report["sides"][name] = {"file": str(path), "rows": len(numbers), "scaffolds": count}
    return report | {"bad": [asdict(row) for row in bad]}


def _smiles_column(path: str | Path, header: list[str], column: str | None) -> int:
    wanted = _COLUMNS if column is None else (column.lower(),)
    names = [name.strip().lower() for name in header]
    found = next((names.index(name) for name in wanted if name in names), None)
    if found is None:
        got = f"columns {', '.join(header)[:120]}"
        raise InputError(f"{path} line 1", got, f"a column {' or '.join(wanted)}", "name it with --smiles_column")
    return found


def _write(path: Path, table: Table, numbers: Sequence[int]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows[number] for number in numbers)
    try:
        write_text(path, text.getvalue())
    except OSError as error:
        raise InputError("--output", f"cannot write '{path}' ({error.strerror})", "a folder to write to") from error


def _fractions(text: str) -> tuple[float, float, float]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != len(SIDES) or min(values) < 0 or abs(sum(values) - 1) > 1e-6 or values[0] == 0:
        raise InputError("--fractions", f"'{text}'", "three shares that add up to 1", "for example 0.8,0.1,0.1")
    return values


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parser = CommandParser(prog="python -m mindformers.dataset.scaffold_split", description=__doc__.split("\n")[0])
    parser.add_argument("--source", required=True, help="a CSV table with a column of SMILES")
    parser.add_argument("--output", required=True, help="the folder to write to")
    parser.add_argument("--fractions", default="0.8,0.1,0.1", help="shares of training, validation and test")
    parser.add_argument("--smiles_column", help="the column of SMILES; else smiles, mol or molecule")
    parser.add_argument("--report", help="a JSON file for counts and every bad row")
    args = parser.parse_args(argv)

    def command() -> str:
        report = split_table(args.source, args.output, _fractions(args.fractions), args.smiles_column)
        for row in report["bad"][:_SHOWN_BAD_ROWS]:
            logger.warning("bad row: %s", BadRow(**row))
        if args.report:
            write_json(args.report, report)
        sides = (
            f"{name} {side['rows']} rows ({side['scaffolds']} scaffolds)" for name, side in report["sides"].items()
        )
        return f"{args.output}: {', '.join(sides)}; {report['bad_rows']} of {report['rows']} rows are bad"

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
