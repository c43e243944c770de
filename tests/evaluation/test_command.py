"""The command as users type it: output, JSON file, exit status."""

import json
import subprocess
import sys

import pytest

from mindformers.evaluation import scoring
from mindformers.evaluation.__main__ import main
from tests.evaluation.paths import CAPTIONS, MOLECULES, TRAINING, VOCABULARY


def run(*args):
    return main([str(arg) for arg in args])


def test_caption_prints_a_table_and_writes_json(tmp_path, capsys):
    output = tmp_path / "new" / "metrics.json"
    status = run("--task", "caption", "--predictions", CAPTIONS, "--text_tokenizer", VOCABULARY, "--output", output)
    assert status == 0
    written, shown = json.loads(output.read_text()), capsys.readouterr().out
    keys = [
        "task",
        "items",
        "tokenizer",
        "metrics",
        "baseline",
        "intervals",
        "references",
        "details",
        "versions",
        "notes",
    ]
    assert list(written) == keys
    assert written["task"] == "caption" and written["items"] == 20 and written["baseline"] is None
    assert list(written["metrics"]) == ["BLEU-2", "BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "METEOR"]
    assert f"{written['metrics']['BLEU-4']:.6f}" in shown
    assert {"nltk", "tokenizers", "rouge-score"} <= set(written["versions"])


def test_baseline_stands_beside_the_model(tmp_path, capsys):
    output = tmp_path / "m.json"
    args = ("--task", "caption", "--predictions", CAPTIONS, "--skip", "meteor", "--output", output)
    assert run(*args, "--baseline", TRAINING) == 0
    written, shown = json.loads(output.read_text()), capsys.readouterr().out
    row = next(line.split() for line in shown.splitlines() if line.startswith("ROUGE-1"))
    assert row[1:] == [f"{written[column]['ROUGE-1']:.6f}" for column in ("metrics", "baseline")]
    assert any("The molecule is a salt." in note for note in written["notes"])


def test_lines_with_references(tmp_path, capsys):
    outputs, truths = tmp_path / "o.txt", tmp_path / "t.txt"
    outputs.write_text("CCO\nCC(\n")
    truths.write_text("OCC\nCC\n")
    assert run("--task", "molgen", "--predictions", outputs, "--references", truths, "--skip", "fcd") == 0
    shown = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines()[3:12])
    assert float(shown["exact"]) == 0.5 and float(shown["validity"]) == 0.5


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("--task", "caption", "--predictions", "none.tsv"), "none.tsv"),
        (("--task", "caption", "--predictions", MOLECULES), "line 1"),
        (("--task", "molgen", "--predictions", MOLECULES, "--skip", "meteor"), "--skip"),
        (("--task", "molgen", "--predictions", MOLECULES, "--output", MOLECULES.parent), "--output"),
        (("--task", "caption", "--predictions", CAPTIONS, "--text_tokenizer", CAPTIONS), "vocabulary"),
        (("--task", "caption", "--predictions", CAPTIONS, "--baseline", VOCABULARY), "eval_vocab.txt line 1"),
        (("--task", "caption", "--predictions", CAPTIONS, "--bootstrap", "-1"), "--bootstrap"),
        (("--task", "chemllmbench", "--predictions", CAPTIONS), "also task"),
        (("--task", "caption", "--predictions", CAPTIONS, "--held_out_combinations", CAPTIONS), "--property_tree"),
        (("--task", "caption", "--predictions", CAPTIONS, "--property_tree", CAPTIONS), "eval_caption.tsv"),
        (("--task", "molgen", "--predictions", MOLECULES, "--property_tree", CAPTIONS), "--task caption"),
    ],
)
def test_unusable_input_is_one_line_and_status_2(capsys, args, complaint):
    assert run(*args) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ")
    assert complaint in captured.err and captured.err.count("\n") == 1


def test_output_that_cannot_be_written_still_shows_the_table(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    args = ("--task", "molgen", "--predictions", MOLECULES, "--skip", "fcd", "--output", tmp_path / "file" / "m.json")
    assert run(*args) == 2
    captured = capsys.readouterr()
    assert "validity" in captured.out and "cannot write" in captured.err


def test_choices_are_the_registered_tasks(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--task", "poetry", "--predictions", CAPTIONS)
    assert caught.value.code == 2 and "caption" in capsys.readouterr().err


def test_setting_that_is_ignored_is_warned_about(monkeypatch):
    warnings = []
    monkeypatch.setattr(scoring.logger, "warning", lambda text, *values: warnings.append(text % values))
    assert run("--task", "molgen", "--predictions", MOLECULES, "--skip", "fcd", "--text_tokenizer", VOCABULARY) == 0
    assert warnings == ["--text_tokenizer is ignored: task molgen counts no words"]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("mindformers.evaluation.__main__", {"mindspore"}),
        ("mindformers.evaluation", {"mindspore", "nltk", "rdkit", "rouge_score", "rapidfuzz", "tokenizers", "numpy"}),
    ],
)
def test_importing_is_light(module, absent):
    code = f"import sys, {module}; print(sorted(sys.modules.keys() & {absent!r}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
