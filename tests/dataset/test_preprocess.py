"""Files to MindRecord, whole pipeline and command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llama_preprocess
from mindformers.dataset import preprocess as preprocess_module
from mindformers.dataset.example import GPT, HUMAN, Turn
from mindformers.dataset.inspect import main as inspect_main
from mindformers.dataset.mindrecord import open_mindrecord
from mindformers.dataset.parallel_map import map_chunks
from mindformers.dataset.preprocess import PreprocessSettings, input_files, preprocess
from mindformers.dataset.report import Report
from mindformers.dataset.templates import get_template
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.errors import InputError

WORDS = ("toxic", "sweet", "an enzyme", "a nutrient", "used against infection")


def _conversation(number: int, human: str | None = None) -> dict[str, Any]:
    question = human or f"Describe <molecule>{'C' * (1 + number % 7)}O</molecule>."
    answer = f"It is {WORDS[number % 5]}, number {number}."
    return {"id": str(number), "conversation": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}


@pytest.fixture
def qa_file(tmp_path: Path) -> Path:
    """Ten conversations; item 4 has a character outside the alphabet, item 7 no answer."""
    rows = [_conversation(number) for number in range(10)]
    rows[4] = _conversation(4, "Describe <molecule>CJ</molecule>.")
    del rows[7]["conversation"][1]
    path = tmp_path / "in" / "qa.json"
    path.parent.mkdir()
    path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")
    return path


def _run(tokenizer: LlamaTokenizer, source: Path | str, output: Path, **settings: Any) -> Report:
    settings = {"dataset_type": "qa", "seq_length": 200, "workers": 1, **settings}
    return preprocess(PreprocessSettings(input_glob=str(source), output_file=output, **settings), tokenizer)


def _ids(path: Path) -> list[list[int]]:
    reader = open_mindrecord(path)
    return [batch["input_ids"][0].tolist() for batch in reader]


def test_conversations(qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    report = _run(tokenizer, qa_file, tmp_path / "o.mindrecord", report=tmp_path / "r.json")
    reader = open_mindrecord(tmp_path / "o.mindrecord", batch_size=8, expected_length=201)
    (batch,) = reader
    prompt = tokenizer.encode(get_template("vicuna").render_prompt([Turn(HUMAN, "Describe <molecule>CO</molecule>.")]))
    answer = [*tokenizer.encode(" It is toxic, number 0.", is_continuation=True), 2]
    padding = 201 - len(prompt) - len(answer)
    assert batch["input_ids"][0].tolist() == prompt + answer + [0] * padding
    assert batch["labels"][0].tolist() == [-100] * len(prompt) + answer + [-100] * padding
    assert report.to_dict() == json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))


def test_the_report_counts_everything(qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    report = _run(tokenizer, qa_file, tmp_path / "o.mindrecord").to_dict()
    counts = {key: report[key] for key in ("rows_read", "rows_used", "rows_bad", "rows_truncated", "records_written")}
    assert counts == {"rows_read": 10, "rows_used": 8, "rows_bad": 2, "rows_truncated": 0, "records_written": 8}
    assert [(row["file"], row["line"]) for row in report["bad_rows"]] == [(str(qa_file), 6), (str(qa_file), 9)]
    assert "'J' is not in the alphabet" in report["bad_rows"][0]["reason"]
    ids = np.array(_ids(tmp_path / "o.mindrecord"))
    lengths = (ids != 0).sum(1)
    assert report["tokens"]["molecule"] == (ids >= 400).sum() and sum(report["tokens"].values()) == lengths.sum()
    assert report["max_length"] == lengths.max() and report["mean_length"] == round(float(lengths.mean()), 2)
    assert report["template"] == "vicuna" and report["pack"] is False and report["files"] == [str(qa_file)]


def test_bad_rows_are_told(qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer, monkeypatch: Any) -> None:
    told: list[str] = []
    monkeypatch.setattr(preprocess_module.logger, "warning", lambda text, *values: told.append(text % values))
    monkeypatch.setattr(preprocess_module, "_SHOWN_BAD_ROWS", 1)
    _run(tokenizer, qa_file, tmp_path / "o.mindrecord")
    reason = "turn 1 (human): molecule at character 20: 'J' is not in the alphabet"
    assert told == [f"left out: {qa_file} line 6: {reason}", "left out: 1 more rows; --report lists them"]


def test_truncation_is_counted(qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    prompt = tokenizer.encode(get_template("vicuna").render_prompt([Turn(HUMAN, "Describe <molecule>CO</molecule>.")]))
    report = _run(tokenizer, qa_file, tmp_path / "o.mindrecord", seq_length=len(prompt) + 3)
    assert 0 < report.counts.truncated <= 8
    assert any("would be cut away" in row.reason for row in report.bad_rows)


@pytest.mark.parametrize("partition", [1, 3])
def test_any_number_of_workers_gives_the_same_bytes(partition: int, tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    rows = [_conversation(number, "<dna>X</dna>" if number % 400 == 7 else None) for number in range(1200)]
    source = tmp_path / "qa.json"
    source.write_text(json.dumps(rows), encoding="utf-8")
    reports = {}
    for workers in (1, 3):
        output = tmp_path / str(workers) / "o.mindrecord"
        report = _run(tokenizer, source, output, workers=workers, file_partition=partition)
        reports[workers] = (report.counts, report.bad_rows, report.num_records)
    assert reports[1] == reports[3] and reports[1][2] == 1197
    files = sorted((tmp_path / "1").iterdir())
    assert len(files) == 2 * partition
    for file in files:
        assert (tmp_path / "3" / file.name).read_bytes() == file.read_bytes()


def test_repeat_writes_the_input_again_and_counts_it_once(
    qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer
) -> None:
    once = _run(tokenizer, qa_file, tmp_path / "one.mindrecord")
    thrice = _run(tokenizer, qa_file, tmp_path / "three.mindrecord", repeat=3, max_errors=2)
    assert _ids(tmp_path / "three.mindrecord") == _ids(tmp_path / "one.mindrecord") * 3
    assert thrice.counts == once.counts and thrice.num_bad == 2 and thrice.num_records == 24


def test_partition_shares_the_records_out(qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    _run(tokenizer, qa_file, tmp_path / "o.mindrecord", file_partition=3)
    sizes = [open_mindrecord(tmp_path / f"o.mindrecord{part}").num_rows for part in range(3)]
    assert sizes == [3, 3, 2]
    with pytest.raises(InputError, match="9 parts for 8 records"):
        _run(tokenizer, qa_file, tmp_path / "p.mindrecord", file_partition=9)


def test_files_of_a_pattern_in_order_of_name(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.txt").write_text(f"{name} cell\n")
    assert [path.stem for path in input_files(str(tmp_path / "*.txt"))] == ["a", "b", "c"]
    _run(tokenizer, tmp_path / "*.txt", tmp_path / "o.mindrecord", dataset_type="text", pack=False, seq_length=9)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in _ids(tmp_path / "o.mindrecord")]
    assert texts == ["a cell", "b cell", "c cell"]


def test_sequences_are_packed_unless_told_otherwise(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    source = tmp_path / "s.smi"
    source.write_text("CCO\nN\nCC\n")
    _run(tokenizer, source, tmp_path / "o.mindrecord", dataset_type="smiles", seq_length=8)
    first, second = _ids(tmp_path / "o.mindrecord")
    assert first == [1, 400, 400, 403, 2, 1, 407, 2, 0] and second == [1, 400, 400, 2, 0, 0, 0, 0, 0]
    (batch,) = open_mindrecord(tmp_path / "o.mindrecord", batch_size=2)
    assert batch["labels"][0].tolist() == [*first[:-1], -100]
    _run(tokenizer, source, tmp_path / "o.mindrecord", dataset_type="smiles", seq_length=8, pack=False)
    assert len(_ids(tmp_path / "o.mindrecord")) == 3


def test_a_long_sequence_is_learnt_whole(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    source = tmp_path / "p.fasta"
    source.write_text(">a\n" + "MKVAL" * 7 + "\n")
    for pack in (True, False):
        _run(tokenizer, source, tmp_path / "o.mindrecord", dataset_type="protein", seq_length=8, pack=pack)
        ids = [index for record in _ids(tmp_path / "o.mindrecord") for index in record if index]
        assert tokenizer.decode(ids) == "<s>" + "MKVAL" * 7 + "</s>"


@pytest.mark.parametrize("max_errors, is_fine", [(2, True), (1, False), (0, False), (-1, True)])
def test_max_errors(max_errors: int, is_fine: bool, qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    output = tmp_path / "out" / "o.mindrecord"
    if is_fine:
        assert _run(tokenizer, qa_file, output, max_errors=max_errors).num_bad == 2
    else:
        with pytest.raises(InputError, match=rf"line \d: .*expected at most {max_errors} bad rows"):
            _run(tokenizer, qa_file, output, max_errors=max_errors)
        assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    "change, message",
    [
        ({"dataset_type": "qq"}, "dataset_type: unknown name 'qq'"),
        ({"template": "vicunia"}, "did you mean 'vicuna'"),
        ({"template": "alpaca", "max_errors": 0}, "'J' is not in the alphabet"),
        ({"seq_length": 0}, "seq_length: 0; expected 1 or more"),
        ({"repeat": 0}, "repeat: 0"),
        ({"workers": 0}, "workers: 0"),
        ({"seq_length": 20}, "no usable row, the first bad one is .*would be cut away"),
    ],
)
def test_unusable_settings(
    change: dict[str, Any], message: str, qa_file: Path, tmp_path: Path, tokenizer: LlamaTokenizer
) -> None:
    with pytest.raises(InputError, match=message):
        _run(tokenizer, qa_file, tmp_path / "out" / "o.mindrecord", **change)
    assert not list(tmp_path.glob("out/*"))


def test_unusable_input(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    with pytest.raises(InputError, match="matches no file"):
        _run(tokenizer, tmp_path / "none*.json", tmp_path / "o.mindrecord")
    with pytest.raises(InputError, match="is a folder"):
        _run(tokenizer, tmp_path, tmp_path / "o.mindrecord")
    (tmp_path / "empty.json").write_text("[]")
    with pytest.raises(InputError, match="no rows"):
        _run(tokenizer, tmp_path / "empty.json", tmp_path / "o.mindrecord")


def test_an_error_in_a_process_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_chunks(_divide, range(-4, 4), 2, 1))
    assert list(map_chunks(_divide, range(1, 5), 2, 1)) == [1.0, 1 / 2, 1 / 3, 1 / 4]


def _divide(chunk: list[int]) -> float:
    return 1 / chunk[0]


def _command(*words: object) -> int:
    return llama_preprocess.main([str(word) for word in words])


def test_the_command(qa_file: Path, tmp_path: Path, tokenizer_file: Path, capsys: Any) -> None:
    output = tmp_path / "o.mindrecord"
    flags = ("--model_file", tokenizer_file, "--seq_length", 300, "--output_file", output)
    status = _command("--dataset_type", "qa", "--input_glob", qa_file, *flags, "--pack", "True", "--workers", 1)
    assert status == 0
    assert f"{output}: " in (out := capsys.readouterr().out) and "from 8 rows (2 bad, 0 truncated)" in out
    assert inspect_main([str(output), "--model_file", str(tokenizer_file), "--index", "0"]) == 0
    text = capsys.readouterr().out
    assert "record 0 of 4" in text and "ASSISTANT:[[ It is toxic, number 0.</s>]]\n-- document 2 of 2" in text
    assert "<molecule>CCO</molecule>" in text


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--input_glob", "nothing*"), "matches no file"),
        (("--model_file", "nothing.model"), "tokenizer model: 'nothing.model' not found"),
        (("--output_file", "o.bin"), "ends in .mindrecord"),
        (("--max_errors", "0"), "bad row"),
    ],
)
def test_unusable_input_is_one_line_and_status_2(
    flags: tuple[str, str], message: str, qa_file: Path, tmp_path: Path, tokenizer_file: Path, capfd: Any
) -> None:
    given = {
        "--dataset_type": "qa",
        "--input_glob": qa_file,
        "--model_file": tokenizer_file,
        "--seq_length": 200,
        "--output_file": tmp_path / "out" / "o.mindrecord",
        "--workers": 1,
        **dict([flags]),
    }
    assert _command(*(word for pair in given.items() for word in pair)) == 2
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("error: ") and message in captured.err
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("flags", [["--pack", "maybe"], ["--seq_length", "many"], ["--unknown", "1"], []])
def test_unusable_flags_are_one_line_and_status_2(flags: list[str], capfd: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        llama_preprocess.parse_arguments(flags)
    captured = capfd.readouterr()
    assert stopped.value.code == 2 and captured.err.startswith("error: ") and captured.err.count("\n") == 1


@pytest.mark.parametrize("word, value", [("True", True), ("false", False), ("1", True), ("no", False)])
def test_flags_take_true_and_false(word: str, value: bool) -> None:
    needed = ["--dataset_type", "qa", "--input_glob", "a", "--model_file", "m", "--output_file", "o"]
    settings, model_file, _ = llama_preprocess.parse_arguments([*needed, "--pack", word])
    assert settings.pack is value and model_file == "m" and settings.max_errors == 100


def test_our_own_failure_is_status_1(monkeypatch: Any, tokenizer_file: Path, capfd: Any) -> None:
    monkeypatch.setattr(llama_preprocess, "preprocess", lambda *_: 1 / 0)
    flags = ("--dataset_type", "qa", "--input_glob", "a", "--model_file", tokenizer_file, "--output_file", "o")
    assert _command(*flags) == 1

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(llama_preprocess, "preprocess", interrupt)
    assert _command(*flags) == 1 and "interrupted" in capfd.readouterr().err


def test_conversations_of_several_rounds(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    turns = [("human", "Name it."), ("gpt", "Ethanol."), ("human", "And this?"), ("gpt", "Glucose.")]
    row = {"conversations": [{"from": who, "value": text} for who, text in turns]}
    (tmp_path / "qa.json").write_text(json.dumps([row]))
    _run(tokenizer, tmp_path / "qa.json", tmp_path / "o.mindrecord")
    (batch,) = open_mindrecord(tmp_path / "o.mindrecord")
    learnt = [int(label) for label in batch["labels"][0] if label != -100]
    assert tokenizer.decode(learnt) == "Ethanol.</s>Glucose.</s>"
    prompt = [Turn(HUMAN, "Name it."), Turn(GPT, "Ethanol."), Turn(HUMAN, "And this?")]
    ids = tokenizer.encode(get_template("vicuna").render_prompt(prompt))
    assert batch["input_ids"][0][: len(ids)].tolist() == ids


def test_molecules_are_checked_where_they_come_from_outside(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    source = tmp_path / "s.smi"
    source.write_text("CCO\nC1CC\nC(C)(C)(C)(C)C\nN\n")
    report = _run(tokenizer, source, tmp_path / "o.mindrecord", dataset_type="smiles")
    reasons = [f"RDKit cannot read the molecule {smiles}" for smiles in ("C1CC", "C(C)(C)(C)(C)C")]
    assert [(row.line, row.reason) for row in report.bad_rows] == list(zip((2, 3), reasons, strict=True))
    unchecked = _run(tokenizer, source, tmp_path / "o.mindrecord", dataset_type="smiles", check_molecules=False)
    assert unchecked.num_bad == 0
    talk = tmp_path / "qa.json"
    talk.write_text(json.dumps([_conversation(0), _conversation(1, "Describe <molecule>C1CC</molecule>.")]))
    assert _run(tokenizer, talk, tmp_path / "o.mindrecord").num_bad == 0
    assert _run(tokenizer, talk, tmp_path / "o.mindrecord", check_molecules=True).num_bad == 1


def test_rows_that_tell_nothing_are_no_errors(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    source = tmp_path / "u.fasta"
    source.write_text(">a Kinase\nMKV\n" + ">b Uncharacterized protein\nMA\n" * 3)
    output = tmp_path / "o.mindrecord"
    report = _run(tokenizer, source, output, dataset_type="protein_function", max_errors=0).to_dict()
    assert (report["rows_used"], report["rows_bad"], report["rows_left_out"]) == (1, 3, 3)


def test_windows_and_strands(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    source = tmp_path / "n.fa"
    source.write_text(">a\nAACCG\n")
    settings = {"dataset_type": "nucleotide", "window": 4, "stride": 2, "reverse_complement": True, "pack": False}
    _run(tokenizer, source, tmp_path / "o.mindrecord", seq_length=8, **settings)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in _ids(tmp_path / "o.mindrecord")]
    assert texts == ["AACC", "GGTT", "CCG", "CGG"]
    with pytest.raises(InputError, match="window: has no meaning for 'qa'"):
        _run(tokenizer, source, tmp_path / "o.mindrecord", window=4)
