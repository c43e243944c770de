"""What the checks find, and what they count, in small sets made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindformers.dataset.checks.findings import KINDS
from mindformers.dataset.checks.survey import CheckOptions, Survey, require_none, survey
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.errors import InputError

# L-alanine and its mirror image, acetic acid and one with 13C, 2-hydroxypyridine and its tautomer.
TRAIN = ["OCC", "C[C@H](N)C(=O)O", "CC(=O)O", "Oc1ccccn1", "CCN", "C(C)N"]
TEST = ["CCO", "C[C@@H](N)C(=O)O", "[13CH3]C(=O)O", "O=c1cccc[nH]1", "CCC", "CCC"]


def _check(tmp_path: Path, train: str | bytes, test: str | bytes = "", kind: str = "smiles", **options: Any) -> Survey:
    tokenizer = options.pop("tokenizer", None)
    for name, text in (("train", train), ("test", test)):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    tests = (str(tmp_path / "test"),) if test else ()
    settings = {"dataset_type": kind, "workers": 1, **options}
    return survey(CheckOptions((str(tmp_path / "train"),), test=tests, **settings), tokenizer)


def _lines(found: Survey, kind: str) -> list[tuple[str, int, int | None]]:
    kept = found.findings.kept.get(kind, ())
    return [(one.split, one.row.line, one.other.line if one.other else None) for one in kept]


def _counts(found: Survey) -> dict[str, int]:
    return {kind: found.findings.count(kind) for kind in KINDS if found.findings.count(kind)}


def test_the_same_molecule_is_found_however_it_is_written(tmp_path: Path) -> None:
    found = _check(tmp_path, "\n".join(TRAIN), "\n".join(TEST))
    assert _lines(found, "leak_molecule") == [("test", 1, 1)]
    assert _lines(found, "leak_inchikey") == [("test", 4, 4)]
    assert _lines(found, "leak_connectivity") == [("test", 2, 2), ("test", 3, 3)]
    assert _lines(found, "duplicate_molecule") == [("train", 6, 5)]
    assert _lines(found, "duplicate_row") == [("test", 6, 5)]
    assert sum(_counts(found).values()) == 6
    reason = found.findings.kept["leak_molecule"][0].reason
    assert reason == f"the same molecule as train: {tmp_path / 'train'} line 1, written OCC"


def test_stereoisomers_within_a_set_are_no_repetition(tmp_path: Path) -> None:
    assert _counts(_check(tmp_path, "C[C@H](N)O\nC[C@@H](N)O\n")) == {}


def test_faults_of_rows(tmp_path: Path) -> None:
    found = _check(tmp_path, b"CCO\n\nC1CC\nCJ\nC\xff\nC(C)(C)(C)(C)C\nN\n")
    assert _lines(found, "empty") == [("train", 2, None)]
    assert _lines(found, "invalid_molecule") == [("train", 3, None), ("train", 6, None)]
    assert _lines(found, "bad_row") == [("train", 4, None), ("train", 5, None)]
    assert found.sets["train"].rows == 4


def _talks(*pairs: tuple[str, str]) -> str:
    said = [[{"from": "human", "value": q}, {"from": "gpt", "value": a}] for q, a in pairs]
    return json.dumps([{"conversation": turns} for turns in said])


def test_molecules_of_conversations(tmp_path: Path) -> None:
    train = _talks(("What is <molecule>CCO</molecule>?", "Ethanol."), ("Mix <molecule>C</molecule>", "Of {|N|}."))
    test = _talks(
        ("Describe <molecule>OCC</molecule>.", "It is drunk."),
        ("Use <molecule>N</molecule> and <molecule>C</molecule>", "y"),
        ("Use <molecule>N</molecule>", "y"),
        ("What is  <molecule>CCO</molecule>?", "Ethanol."),
    )
    found = _check(tmp_path, train, test, "qa")
    assert _lines(found, "leak_molecule") == [("test", 1, 1), ("test", 1, 1)]
    assert _lines(found, "leak_row") == [("test", 1, 1)]
    assert _lines(found, "duplicate_molecule") == [("test", 1, 1)]


def test_sequences_that_leak(tmp_path: Path) -> None:
    found = _check(tmp_path, ">a\nMKV\n>b\nMA\n", ">c\nMA\n>d\nMAA\n", "protein")
    assert _lines(found, "leak_row") == [("test", 1, 3)]
    tables = "sequence\tlabel\nACGT\t1\nACGA\t0\n", "sequence\tlabel\nACGT\t0\nACGG\t1\n"
    assert _lines(_check(tmp_path, *tables, kind="promoter"), "leak_sequence") == [("test", 2, 2)]


def test_long_rows_and_tokens_by_modality(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    rows = _talks(("q <molecule>CCO</molecule>", "a"), ("q", "long " * 60))
    short = _check(tmp_path, rows, kind="qa", tokenizer=tokenizer, seq_length=150, template="plain")
    assert _lines(short, "too_long") == [("train", 1, None)]
    summary = short.to_dict()["sets"]["train"]
    assert summary["unit"] == "tokens" and summary["lengths"]["molecule"]["sum"] == 3
    assert summary["tokens_per_row"]["sum"] == sum(one["sum"] for one in summary["lengths"].values())
    counted = _check(tmp_path, rows, kind="qa").to_dict()["sets"]["train"]
    assert counted["unit"] == "characters of sequences, words of text"
    assert counted["lengths"]["text"] == {
        "rows": 2,
        "sum": 63,
        "min": 2,
        "mean": 31.5,
        "median": 31.5,
        "p95": 58.05,
        "max": 61,
    }


def test_labels_of_the_test_set_that_training_lacks(tmp_path: Path) -> None:
    train = "".join(f"{'C' * n}O\t{{'a', '{'b' if n % 2 else 'c'}'}}\n" for n in range(1, 13))
    (tmp_path / "train_props.txt").write_text(train)
    (tmp_path / "train_props_2.txt").write_text("CCCCN\t{'a', 'd'}\nCCCCCN\t{'d'}\n")
    paths = [(str(tmp_path / name),) for name in ("train_props.txt", "train_props_2.txt")]
    found = survey(CheckOptions(paths[0], "lpm24", paths[1], workers=1))
    assert found.labels == {
        "labels": 3,
        "labelled_rows": 12,
        "labels_in_fewer_than_5_rows": 0,
        "most_frequent": {"a": 12, "b": 6, "c": 6},
        "test_labels": 2,
        "test_labels_not_in_train": 1,
        "test_rows_per_missing_label": {"d": 2},
        "train_labels_not_in_test": 2,
    }


def test_answers_that_all_differ_are_no_labels(tmp_path: Path) -> None:
    assert _check(tmp_path, _talks(("1", "x"), ("2", "y"), ("3", "z")), kind="qa").labels is None
    assert (
        _check(tmp_path, _talks(("1", "Yes"), ("2", "No"), ("3", "Yes"), ("4", "No")), kind="qa").labels["labels"] == 2
    )


def test_the_report_has_everything(tmp_path: Path) -> None:
    found = _check(tmp_path, "\n".join([*TRAIN, "C1CC"]), "\n".join(TEST), report=tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_text())
    assert report == json.loads(json.dumps(found.to_dict()))
    assert (report["faults"], report["duplicates"], report["leakage"]) == (1, 2, 4)
    leak = report["findings"]["leak_molecule"]
    assert (leak["group"], leak["train"], leak["test"]) == ("leakage", 0, 1)
    assert (leak["rows"][0]["line"], leak["rows"][0]["other_line"]) == (1, 1)
    assert report["sets"]["train"]["molecular_weight"]["rows"] == 6


def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    rows = [f"{'C' * (1 + n % 60)}{'O' * (n % 7)}" for n in range(1100)]
    one, two = (_check(tmp_path, "\n".join(rows), "CCO", workers=workers).to_dict() for workers in (1, 2))
    assert one["findings"] == two["findings"] and one["sets"] == two["sets"]
    assert one["duplicates"] > 600


def test_groups_may_end_the_check(tmp_path: Path) -> None:
    found = _check(tmp_path, "CCO", "OCC\nC1CC", fail_on=("duplicates", "leakage"))
    with pytest.raises(InputError, match=r"leakage: 1 found; expected none \(--fail_on\); --report FILE lists them"):
        require_none(found)
    require_none(_check(tmp_path, "CCO", "C1CC", fail_on=("duplicates", "leakage")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seq_length": 3}, "--seq_length: 3; expected --model_file beside it"),
        ({"workers": 0}, "--workers: 0"),
        ({"fail_on": ("leak",)}, "--fail_on: 'leak'; expected some of faults, duplicates, leakage"),
        ({"kind": "smile"}, "did you mean 'smiles'"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _check(tmp_path, "C", **options)
