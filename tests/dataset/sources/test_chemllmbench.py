"""ChemLLMBench: the reader of its forms, and molecules found in running text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindformers.dataset.example import GPT, HUMAN, BadRow, Turn
from mindformers.dataset.sources import source_class
from mindformers.dataset.sources.chemllmbench import BenchmarkItem, Shot, read_items
from mindformers.dataset.sources.find_molecules import is_molecule, tag_molecules

PLAIN = {"question": "Formula?\nThe molecule is CCO.", "answer": "C2H6O", "task_name": "smiles_to_molecular_formula"}
RETRO = {
    "question": "Complete it.\n",
    "input_format": "Equation: {}\nCompletion:",
    "input": "___>>CCOC(C)=O",
    "answer": ["CCO", "CC(=O)O"],
    "task_name": "retro-synthesis",
}
YIELD = {
    "question": "High-yielding?\n",
    "few_shots_examples": [{"human": "CBr.CN>>CNC", "assistant": "Yes"}],
    "input_format": "Reaction: {}\nAnswer:",
    "input": "CCl.CN>>CNC",
    "answer": "No",
    "task_name": "yield-prediction",
}
CHOICE = {"question": "Which?\n> CCP\n> CCCP\nAnswer:", "answer": ["CCCP", "CCP"], "task_name": "ligand_selection"}


def _written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _items(path: Path, *rows: Any) -> list[BenchmarkItem | BadRow]:
    return list(read_items(_written(path, *rows)))


def test_a_whole_question(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    (item,) = _items(path, PLAIN)
    assert item == BenchmarkItem(PLAIN["task_name"], PLAIN["question"], ("C2H6O",), file=str(path), line=1)
    assert item.prompt() == "Formula?\nThe molecule is <molecule>CCO</molecule>."
    assert item.target == item.reference == "C2H6O"


def test_reactants_are_needed_all_and_tagged_piece_by_piece(tmp_path: Path) -> None:
    (item,) = _items(tmp_path / "b.jsonl", RETRO)
    assert item.prompt() == "Complete it.\nEquation: ___>><molecule>CCOC(C)=O</molecule>\nCompletion:"
    assert item.reference == "CCO.CC(=O)O"
    assert item.target == "<molecule>CCO.CC(=O)O</molecule>"


def test_solved_examples_are_kept_apart_from_the_prompt(tmp_path: Path) -> None:
    (item,) = _items(tmp_path / "b.jsonl", YIELD)
    assert item.shots == (Shot("CBr.CN>>CNC", "Yes"),)
    wanted = "Reaction: <molecule>CBr.CN</molecule>>><molecule>CNC</molecule>\nAnswer:"
    assert item.fill(item.shots[0].given) == wanted
    assert "CBr" not in item.prompt()
    assert item.answer_text("Yes") == "Yes"


def test_of_listed_answers_the_first_is_learnt(tmp_path: Path) -> None:
    (item,) = _items(tmp_path / "b.jsonl", CHOICE)
    assert item.answers == ("CCCP", "CCP")
    assert item.target == "<molecule>CCCP</molecule>"
    assert item.prompt() == "Which?\n> <molecule>CCP</molecule>\n> <molecule>CCCP</molecule>\nAnswer:"


def test_as_a_source_of_training_examples(tmp_path: Path) -> None:
    path = _written(tmp_path / "b.jsonl", PLAIN, RETRO)
    first, second = source_class("chemllmbench")().read(path)
    assert first.turns == (Turn(HUMAN, "Formula?\nThe molecule is <molecule>CCO</molecule>."), Turn(GPT, "C2H6O"))
    assert (second.file, second.line) == (str(path), 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": " "}, "'question' is empty"),
        ({"question": 3}, "'question' is int, expected str"),
        ({"answer": []}, "'answer' is empty or not made of strings"),
        ({"answer": ["CCO", ""]}, "'answer' is empty or not made of strings"),
        ({"answer": None}, "'answer' is NoneType, expected str"),
        ({"input_format": "no place"}, "'input_format' has 0 places {}, expected 1"),
        ({"input": ""}, "'input' is empty"),
        ({"few_shots_examples": [{"human": "C"}]}, "in 'few_shots_examples': no 'assistant', found human"),
    ],
)
def test_a_bad_row_is_reported_and_the_others_kept(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    first, bad, last = _items(path, PLAIN, {**YIELD, **change}, CHOICE)
    assert bad == BadRow(str(path), 2, f"item 1: {reason}")
    assert (first.task, last.task) == (PLAIN["task_name"], CHOICE["task_name"])


def test_solved_examples_need_a_slot(tmp_path: Path) -> None:
    (bad,) = _items(tmp_path / "b.jsonl", {**PLAIN, "few_shots_examples": YIELD["few_shots_examples"]})
    assert bad.reason == "item 0: 'few_shots_examples' without 'input' and 'input_format'"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SMILES: OCC\nDone", "SMILES: <molecule>OCC</molecule>\nDone"),
        ("A C D", "A C D"),
        ("type II and III", "type II and III"),
        ("see 1.2 or 10", "see 1.2 or 10"),
        ("No LIST In BACE", "No LIST In BACE"),
        ("<molecule>CC CC</molecule> CC", "<molecule>CC CC</molecule> <molecule>CC</molecule>"),
        ("Is it [25Mg], CC(?", "Is it <molecule>[25Mg]</molecule>, CC(?"),
        ("C(C.", "C(C."),
    ],
)
def test_words_that_are_molecules_get_tags(text: str, wanted: str) -> None:
    assert tag_molecules(text) == wanted


def test_a_molecule_is_what_rdkit_reads(capfd) -> None:
    words = ["CCO", "[Na+].[Cl-]", "C1CC", "Yes", "C2H6O", "", "12", "c"]
    assert [is_molecule(word) for word in words] == [True, True, False, False, False, False, False, False]
    assert capfd.readouterr().err == ""
