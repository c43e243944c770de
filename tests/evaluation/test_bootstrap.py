"""Confidence intervals: small cases by hand, and every score against its own way of being drawn again."""

import math

import numpy as np
import pytest

from mindformers.evaluation import evaluate, read_predictions
from mindformers.evaluation.bootstrap import Bootstrap
from mindformers.evaluation.metrics.bleu_counts import bleu_of_draws
from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate, ratio_estimate, share_estimate
from mindformers.evaluation.metrics.metric import Pairs, Unmeasured
from mindformers.evaluation.table import format_report
from mindformers.evaluation.tasks import get_task
from mindformers.evaluation.words import PlainWords
from tests.evaluation.paths import CAPTIONS, MOLECULES

TWICE_THE_FIRST = np.array([[2.0, 0.0]])


def test_means_and_shares_follow_the_drawn_items():
    assert mean_estimate([1, 3]).value == 2 and mean_estimate([]).value == 0
    assert mean_estimate([1, 3]).resample(TWICE_THE_FIRST) == [1]
    share = share_estimate([0.5, 1.0], [True, False])
    assert share.value == 0.5 and share.resample(np.array([[1.0, 1.0]])) == [0.5]
    assert np.isnan(share.resample(np.array([[0.0, 2.0]])))
    ratio = ratio_estimate([1, 1], [2, 8])
    assert ratio.value == 0.2 and ratio.resample(TWICE_THE_FIRST) == [0.5]


def test_bleu_of_a_draw_is_the_bleu_of_the_drawn_corpus():
    truths, outputs = [["a", "b", "c", "d", "e"], ["a", "b"]], [["a", "b", "c", "d", "x"], ["b"]]
    bleu = bleu_of_draws(truths, outputs)
    expected = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    assert bleu(TWICE_THE_FIRST, (0.25,) * 4) == pytest.approx([expected])
    # the second item alone: one of one word, no pair at all, and half as long as its reference
    assert bleu(np.array([[0.0, 1.0]]), (1.0,)) == pytest.approx([math.exp(1 - 2)])


@pytest.mark.parametrize(
    ("task", "file", "column"), [("caption", CAPTIONS, "SMILES"), ("molgen", MOLECULES, "description")]
)
def test_drawing_every_item_once_gives_the_score(task, file, column):
    table = read_predictions(file, column)
    pairs = Pairs(table.truths, table.outputs, PlainWords())
    metrics = [metric() for metric in get_task(task).metrics if metric.name not in ("fcd",)]
    estimates = {row: found for metric in metrics for row, found in metric.estimates(pairs).items()}
    drawn = {row: e.resample(np.ones((1, len(pairs))))[0] for row, e in estimates.items() if isinstance(e, Estimate)}
    assert len(drawn) >= 5
    assert drawn == pytest.approx({row: estimates[row].value for row in drawn})


def test_intervals_are_seeded_and_hold_the_middle_of_the_draws():
    # of two items, half of the draws have each once, a quarter has the first twice, a quarter the second
    estimates = {"share": mean_estimate([0, 1]), "fixed": mean_estimate([1, 1]), "none": Unmeasured("x", "why")}
    found = Bootstrap(300, seed=1).intervals(estimates | {"costly": Estimate(1.0)}, 2)
    assert found == {"share": (0.0, 1.0), "fixed": (1.0, 1.0)}
    values = mean_estimate(list(range(50)))
    low, high = Bootstrap(2000).intervals({"mean": values}, 50)["mean"]
    spread = 1.96 * np.std(range(50)) / math.sqrt(50)
    assert low == pytest.approx(24.5 - spread, abs=0.4) and high == pytest.approx(24.5 + spread, abs=0.4)
    assert Bootstrap(2000).intervals({"mean": values}, 50) == {"mean": (low, high)}
    assert Bootstrap(2000, seed=1).intervals({"mean": values}, 50) != {"mean": (low, high)}


def test_report_shows_intervals_beside_the_scores():
    table = read_predictions(CAPTIONS, "SMILES")
    report = evaluate("caption", table, skip=["meteor"], bootstrap=Bootstrap(50, seed=3), baseline_answer="a salt")
    low, high = report.to_json()["intervals"]["BLEU-2"]
    assert low < report.metrics["BLEU-2"] < high
    row = next(line for line in format_report(report).splitlines() if line.startswith("BLEU-2"))
    assert f"{low:.4f} to {high:.4f}" in row and row.endswith(f"{report.baseline['BLEU-2']:.6f}")
    assert any("50 draws of the items with seed 3" in note for note in report.notes)
    assert evaluate("caption", table, skip=["meteor"]).intervals is None
