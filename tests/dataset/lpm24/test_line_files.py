import lzma
from pathlib import Path

import pytest

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24 import line_files
from mindformers.dataset.lpm24.rows import Row
from mindformers.tools.errors import InputError


def written(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(lzma.compress(data) if path.suffix == ".xz" else data)
    return path


@pytest.mark.parametrize("name", ["train_props.txt", "train_props.txt.xz"])
def test_property_lines(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, "CCO\t{'nutrient', \"Pick's disease\"}\r\nC\t{'anti viral'}")
    assert list(line_files.read_property_lines(path)) == [
        Row(name, 1, "CCO", properties=("Pick's disease", "nutrient")),
        Row(name, 2, "C", properties=("anti viral",)),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("CCO {'a'}", "expected SMILES<TAB>{'property', ...}"),
        ("\t{'a'}", "expected SMILES<TAB>{'property', ...}"),
        ("", "expected SMILES<TAB>{'property', ...}"),
        ("C\t{'a'", "the property set is not a Python set literal"),
        ("C\t__import__('os').remove('x')", "the property set is not a Python set literal"),
        ("C\t{['a']}", "the property set is not a Python set literal"),
        ("C\t['a']", "expected a set of property names, got a list"),
        ("C\t{}", "expected a set of property names, got a dict"),
        ("C\tset()", "the property set is empty"),
        ("C\t{'a', 1}", "a property name is empty or not a string"),
        ("C\t{' '}", "a property name is empty or not a string"),
        (b"C\t{'\xff'}", "not UTF-8 text"),
    ],
)
def test_bad_property_lines(tmp_path: Path, line: str | bytes, reason: str) -> None:
    line = line.encode() if isinstance(line, str) else line
    path = written(tmp_path / "train_props.txt", b"CC\t{'a'}\n" + line + b"\nCCC\t{'a'}\n")
    first, bad, last = line_files.read_property_lines(path)
    assert bad == BadRow("train_props.txt", 2, reason)
    assert (first.molecule, last.molecule) == ("CC", "CCC")


def test_deep_nesting_is_a_bad_row_and_no_crash() -> None:
    assert line_files.parse_property_set("(" * 100000) == "the property set is not a Python set literal"


def test_molecule_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "eval-text.txt", b"\xef\xbb\xbfCCO\n\nC\n\xff\n")
    assert list(line_files.read_molecule_lines(path)) == [
        Row("eval-text.txt", 1, "CCO"),
        BadRow("eval-text.txt", 2, "empty line, expected a SMILES"),
        Row("eval-text.txt", 3, "C"),
        BadRow("eval-text.txt", 4, "not UTF-8 text"),
    ]


def test_description_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "eval-molgen.txt.xz", "A  nutrient.\n \n")
    assert list(line_files.read_description_lines(path)) == [
        Row("eval-molgen.txt.xz", 1, caption="A nutrient."),
        BadRow("eval-molgen.txt.xz", 2, "empty line, expected a description"),
    ]


def test_json_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"molecule": "C", "caption": "x"}\n\n{"molecule"\n[1]\n{"a": 1}\n\xff\n')
    first, broken, no_object, no_field, no_text = line_files.read_json_lines(path)
    assert first == Row("a.jsonl", 1, "C", "x")
    assert broken.line == 3 and broken.reason.startswith("not JSON")
    assert no_object.reason == "expected an object with 'molecule' and 'caption', got a list"
    assert no_field.reason == "neither 'molecule' nor 'caption'"
    assert no_text == BadRow("a.jsonl", 6, "not UTF-8 text")


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train_props.txt.xz"
    path.write_bytes(lzma.compress(b"C\t{'a'}\n" * 10000)[:-20])
    with pytest.raises(InputError, match=r"train_props.txt.xz: cannot be decompressed"):
        list(line_files.read_property_lines(path))
