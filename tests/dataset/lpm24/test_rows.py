import pytest

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.rows import Row, checked, one_line, row_of_fields


def test_fields_to_row() -> None:
    fields = {"molecule": " CCO ", "caption": "A\n food\tadditive.", "properties": ["b", "a", "b"], "other": 1}
    assert row_of_fields("f", 3, fields) == Row("f", 3, "CCO", "A food additive.", ("a", "b"))
    assert row_of_fields("f", 3, {"molecule": "C"}) == Row("f", 3, "C")
    assert row_of_fields("f", 3, {"caption": "x", "properties": None}) == Row("f", 3, caption="x")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"molecule": "", "caption": "x"}, "'molecule' is empty or not a string"),
        ({"molecule": "C", "caption": None}, "'caption' is empty or not a string"),
        ({"molecule": 5}, "'molecule' is empty or not a string"),
        ({"molecule": "C", "properties": "nutrient"}, "'properties' is not a list of names"),
        ({"molecule": "C", "properties": [1]}, "'properties' is not a list of names"),
    ],
)
def test_fields_that_cannot_be_a_row(fields: dict, reason: str) -> None:
    assert row_of_fields("f", 1, fields) == BadRow("f", 1, reason)


def test_training_rows_say_something_about_a_molecule() -> None:
    assert Row("f", 1, "C", "x").is_training and Row("f", 1, "C", properties=("x",)).is_training
    assert not Row("f", 1, "C").is_training and not Row("f", 1, caption="x").is_training


def test_characters_without_a_token_are_named() -> None:
    good = Row("f", 1, "C[C@@H](N)C(=O)O", "x < y")
    assert checked(good) is good
    reason = "character '*' at position 2 of the molecule is not in the alphabet"
    assert checked(Row("f", 4, "CC*C", "x")) == BadRow("f", 4, reason)


def test_a_caption_that_breaks_the_tags_is_bad() -> None:
    bad = checked(Row("f", 2, "C", "binds <protein> strongly"))
    assert bad.line == 2 and "tag '<protein>' at character 6" in bad.reason


def test_one_line() -> None:
    assert one_line(" a\r\n\tb  c ") == "a b c"
