"""YAML reading: strict, safe, and with the numbers that people write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mindformers.config.reading import parse_value, read_yaml
from mindformers.tools.errors import InputError

Write = Callable[[str], Path]


def test_scientific_notation_is_a_number(recipe_file: Write) -> None:
    content = read_yaml(recipe_file("a: 1e-5\nb: 1.e-8\nc: '1e-5'\nd: 3.E4\ne: 2024-01-02\nf: -.5e2\n"))
    assert content == {"a": 1e-5, "b": 1e-8, "c": "1e-5", "d": 30000.0, "e": "2024-01-02", "f": -50.0}


def test_anchors_and_merges_are_followed(recipe_file: Write) -> None:
    content = read_yaml(recipe_file("a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  y: 3\n"))
    assert content == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "line 5: key 'c' given twice, first on line 3"),
        ("a: 1\nlist:\n  - {x: 1, x: 2}\n", "line 3: key 'x' given twice, first on line 3"),
        ("a: [1\nb: 2\n", "line 2: broken YAML"),
        ("a: *nowhere\n", "line 1: broken YAML (found undefined alias"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1: broken YAML"),
        ("a: &a\n  b: *a\n", "line 1: broken YAML|contains itself"),
        ("a: &a [1, *a]\n", "contains itself"),
        ("a: 1\n---\nb: 2\n", "broken YAML"),
        ("? [1]\n: 2\n", "broken YAML"),
        ("a: \x01\n", "broken YAML"),
        ("a: !!int x\n", "cannot be read as YAML"),
        ("# only a comment\n", "holds nothing; expected a mapping"),
        ("- 1\n", "holds one list"),
    ],
)
def test_bad_yaml_is_one_clear_line(recipe_file: Write, text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml(recipe_file(text))
    message = str(caught.value)
    assert any(part in message for part in expected.split("|"))
    assert "recipe.yaml" in message
    assert "\n" not in message


def test_missing_empty_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").touch()
    with pytest.raises(InputError, match="is empty"):
        read_yaml(tmp_path / "empty.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"a: \xff")
    with pytest.raises(InputError, match="byte 3 is not UTF-8"):
        read_yaml(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3),
        ("-1", -1),
        ("1e-5", 1e-5),
        ("True", True),
        ("null", None),
        ("", ""),
        ("a: b", "a: b"),
        (" 3", " 3"),
        ("'3'", "3"),
        ('"\U0001f600"', "\U0001f600"),
        ("[1, 1e-3, x]", [1, 0.001, "x"]),
        ("{a: 1}", {"a": 1}),
        ("<<", "<<"),
        ("08", "08"),
        ("*x", "*x"),
    ],
)
def test_words_of_the_command_line(text: str, expected: object) -> None:
    found = parse_value(text, "key")
    assert found == expected
    assert type(found) is type(expected)


def test_a_broken_list_names_its_key() -> None:
    with pytest.raises(InputError, match=r"train_dataset\.input_columns line 1: broken YAML"):
        parse_value("[a", "train_dataset.input_columns")
