"""ChemLLMBench: hand-made answers score as computed by hand, from a table of predict's and from lines."""

import json

import numpy as np
import pytest

from mindformers.evaluation import evaluate
from mindformers.evaluation.__main__ import main
from mindformers.evaluation.benchmark import read_benchmark
from mindformers.evaluation.bootstrap import Bootstrap
from mindformers.evaluation.metrics.accuracy import molecules_of
from mindformers.evaluation.metrics.metric import Pairs, Unmeasured
from mindformers.evaluation.metrics.yes_no import Auc, auc, label_of
from mindformers.evaluation.tasks import get_task
from mindformers.tools.errors import InputError

RANKED = json.dumps(["CCP", "CCCP", "CCCCP", "CP"])
# task, ground truth, P(Yes), output
ROWS = [
    ("bace", "Yes", "0.9", "Yes"),
    ("bace", "Yes", "0.4", "No, it cannot."),
    ("bace", "No", "0.4", "No"),
    ("bace", "No", "0.1", "perhaps"),
    ("clintox-FDA", "Yes", "0.2", "yes."),
    ("clintox-FDA", "No", "0.3", "No"),
    ("clintox-tox", "Yes", "0.8", "Yes"),
    ("clintox-tox", "No", "0.3", "Yes"),
    ("yield-prediction-bh-8", "No", "0.7", "Yes"),
    ("yield-prediction-bh-8", "No", "0.7", "No"),
    ("ligand_selection", RANKED, "", "PCC"),
    ("ligand_selection", RANKED, "", "CCCP"),
    ("ligand_selection", RANKED, "", "CCCCP"),
    ("ligand_selection", RANKED, "", "no ligand"),
    ("retro-synthesis", "CCO.CC(=O)O", "", "OC(C)=O.OCC"),
    ("retro-synthesis", "CCO.CC(=O)O", "", "OCC"),
    ("smiles_to_molecular_formula", "C2H6O", "", " C2H6O"),
    ("smiles_to_molecular_formula", "C2H6O", "", "H6C2O"),
    ("iupac_to_smiles", "OCC", "", "CCO"),
    ("molecule-captioning", "a b c d", "", "a b c d"),
    ("text-based-molecule-design", "CCO", "", "OCC"),
    ("text-based-molecule-design", "CCO", "", "CC("),
]
BY_HAND = {
    # P(Yes): 0.9 beats both; 0.4 ties with 0.4 and beats 0.1. Labels: 1 beats both; 0 ties with 0 and loses to 0.5.
    "bace: AUC from P(Yes)": (1 + 1 + 0.5 + 1) / 4,
    "bace: AUC from hard labels": (1 + 1 + 0.5 + 0) / 4,
    "bace: accuracy": 2 / 4,
    "clintox-FDA: AUC from P(Yes)": 0.0,
    "clintox-tox: AUC from P(Yes)": 1.0,
    "clintox-tox: AUC from hard labels": 0.5,
    "clintox: AUC from P(Yes), mean of 2 labels": 0.5,
    "clintox: AUC from hard labels, mean of 2 labels": 0.75,
    "yield-prediction-bh-8: accuracy": 0.5,
    "ligand_selection: accuracy (the best)": 1 / 4,
    "ligand_selection: accuracy (in the best half)": 2 / 4,
    "retro-synthesis: accuracy": 1 / 2,
    "smiles_to_molecular_formula: exact match": 1 / 2,
    "iupac_to_smiles: accuracy": 1.0,
    "iupac_to_smiles: exact match": 0.0,
    "molecule-captioning: BLEU-2": 1.0,
    "text-based-molecule-design: exact": 0.5,
    "text-based-molecule-design: validity": 0.5,
    "text-based-molecule-design: Morgan (valid only)": 1.0,
    "text-based-molecule-design: Morgan (invalid = 0)": 0.5,
}


def written(path, rows, header=("task", "ground truth", "P(Yes)", "output")):
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    table = read_benchmark(written(tmp_path_factory.mktemp("b") / "p.tsv", ROWS))
    return evaluate("chemllmbench", table, skip=["meteor", "fcd"], bootstrap=Bootstrap(20))


def test_hand_made_answers_score_as_computed_by_hand(report):
    assert {row: report.metrics[row] for row in BY_HAND} == pytest.approx(BY_HAND)
    assert report.items == len(ROWS)
    assert isinstance(report.metrics["yield-prediction-bh-8: AUC from P(Yes)"], Unmeasured)  # all of them are No


