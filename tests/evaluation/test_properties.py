"""Property precision, recall and F1 of L+M-24, worked by hand on a small tree."""

import json

import numpy as np
import pytest

from mindformers.evaluation import PredictionTable, evaluate
from mindformers.evaluation.metrics.estimate import Estimate
from mindformers.evaluation.metrics.metric import Pairs, Unmeasured
from mindformers.evaluation.metrics.phrases import PhraseFinder
from mindformers.evaluation.metrics.properties import PropertyScores
from mindformers.evaluation.property_tree import Leaf, read_combinations, read_property_tree
from mindformers.evaluation.words import PlainWords, WordPieces
from mindformers.tools.errors import InputError
from tests.evaluation.paths import VOCABULARY

TREE = {
    "Medicine": ["drug", {"inhibitors": ["kinase inhibitor", "Beta-lactamase inhibitor"]}],
    "Smell": [{"fruit": ["pear"]}],
}
TRUTHS = ["It is a drug and a kinase inhibitor.", "It is a drug.", "It is a Beta-Lactamase inhibitor and a drug."]
OUTPUTS = ["It is a kinase inhibitor.", "It is a drug.", "It is a kinase inhibitor and a drug."]
# drug: 2 hits, 1 missed: P 1, R 2/3, F1 4/5. kinase inhibitor: 1 hit, 1 false: P 1/2, R 1, F1 2/3.
# beta-lactamase inhibitor: 1 missed: P none, R 0, F1 0. pear: none.
INHIBITORS = {"precision": 1 / 2, "recall": 1 / 2, "F1": 1 / 3}
MEDICINE = {"precision": (1 + 1 / 2) / 2, "recall": (2 / 3 + 1 / 2) / 2, "F1": (4 / 5 + 1 / 3) / 2}


@pytest.fixture
def tree_file(tmp_path):
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(TREE))
    return path


def test_scores_by_hand(tree_file):
    scores = PropertyScores(read_property_tree(tree_file)).score(Pairs(TRUTHS, OUTPUTS, PlainWords()))
    for kind, value in MEDICINE.items():
        assert scores[f"property {kind}: Medicine (empty category = 1)"] == pytest.approx(value)
        assert scores[f"property {kind} (empty category = 1)"] == pytest.approx((value + 1) / 2)
        assert scores[f"property {kind} (empty category = 0)"] == pytest.approx(value / 2)
        assert isinstance(scores[f"property {kind}: Smell (empty category = 1)"], Unmeasured)


def test_details_go_down_to_every_category_and_leave_empty_ones_out(tree_file):
    metric, pairs = PropertyScores(read_property_tree(tree_file)), Pairs(TRUTHS, OUTPUTS, PlainWords())
    found = metric.details(pairs)["categories"]
    assert list(found) == ["all", "Medicine", "Medicine/inhibitors", "Smell", "Smell/fruit"]
    assert found["Medicine/inhibitors"] == pytest.approx(INHIBITORS | {"scored properties": 2})
    assert found["all"]["F1"] == pytest.approx(MEDICINE["F1"])
    assert found["Smell/fruit"] == {"precision": None, "recall": None, "F1": None, "scored properties": 0}
    assert metric.remarks(pairs)[0].startswith("2 of 4 property categories")


def test_held_out_combinations_are_pooled_over_pairs_and_items(tree_file):
    pairs = [("drug", "kinase inhibitor"), ("Beta-lactamase inhibitor", "drug"), ("pear", "unheard of")]
    metric = PropertyScores(read_property_tree(tree_file), pairs)
    # wanted: drug + kinase (1), drug + lactamase (3); said: drug + kinase (3): no hit, 1 false, 2 missed
    scores = metric.score(Pairs(TRUTHS, OUTPUTS, PlainWords()))
    assert [scores[f"held-out {kind}"] for kind in ("precision", "recall", "F1")] == [0, 0, 0]
    # now both pairs of the first and the third item are said as wanted, and nothing else
    scores = metric.score(Pairs(TRUTHS, [TRUTHS[0], "", TRUTHS[2]], PlainWords()))
    assert [scores[f"held-out {kind}"] for kind in ("precision", "recall", "F1")] == [1, 1, 1]
    scores = metric.score(Pairs(["a pear"], ["a pear"], PlainWords()))
    assert all(isinstance(scores[f"held-out {kind}"], Unmeasured) for kind in ("precision", "recall", "F1"))


def test_draws_count_an_item_as_often_as_it_was_drawn(tree_file):
    metric = PropertyScores(read_property_tree(tree_file), [("drug", "kinase inhibitor")])
    estimates = metric.estimates(Pairs(TRUTHS, OUTPUTS, PlainWords()))
    again = metric.score(Pairs([TRUTHS[0], TRUTHS[1], TRUTHS[1]], [OUTPUTS[0], OUTPUTS[1], OUTPUTS[1]], PlainWords()))
    draws = np.array([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]])
    for row, found in estimates.items():
        if isinstance(found, Estimate) and row != "held-out precision":
            drawn = found.resample(draws)
            assert drawn[0] == pytest.approx(again[row]), row
            assert drawn[1] == pytest.approx(found.value), row


def test_a_phrase_is_found_where_its_tokens_stand_in_a_row():
    finder = PhraseFinder([("a", "b"), ("a",), ("b", "c", "d"), ("a", "b")])
    assert len(finder) == 3
    assert finder.found_in(["x", "a", "b", "d"]) == {finder.number(("a", "b")), finder.number(("a",))}
    assert finder.found_in(["b", "c", "d"]) == {finder.number(("b", "c", "d"))}
    assert finder.found_in([]) == frozenset()


def test_word_pieces_find_a_name_inside_a_longer_word():
    """As in the published scripts, since the name of a property stands there piece by piece: `benz` in `benz ##ene`."""
    captions, row = (["a benzene ring"], ["a benzene ring"]), "property F1 (empty category = 1)"
    metric = PropertyScores([Leaf(("x",), "benz")])
    assert metric.score(Pairs(*captions, WordPieces(VOCABULARY)))[row] == 1.0
    assert isinstance(metric.score(Pairs(*captions, PlainWords()))[row], Unmeasured)
    tokens = WordPieces(VOCABULARY).search_tokens(["benzene " * 600])
    assert tokens == [["benz", "##ene"] * 600]  # never cut


def test_evaluate_adds_the_rows_to_those_of_the_task(tree_file):
    metric = PropertyScores(read_property_tree(tree_file))
    report = evaluate("caption", PredictionTable(TRUTHS, OUTPUTS), skip=["meteor"], more_metrics=[metric])
    assert {"BLEU-2", "property F1 (empty category = 0)"} <= set(report.metrics)
    assert report.to_json()["details"]["categories"]["Medicine"]["F1"] == pytest.approx(MEDICINE["F1"])
    assert len(report.references) == 16


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "a list in the place of a category"),
        ('{"a": "b"}', "'a' holds a str"),
        ("{}", "no property"),
        ('{"a": [1]}', "a int in the place"),
    ],
)
def test_a_tree_that_is_none_is_one_line(tmp_path, content, complaint):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_property_tree(tmp_path / "t.json")


def test_combinations_are_read_and_bad_ones_named(tmp_path):
    path = tmp_path / "combos.txt"
    path.write_text("('bitter', 'surfactant')\t9\n(\"Pick's disease\", 'x')\t1\n")
    assert read_combinations(path) == [("bitter", "surfactant"), ("Pick's disease", "x")]
    path.write_text("('a', 'b')\t1\n__import__('os')\t1\n")
    with pytest.raises(InputError, match="line 2"):
        read_combinations(path)
