"""Scaffold split, worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindformers.dataset.scaffold_split import main, read_molecule_table, scaffold_of, split_by_scaffold
from mindformers.tools.errors import InputError

# benzene x 5, pyridine x 2, cyclohexane x 1, no ring x 2; one row that is no molecule, and a cell with a comma
CSV = """mol,Class,note
c1ccccc1C,1,a
CCO,0,"b, c"
c1ccccc1O,1,d
c1ccncc1C,0,e
C(,0,f
Cc1ccccc1CCN,1,g
C1CCCCC1,0,h
c1ccncc1O,1,i
CCCC,0,j
c1ccccc1Cl,1,k
c1ccccc1Br,1,l
"""


def test_scaffolds_are_rings_with_what_joins_them() -> None:
    assert scaffold_of("Cc1ccccc1CCN") == "c1ccccc1"
    assert scaffold_of("c1ccccc1CCC1CCCCC1C") == "c1ccc(CCC2CCCCC2)cc1"
    assert scaffold_of("C[C@H]1CC[C@@H](O)CC1") == "C1CCCCC1"
    assert scaffold_of("CCO") == "" and scaffold_of("C(") is None and scaffold_of(" ") is None


def test_large_groups_go_first_and_whole() -> None:
    names = ["a", "b", "a", "c", "a", "b", "d", "a", "a", "c"]  # a 5, b 2, c 2, d 1
    # training has room for 8: a (5); of the twos the later one, c, then b: 9 > 8, so b is for validation; d fits 8
    assert split_by_scaffold(names, (0.8, 0.1, 0.1)) == [[0, 2, 3, 4, 6, 7, 8, 9], [1, 5], []]
    assert split_by_scaffold(names, (0.5, 0.3, 0.2)) == [[0, 2, 4, 7, 8], [3, 6, 9], [1, 5]]
    assert split_by_scaffold(["a", "a", "b"], (0.5, 0.25, 0.25)) == [[2], [0, 1], []]


def test_command_writes_three_tables_and_names_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, report = tmp_path / "BACE.csv", tmp_path / "r.json"
    source.write_text(CSV, encoding="utf-8")
    words = ["--source", str(source), "--output", str(tmp_path / "out"), "--fractions", "0.6,0.2,0.2"]
    assert main([*words, "--report", str(report)]) == 0
    assert "train 6 rows" in capsys.readouterr().out
    sides = {
        name: (tmp_path / "out" / f"BACE_{name}.csv").read_text().splitlines() for name in ("train", "valid", "test")
    }
    assert all(lines[0] == "mol,Class,note" for lines in sides.values())
    rows = [line for lines in sides.values() for line in lines[1:]]
    assert sorted(rows) == sorted(line for line in CSV.splitlines()[1:] if not line.startswith("C("))
    scaffolds = [{scaffold_of(line.split(",")[0]) for line in lines[1:]} for lines in sides.values()]
    assert not scaffolds[0] & scaffolds[1] and not scaffolds[0] & scaffolds[2] and not scaffolds[1] & scaffolds[2]
    found = json.loads(report.read_text())
    assert found["bad_rows"] == 1 and found["bad"][0]["line"] == 6 and "C(" in found["bad"][0]["reason"]
    assert {name: side["rows"] for name, side in found["sides"].items()} == {"train": 6, "valid": 2, "test": 2}


def test_columns_are_found_or_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,SMILES\n1,CC\n")
    assert read_molecule_table(path).smiles == 1
    path.write_text("id,structure\n1,CC\n")
    assert read_molecule_table(path, "Structure").smiles == 1
    with pytest.raises(InputError, match="--smiles_column"):
        read_molecule_table(path)


@pytest.mark.parametrize(
    ("content", "words", "complaint"),
    [
        ("mol,y\nCC\n", [], "line 2: 1 cells"),
        ("mol,y\n", [], "no row"),
        ("mol\nxx\n", [], "no molecule"),
        ("mol\nCC\n", ["--fractions", "0.8,0.3"], "--fractions"),
        ('mol\n"CC\n', [], "cannot be read"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: list[str], complaint: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    assert main(["--source", str(tmp_path / "t.csv"), "--output", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