def test_notes_say_what_the_answers_lacked(report):
    assert any(note.startswith("bace: 1 of 4 outputs begin with neither Yes nor No") for note in report.notes)
    assert any("AUC needs ground truths of both kinds" in note for note in report.notes)
    assert report.intervals["retro-synthesis: accuracy"] == (0.0, 1.0)
    assert {"rdkit", "numpy", "nltk"} <= set(report.versions)


def test_auc_is_the_share_of_pairs_in_the_right_order():
    random = np.random.default_rng(0)
    truths, scores = random.random(40) < 0.4, random.integers(0, 8, 40)
    positive, negative = scores[truths][:, None], scores[~truths][None]
    expected = float(np.mean((positive > negative) + 0.5 * (positive == negative)))
    found = auc(truths, scores)
    assert found.value == pytest.approx(expected)
    draws = random.multinomial(40, [1 / 40] * 40, size=3).astype(float)
    for drawn, row in zip(found.resample(draws), draws.astype(int), strict=True):
        again = auc(np.repeat(truths, row), np.repeat(scores, row))
        assert drawn == pytest.approx(again.value)
    assert np.isnan(found.resample(np.eye(40)[:1])).all()  # one item alone is no pair


def test_without_probabilities_the_soft_auc_is_unmeasured():
    scores = Auc().score(Pairs(["Yes", "No"], ["Yes", "No"]))
    assert scores["AUC from hard labels"] == 1.0
    assert scores["AUC from P(Yes)"].cell == "needs P(Yes)"


@pytest.mark.parametrize(
    ("answer", "label"),
    [("Yes", 1), ("No.", 0), (' "yes, it is', 1), ("Nothing", 0.5), ("", 0.5), ("It is Yes", 0.5), ("NO", 0)],
)
def test_labels_are_the_first_word(answer, label):
    assert label_of(answer) == label


def test_molecules_are_compared_as_sets():
    assert molecules_of("CCO.C") == molecules_of("C.OCC.C")
    assert molecules_of("CC(") == molecules_of("") == frozenset()


def test_an_unknown_task_is_matched_exactly_and_said_so(tmp_path):
    rows = [("riddle", "a cat", "", "a cat"), ("riddle", "a dog", "", "A dog")]
    found = evaluate("chemllmbench", read_benchmark(written(tmp_path / "p.tsv", rows)))
    assert found.metrics == {"riddle: exact match": 0.5}
    assert any("not a known task" in note for note in found.notes)


def test_lines_beside_the_benchmarks_own_file(tmp_path):
    items = [
        {"question": "Q", "answer": ["CCO", "CC(=O)O"], "task_name": "retro-synthesis"},
        {"question": "Q", "answer": ["CCP", "CCCP"], "task_name": "ligand_selection"},
        {"question": "Q", "answer": "Yes", "task_name": "bace"},
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "out.txt").write_text("CC(=O)O.CCO\nCCP\nYes\n")
    table = get_task("chemllmbench").read(tmp_path / "out.txt", tmp_path / "items.jsonl")
    assert table.answers == [("CCO.CC(=O)O",), ("CCP", "CCCP"), ("Yes",)] and table.probabilities == [None] * 3
    found = evaluate("chemllmbench", table).metrics
    assert found["retro-synthesis: accuracy"] == found["ligand_selection: accuracy (the best)"] == 1.0
    (tmp_path / "out.txt").write_text("CCO\n")
    with pytest.raises(InputError, match="1 lines; expected 3"):
        read_benchmark(tmp_path / "out.txt", tmp_path / "items.jsonl")


def test_the_command_prints_one_table(tmp_path, capsys):
    path = written(tmp_path / "p.tsv", ROWS)
    assert main(["--task", "chemllmbench", "--predictions", str(path), "--skip", "meteor,fcd"]) == 0
    shown = capsys.readouterr().out
    assert "bace: AUC from P(Yes)" in shown and "0.875000" in shown


@pytest.mark.parametrize(
    ("rows", "header", "complaint"),
    [
        ([("bace", "Yes", "Yes")], ("task", "ground truth", "answer"), "line 1: .*output"),
        ([("bace", "Yes", "2", "Yes")], ("task", "ground truth", "P(Yes)", "output"), "line 2 column P"),
        ([("x", '["a", ', "", "a")], ("task", "ground truth", "P(Yes)", "output"), "line 2: ground truth is no JSON"),
    ],
)
def test_cells_that_cannot_be_used_are_named(tmp_path, rows, header, complaint):
    with pytest.raises(InputError, match=complaint):
        read_benchmark(written(tmp_path / "p.tsv", rows, header))
