import json
import lzma
import sys
from pathlib import Path

import pytest

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24 import table_files
from mindformers.dataset.lpm24.rows import Row
from mindformers.tools.errors import InputError


def test_csv_with_quotes_and_a_line_break_in_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b'\xef\xbb\xbfid,molecule,caption\n1,CCO,"An alcohol,\nand ""more""."\n\n2,C\n3,CC,\n')
    assert list(table_files.read_csv(path)) == [
        Row("train.csv", 3, "CCO", 'An alcohol, and "more".'),
        BadRow("train.csv", 5, "2 cells under a header of 3"),
        BadRow("train.csv", 6, "'caption' is empty or not a string"),
    ]


def test_tsv_in_xz_without_quoting(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv.xz"
    path.write_bytes(lzma.compress(b'molecule\tcaption\nC\t"open quote\nCC\tx\n'))
    assert [row.caption for row in table_files.read_csv(path)] == ['"open quote', "x"]


@pytest.mark.parametrize(("content", "got"), [(b"smiles,text\nC,x\n", "smiles, text"), (b"", "no header")])
def test_wrong_columns_are_named(tmp_path: Path, content: bytes, got: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=f"columns are {got}; expected 'molecule' and/or 'caption'"):
        list(table_files.read_csv(tmp_path / "t.csv"))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.xz"])
def test_a_table_that_is_no_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"molecule,caption\nC,\xff\xfe\n")
    with pytest.raises(InputError, match="cannot be read"):
        list(table_files.read_csv(tmp_path / name))


def test_json_list(tmp_path: Path) -> None:
    path = tmp_path / "LPM-24_train.json"
    path.write_text(json.dumps([{"molecule": "C", "caption": "x", "properties": ["p"]}, 7]))
    assert list(table_files.read_json_list(path)) == [
        Row("LPM-24_train.json", 1, "C", "x", ("p",)),
        BadRow("LPM-24_train.json", 2, "expected an object with 'molecule' and 'caption', got a int"),
    ]


def test_broken_json_list(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"molecule": "C"},\n {"molecule" "C"}]')
    with pytest.raises(InputError, match=r"a.json: is not JSON .*line 2"):
        list(table_files.read_json_list(tmp_path / "a.json"))


@pytest.fixture()
def pyarrow():
    """pyarrow with its Parquet part, where the installed one works with the installed NumPy."""
    module = pytest.importorskip("pyarrow", reason="pyarrow cannot be loaded here", exc_type=ImportError)
    pytest.importorskip("pyarrow.parquet", exc_type=ImportError)
    return module


def test_parquet(tmp_path: Path, pyarrow) -> None:
    path = tmp_path / "train.parquet"
    table = pyarrow.table({"caption": ["x", None], "molecule": ["C", "CC"], "rest": [1, 2]})
    pyarrow.parquet.write_table(table, path)
    assert list(table_files.read_parquet(path)) == [
        Row("train.parquet", 1, "C", "x"),
        BadRow("train.parquet", 2, "'caption' is empty or not a string"),
    ]


def test_parquet_with_other_columns_or_damaged(tmp_path: Path, pyarrow) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"smiles": ["C"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="columns are smiles"):
        list(table_files.read_parquet(tmp_path / "other.parquet"))
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match=r"damaged.parquet: cannot be read"):
        list(table_files.read_parquet(tmp_path / "damaged.parquet"))


def test_parquet_without_pyarrow_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"train.parquet: pyarrow cannot be loaded .*convert the table to CSV"):
        list(table_files.read_parquet(tmp_path / "train.parquet"))
