"""Runs and published scores side by side: what is shown, and what is marked as not comparable."""

import json

import pytest

from mindformers.evaluation.__main__ import main
from mindformers.evaluation.compare import Run, compare, why_not_comparable
from mindformers.evaluation.published import PUBLISHED
from mindformers.evaluation.report import Report
from mindformers.tools.errors import InputError
from tests.evaluation.paths import CAPTIONS

PIECES = "WordPiece (vocab.txt)"
SCIMIND = next(one for one in PUBLISHED if one.system == "SciMind" and one.task == "caption")
MOLT5 = next(one for one in PUBLISHED if one.system == "MolT5-base" and one.task == "caption")
CHEMDFM = next(one for one in PUBLISHED if one.system == "ChemDFM-13B")


def written(path, **changes):
    report = Report("caption", 21805, PIECES, {"BLEU-2": 0.5}, references="abc", versions={"nltk": "3"}).to_json()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report | changes))
    return path


def columns_of(text, heading):
    """Row -> cell of one column of the first table that has it."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    start = next(number for number, cells in enumerate(lines) if heading in cells)
    place = lines[start].index(heading)
    return {cells[0]: cells[place] for cells in lines[start:] if len(cells) == len(lines[start])}


def test_runs_baselines_and_published_scores_share_the_rows(tmp_path):
    one = written(tmp_path / "a" / "metrics.json", intervals={"BLEU-2": [0.45, 0.55]}, baseline={"BLEU-2": 0.25})
    two = written(tmp_path / "b" / "metrics.json", metrics={"BLEU-2": 0.6, "METEOR": None})
    text = compare([one, two])
    assert columns_of(text, "a/metrics")["BLEU-2"] == "0.5000 (0.4500 to 0.5500)"
    assert columns_of(text, "a/metrics, its baseline")["BLEU-2"] == "0.2500"
    assert columns_of(text, "b/metrics")["METEOR"] == "-"
    scimind = columns_of(text, "SciMind [1]")
    assert scimind["BLEU-2"] == "0.7566" and scimind["property F1 (empty category = 1)"] == "0.1151"
    assert scimind["items"] == "21805"
    assert columns_of(text, "MolT5-base† [2]")["METEOR"] == "0.5745"
    assert "nltk 3" in text and "not public" in text


def test_every_published_number_is_on_the_scale_of_ours():
    for one in PUBLISHED:
        for row, score in one.scores.items():
            assert row in ("Levenshtein", "FCD") or 0 < score <= 1
    assert SCIMIND.scores["METEOR"] == pytest.approx(0.7476)
    assert CHEMDFM.scores == pytest.approx(
        {"bace: AUC": 0.784, "bbbp: AUC": 0.667, "clintox: AUC": 0.899, "hiv: AUC": 0.736, "tox21: AUC": 0.798}
    )


@pytest.mark.parametrize(
    ("published", "changes", "reason"),
    [
        (SCIMIND, {}, None),
        (SCIMIND, {"items": 312}, "312 items instead of 21805"),
        (SCIMIND, {"tokenizer": "plain lower-cased words"}, "BLEU-2, BLEU-4, METEOR over plain lower-cased words"),
        (MOLT5, {"items": 3300}, "other ground truths"),
        (MOLT5, {"items": 3300, "references": MOLT5.benchmark.references}, None),
        (CHEMDFM, {"task": "chemllmbench", "details": {"items": {"bace": 152}}}, None),
        (CHEMDFM, {"task": "chemllmbench", "details": {"items": {"bace": 9}}}, "9 items of bace instead of 152"),
    ],
)
def test_what_may_not_be_compared_is_told(tmp_path, published, changes, reason):
    run = Run("a", json.loads(written(tmp_path / "m.json", **changes).read_text()))
    assert why_not_comparable(run, published) == ([reason] if reason else [])


def test_property_prediction_shows_both_auc_of_a_run(tmp_path):
    metrics = {
        "bace: AUC from P(Yes)": 0.75,
        "bace: AUC from hard labels": 0.5,
        "clintox: AUC from P(Yes), mean of 2 labels": 0.625,
    }
    text = compare([written(tmp_path / "r.json", task="chemllmbench", metrics=metrics)])
    soft, hard = columns_of(text, "r, AUC from P(Yes)"), columns_of(text, "r, AUC from hard labels")
    assert (soft["bace"], hard["bace"], soft["clintox"], hard["clintox"]) == ("0.7500", "0.5000", "0.6250", "-")
    assert columns_of(text, "MolXPT [1]")["clintox"] == "0.9530"


def test_runs_over_other_items_are_marked(tmp_path):
    one, two = written(tmp_path / "a.json"), written(tmp_path / "b.json", references="xyz")
    assert "† b and a have other ground truths." in compare([one, two])
    assert "other ground truths" not in compare([one, one]).replace("[2]: 21805 items", "")


def test_the_command_scores_and_compares(tmp_path, capsys):
    report, text = tmp_path / "m.json", tmp_path / "t.md"
    words = ["--task", "caption", "--predictions", str(CAPTIONS), "--skip", "meteor", "--output", str(report)]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["--compare", str(report), "--output", str(text)]) == 0
    shown = capsys.readouterr().out
    assert shown == text.read_text() and "## caption" in shown and "20 items instead of 21805" in shown


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("{", "not JSON"), ("[]", "without task"), ('{"task": "caption", "items": 1, "metrics": 3}', "no object")],
)
def test_what_is_no_report_is_refused(tmp_path, content, complaint):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(InputError, match=complaint):
        compare([tmp_path / "m.json"])


@pytest.mark.parametrize("words", [["--task", "caption"], [], ["--compare", "x.json", "--task", "caption"]])
def test_what_is_missing_or_too_much_is_one_line(capsys, words):
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1
