"""Answers in a strict format, by hand."""

from __future__ import annotations

import pytest

from mindformers.evaluation.metrics.structured import labels, parsed, triples
from mindformers.evaluation.predictions import PredictionTable
from mindformers.evaluation.scoring import evaluate

ONE = {"predicate": "编剧", "object": "神尾叶子", "subject": "花样男子"}
FENCED = '```json\\n[{"predicate": "编剧", "object_type": "人物", "object": "神尾叶子", "subject": "花样男子"}]\\n```'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["衣服"]', ["衣服"]),
        ('```json\n["a"]\n```', ["a"]),
        ('```json\\n["a"]\\n```', ["a"]),
        ('{"a": 1}', {"a": 1}),
        ('["a', None),
        ("a", None),
        ("5", None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_what_counts_as_json(text: str, value: object) -> None:
    assert parsed(text) == value


def test_triples_and_labels_of_a_value() -> None:
    assert triples(parsed(FENCED)) == {("花样男子", "编剧", "神尾叶子")}
    assert triples([ONE, ONE, {"subject": "x"}, 5]) == {("花样男子", "编剧", "神尾叶子")}
    assert labels(["a ", "b"]) == {"a", "b"} and labels([ONE]) is None and labels([]) is None


def test_the_scores_worked_by_hand() -> None:
    """Extraction: 1 of 1 said is right and 1 of 2 is found, then 0 of 2 said and 1 wanted: F1 = 2 * 1 / (3 + 3)."""
    two = '[{"subject": "a", "predicate": "p", "object": "b"}, {"subject": "a", "predicate": "q", "object": "c"}]'
    one = '[{"subject": "a", "predicate": "p", "object": "b"}]'
    truths = [two, one, '["x"]', '["x", "y"]', '["z"]']
    outputs = [one, two.replace('"b"', '"d"'), '["x"]', '["y", "x"]', "z"]
    report = evaluate("structured", PredictionTable(truths, outputs))
    assert report.metrics == pytest.approx({"valid JSON": 4 / 5, "triple F1": 2 / 6, "label accuracy": 2 / 3})
    assert "2 ground truths have triples, 3 labels, 0 neither" in report.notes
