"""Prediction files in both forms."""

import pytest

from mindformers.evaluation.predictions import PredictionTable, read_predictions
from mindformers.tools.errors import InputError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_table_gives_truths_and_outputs_without_cls_prefix(tmp_path):
    text = "SMILES\tground truth\toutput\nC\tone\t[CLS] uno\nCC\ttwo\tdos [CLS] \nCCC\tthree\t\n"
    table = read_predictions(write(tmp_path / "p.tsv", text), "SMILES")
    assert table.truths == ["one", "two", "three"]
    assert table.outputs == ["uno", "dos [CLS] ", ""]
    assert len(table) == 3


def test_written_line_ends_stay_as_they_are(tmp_path):
    table = read_predictions(write(tmp_path / "p.tsv", "SMILES\tground truth\toutput\nC\tone\ta\\nb\n"), "SMILES")
    assert table.outputs == ["a\\nb"]


def test_lines_with_references_need_no_header(tmp_path):
    outputs, truths = (
        write(tmp_path / "o.txt", "[CLS] uno\n\ntres\tx\n"),
        write(tmp_path / "t.txt", "one\ntwo\nthree\n"),
    )
    assert read_predictions(outputs, "SMILES", truths) == PredictionTable(
        ["one", "two", "three"], ["uno", "", "tres\tx"]
    )


def test_line_counts_must_agree(tmp_path):
    outputs, truths = write(tmp_path / "o.txt", "uno\n"), write(tmp_path / "t.txt", "one\ntwo\n")
    with pytest.raises(InputError, match="1 lines; expected 2"):
        read_predictions(outputs, "SMILES", truths)


def test_other_columns_may_stand_beside(tmp_path):
    for header in ("id\toutput\tground truth", "SMILES\toutput\tground truth"):
        table = read_predictions(write(tmp_path / "p.tsv", f"{header}\n1\tuno\tone\n"), "SMILES")
        assert (table.truths, table.outputs) == (["one"], ["uno"])


@pytest.mark.parametrize("header", ["description\tground truth\toutput", "SMILES\ttruth\toutput", "a\tb\tc"])
def test_other_columns_are_refused_at_line_1(tmp_path, header):
    path = write(tmp_path / "p.tsv", f"{header}\n1\t2\t3\n")
    with pytest.raises(InputError, match="line 1: columns") as caught:
        read_predictions(path, "SMILES")
    assert "--references" in str(caught.value)


@pytest.mark.parametrize(("truths", "outputs"), [([], []), (["a"], []), (["a"], ["b", "c"])])
def test_table_needs_one_output_per_truth(truths, outputs):
    with pytest.raises(InputError):
        PredictionTable(truths, outputs)
