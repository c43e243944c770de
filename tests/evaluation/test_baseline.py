"""The most frequent answer, from both kinds of training file."""

import json

import pytest

from mindformers.evaluation.baseline import most_frequent_caption, read_answers
from mindformers.tools.errors import InputError
from tests.evaluation.paths import TRAINING

COLUMNS = ("ground truth", "description")


def test_most_frequent_wins():
    assert most_frequent_caption(["a", "b", "b"]) == "b"


def test_first_wins_among_equals():
    assert most_frequent_caption(["b", "a", "c", "a", "b"]) == "b"


def test_no_captions_is_an_input_error():
    with pytest.raises(InputError):
        most_frequent_caption([])


def test_answers_of_conversations_are_the_models_turns():
    answers = read_answers(TRAINING, COLUMNS)
    assert len(answers) == 5 and answers[0] == "The molecule is a salt."
    assert most_frequent_caption(answers) == "The molecule is a salt."


@pytest.mark.parametrize(
    ("table", "answers"),
    [
        ("CID\tSMILES\tdescription\n1\tC\tone\n2\tCC\ttwo\n", ["one", "two"]),
        ("description\tground truth\n1\tone\n", ["one"]),
    ],
)
def test_answers_of_a_table_are_its_first_known_column(tmp_path, table, answers):
    path = tmp_path / "train.tsv"
    path.write_text(table)
    assert read_answers(path, COLUMNS) == answers


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[\n{"id": 1,\n', "line 2: not JSON"),
        ('{"id": 1}', "JSON of type dict"),
        (json.dumps([{"id": 1, "conversations": []}]), "entry 1: no key 'conversation'"),
        (json.dumps([{"conversation": [{"from": "gpt", "value": "x"}]}, {"conversation": [3]}]), "entry 2"),
        (json.dumps([{"conversation": [{"from": "gpt", "value": None}]}]), "not text"),
        (json.dumps([7]), "entry 1"),
    ],
)
def test_bad_conversations_are_named_by_place(tmp_path, text, complaint):
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"train\.json") as caught:
        read_answers(path, COLUMNS)
    assert complaint in str(caught.value)


def test_table_without_answers_is_refused(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="'ground truth' or 'description'"):
        read_answers(path, COLUMNS)
