"""ChemLLMBench items as prompts: rounds of solved examples, how many fit, what stands beside the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindformers.dataset import benchmark_prompts as module
from mindformers.dataset.benchmark_prompts import Shots, is_benchmark, required_items
from mindformers.dataset.prompts import Prompt, Prompts
from mindformers.tools.errors import InputError

SHOTS = [{"human": f"in {number}", "assistant": "Yes" if number % 2 else "No"} for number in range(4)]
YIELD = {
    "question": "High?\n",
    "few_shots_examples": SHOTS,
    "input_format": "Reaction: {}\nAnswer:",
    "input": "CCl.CN>>CNC",
    "answer": "No",
    "task_name": "yield",
}
FORMULA = {"question": "Formula of CCO?", "answer": "C2H6O", "task_name": "formula"}
ANOTHER = FORMULA | {"question": "Formula of C?", "answer": "CH4"}
LIGAND = {"question": "Which?", "answer": ["CP", "CCP"], "task_name": "ligand_selection"}
LAST = "Reaction: <molecule>CCl.CN</molecule>>><molecule>CNC</molecule>\nAnswer:"


def _prompts(*given: Any, **settings: Any) -> list[Prompt]:
    return list(Prompts(*given, **settings))


def _file(folder: Path, *rows: Any, name: str = "b.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def _rounds(text: str) -> list[tuple[str, str]]:
    """(question, answer) of each round of a vicuna prompt; the last answer is still to come."""
    rounds = [part.split(" ASSISTANT:") for part in text.split("USER: ")[1:]]
    return [(asked, answer.removesuffix("</s>")) for asked, answer in rounds]


def test_published_rounds_with_all_examples(tmp_path: Path) -> None:
    (prompt,) = _prompts(_file(tmp_path, YIELD), "vicuna")
    asked = [(f"Reaction: in {number}\nAnswer:", " Yes" if number % 2 else " No") for number in range(4)]
    assert _rounds(prompt.text) == [("High?", " OK."), *asked, (LAST, "")]
    assert prompt.choices == (" Yes", " No")
    columns = {"task": "yield", "input": "CCl.CN>>CNC", "shots": "4", "ground truth": "No", "P(Yes)": ""}
    assert prompt.columns == columns


def test_zero_shot_is_what_training_sees(tmp_path: Path) -> None:
    path = _file(tmp_path, YIELD, FORMULA)
    prompts = _prompts(path, "vicuna", shots=Shots(0))
    assert [_rounds(prompt.text) for prompt in prompts] == [
        [(f"High?\n{LAST}", "")],
        [("Formula of <molecule>CCO</molecule>?", "")],
    ]
    assert [item.prompt() for item in required_items(path, "x")] == [_rounds(p.text)[0][0] for p in prompts]
    assert prompts[1].choices == () and "P(Yes)" not in prompts[1].columns


def test_some_examples_are_drawn_by_the_seed(tmp_path: Path) -> None:
    path = _file(tmp_path, YIELD, YIELD | {"input": "C"})

    def drawn(seed: int) -> list[list[str]]:
        return [
            [asked.split()[2] for asked, _ in _rounds(prompt.text)[1:-1]]
            for prompt in _prompts(path, "vicuna", shots=Shots(2, seed=seed))
        ]

    assert all(len(one) == 2 and one == sorted(one) for one in drawn(0))
    assert drawn(0) == drawn(0)
    assert len({json.dumps(drawn(seed)) for seed in range(6)}) > 1


def test_examples_that_do_not_fit_are_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(module.logger, "warning", lambda text, *values: warnings.append(text % values))
    path = _file(tmp_path, YIELD, FORMULA)
    prompts = _prompts(path, "vicuna", shots=Shots(fits=lambda text: text.count("USER:") <= 4))
    assert [prompt.columns["shots"] for prompt in prompts] == ["2", "0"]
    assert len(_rounds(prompts[0].text)) == 4
    assert len(warnings) == 1 and "1 prompts leave examples out" in warnings[0]
    twice = Prompts(path, "vicuna", Shots(fits=lambda text: text.count("USER:") <= 4))
    assert list(twice) == list(twice) == prompts
    assert len(warnings) == 2  # once for all that are gone through again
    (prompt, _) = _prompts(path, "vicuna", shots=Shots(fits=lambda text: False))
    assert prompt.columns["shots"] == "0"


def test_other_items_of_the_task_serve_as_examples(tmp_path: Path) -> None:
    path = _file(tmp_path, FORMULA, LIGAND)
    pool = list(required_items(_file(tmp_path, FORMULA, ANOTHER, LIGAND, name="pool.jsonl"), "--shots_data"))
    formula, ligand = _prompts(path, "vicuna", shots=Shots(3, pool))
    assert formula.columns["shots"] == "1"  # not itself, and none of another task
    assert _rounds(formula.text)[0] == ("Formula of C?", " CH4")
    assert ligand.columns["shots"] == "0"
    assert json.loads(ligand.columns["ground truth"]) == ["CP", "CCP"]


def test_a_template_of_one_round_gets_one_text(tmp_path: Path) -> None:
    (prompt,) = _prompts(_file(tmp_path, YIELD), "plain", shots=Shots(1, seed=1))
    lines = prompt.text.split("\n")
    assert lines[0] == "High?" and prompt.text.endswith(LAST)
    assert lines[2] in ("Answer: Yes", "Answer: No")
    assert prompt.choices == ("Yes", "No")


def test_conversations_are_told_from_items(tmp_path: Path) -> None:
    assert is_benchmark(_file(tmp_path, FORMULA))
    assert not is_benchmark(_file(tmp_path, {"conversation": []}))


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2"):
        _prompts(_file(tmp_path, FORMULA, {"question": "x"}), "vicuna")
