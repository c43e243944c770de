"""The story as a whole: reports, the baseline beside the model, tasks as a register."""

import pytest

from mindformers.evaluation import PredictionTable, evaluate, read_predictions
from mindformers.evaluation.metrics.metric import Unmeasured
from mindformers.evaluation.metrics.strings import Levenshtein
from mindformers.evaluation.report import Report
from mindformers.evaluation.table import format_report
from mindformers.evaluation.tasks import Task, get_task, register_task, task_names
from mindformers.evaluation.tasks import task as task_module
from mindformers.tools.errors import InputError
from tests.evaluation.paths import CAPTIONS, MOLECULES, VOCABULARY

CAPTION_ROWS = ["BLEU-2", "BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L"]


@pytest.fixture(scope="module")
def captions():
    return read_predictions(CAPTIONS, "SMILES")


def test_molgen_values_of_the_small_file():
    report = evaluate("molgen", read_predictions(MOLECULES, "description"), skip=["fcd"])
    assert report.items == 20 and report.tokenizer is None
    # By eye: ethanol, acetic acid, benzene, hexane and urea are right; an open ring, a bond that leads nowhere, a
    # nitrogen with five bonds and an English word are no molecules.
    assert report.metrics["exact"] == 5 / 20
    assert report.metrics["validity"] == 16 / 20
    for name in ("MACCS", "RDK", "Morgan"):
        over_all = report.metrics[f"{name} (invalid = 0)"]
        assert over_all == pytest.approx(report.metrics[f"{name} (valid only)"] * 16 / 20)


def test_copies_of_the_truth_score_full_marks(captions):
    report = evaluate("caption", PredictionTable(captions.truths, captions.truths), skip=["meteor"])
    assert list(report.metrics) == CAPTION_ROWS
    assert all(score == pytest.approx(1.0) for score in report.metrics.values())


def test_baseline_is_scored_like_a_model_that_always_says_it(captions):
    answer = captions.truths[3]
    report = evaluate("caption", captions, skip=["meteor"], baseline_answer=answer)
    alone = evaluate("caption", PredictionTable(captions.truths, [answer] * len(captions)), skip=["meteor"])
    assert report.baseline == alone.metrics and report.metrics != report.baseline
    assert any(answer in note for note in report.notes)


def test_words_change_bleu_but_not_rouge_and_are_labelled(captions):
    plain = evaluate("caption", captions, skip=["meteor"])
    pieces = evaluate("caption", captions, text_tokenizer=VOCABULARY, skip=["meteor"])
    assert plain.metrics["BLEU-2"] != pieces.metrics["BLEU-2"]
    assert plain.metrics["ROUGE-L"] == pieces.metrics["ROUGE-L"]
    assert plain.tokenizer == "plain lower-cased words" and "plain lower-cased words" in format_report(plain)
    assert any("--text_tokenizer" in note for note in plain.notes)
    assert pieces.tokenizer == "WordPiece (eval_vocab.txt)"
    assert not any("--text_tokenizer" in note for note in pieces.notes)


def test_notes_name_empty_outputs_and_skipped_metrics(captions):
    notes = evaluate("caption", captions, skip=["meteor"]).notes
    assert "1 of 20 outputs are empty" in notes and "skipped on request: meteor" in notes


def test_notes_name_unreadable_ground_truths():
    report = evaluate("molgen", PredictionTable(["CCO", "x"], ["CCO", ""]), skip=["fcd"])
    assert any("cannot read 1 of 2 ground truths" in note for note in report.notes)
    assert any("1 of 2 outputs are empty" in note for note in report.notes)
    assert report.metrics["exact"] == 0.5


def test_versions_are_those_of_the_metrics_that_ran(captions):
    assert set(evaluate("caption", captions, skip=["meteor", "bleu"]).versions) == {"rouge-score"}
    pieces = evaluate("caption", captions, text_tokenizer=VOCABULARY, skip=["meteor", "rouge"])
    assert set(pieces.versions) == {"nltk", "tokenizers"}


@pytest.mark.parametrize(("task", "skip"), [("captions", []), ("caption", ["fcd"]), ("molgen", ["meteors"])])
def test_unknown_names_are_refused(task, skip):
    with pytest.raises(InputError, match="unknown name"):
        evaluate(task, PredictionTable(["a"], ["a"]), skip=skip)


def test_one_more_task_is_one_more_registered_class(monkeypatch):
    monkeypatch.setattr(task_module, "_TASKS", dict(task_module._TASKS))

    @register_task
    class Spelling(Task):
        name, input_column, answer_columns, metrics = "spelling", "word", ("word",), (Levenshtein,)

    assert "spelling" in task_names() and isinstance(get_task("spelling"), Spelling)
    assert evaluate("spelling", PredictionTable(["ab"], ["abc"])).metrics == {"Levenshtein": 1.0}


def test_unmeasured_scores_are_text_on_screen_and_null_in_json():
    scores = {"BLEU": 0.5, "METEOR": Unmeasured("needs WordNet", "why")}
    report = Report(
        "caption", 3, None, scores, baseline={"BLEU": 0.25, "METEOR": Unmeasured("n/a", "why")}, notes=["why"]
    )
    assert report.to_json()["metrics"] == {"BLEU": 0.5, "METEOR": None}
    assert report.to_json()["baseline"] == {"BLEU": 0.25, "METEOR": None}
    assert format_report(report).splitlines() == [
        "caption, 3 items",
        "metric          model  baseline",
        "------  -------------  --------",
        "BLEU         0.500000  0.250000",
        "METEOR  needs WordNet       n/a",
        "note: why",
    ]
