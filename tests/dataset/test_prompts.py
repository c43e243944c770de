"""What --predict_data gives, as prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindformers.dataset.example import HUMAN, Turn
from mindformers.dataset.instructions import CAPTION_INSTRUCTIONS, MOLGEN_INSTRUCTIONS
from mindformers.dataset.prompts import Prompt, Prompts
from mindformers.dataset.templates import get_template
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.errors import InputError

VICUNA = get_template("vicuna")


def _prompts(*given: Any, **settings: Any) -> list[Prompt]:
    return list(Prompts(*given, **settings))


def _vicuna(text: str) -> str:
    return VICUNA.render_prompt([Turn(HUMAN, text)])


def _file(tmp_path: Path, name: str, text: str) -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_texts_are_put_into_the_template() -> None:
    assert _prompts("What is CCO?", VICUNA) == [Prompt(_vicuna("What is CCO?"))]
    texts = [prompt.text for prompt in Prompts(["a b", "c\nd", "see data.json or x.txt"], "plain")]
    assert texts == ["a b", "c\nd", "see data.json or x.txt"]


def test_lines_are_ready_prompts(tmp_path: Path) -> None:
    file = _file(tmp_path, "p.txt", "A USER: x ASSISTANT:\n second\n\n\n")
    prompts = _prompts([file], "vicuna")
    assert [prompt.text for prompt in prompts] == ["A USER: x ASSISTANT:", " second"]
    assert prompts[1].source == f"{file} line 2" and prompts[1].columns == {}


def test_conversations_up_to_the_last_question(tmp_path: Path) -> None:
    turns = [("human", "q"), ("gpt", "a"), ("human", "r"), ("gpt", "b")]
    rows = [
        {"id": 7, "conversation": [{"from": who, "value": text} for who, text in turns[:upto]]} for upto in (2, 3, 4)
    ]
    prompts = _prompts(_file(tmp_path, "c.json", json.dumps(rows)), "vicuna")
    two_rounds = _vicuna("q") + " a</s>USER: r ASSISTANT:"
    assert [prompt.text for prompt in prompts] == [_vicuna("q"), two_rounds, two_rounds]
    assert [prompt.columns for prompt in prompts] == [
        {"id": "7", "ground truth": "a"},
        {"id": "7"},
        {"id": "7", "ground truth": "b"},
    ]


def test_tables(tmp_path: Path) -> None:
    tsv = _file(tmp_path, "s.tsv", 'SMILES\tground truth\nCCO\ta "sweet" one\nN\tb\n')
    csv = _file(tmp_path, "d.csv", 'id,description\n1,"sweet, small"\n')
    first, second, third = _prompts([tsv, csv], "vicuna")
    assert first.text == _vicuna(CAPTION_INSTRUCTIONS[0].format("CCO"))
    assert first.columns == {"SMILES": "CCO", "ground truth": 'a "sweet" one'}
    assert second.source == f"{tsv} line 3"
    assert third.text == _vicuna(MOLGEN_INSTRUCTIONS[0].format("sweet, small")) and third.columns["id"] == "1"


def test_a_smiles_column_comes_first(tmp_path: Path) -> None:
    file = _file(tmp_path, "s.tsv", "CID\tSMILES\tdescription\n1\tCCO\tsweet\n")
    assert "<molecule>CCO</molecule>" in _prompts(file, "vicuna")[0].text


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("p.txt", "", "is empty"),
        ("p.txt", "\n\n", "no prompt in it"),
        ("p.txt", "a\n\n\nb\n", "line 2: empty line"),
        ("c.json", "[]", "no prompt in it"),
        ("c.json", '[{"id": 1}]', "line 1: item 0: no 'conversations'"),
        ("c.json", '[{"conversation": [{"from": "gpt", "value": "a"}]}]', "item 0: the conversation is empty"),
        ("c.jsonl", '{"a": ', "line 1: broken JSON"),
        ("s.tsv", "molecule\tx\nC\t1\n", "line 1: columns molecule, x; expected a column SMILES or description"),
        ("s.tsv", "SMILES\tx\n", "no prompt in it"),
        ("s.tsv", "SMILES\tx\nC\n", "line 2: 1 columns; expected 2"),
        ("s.tsv", "SMILES\tx\nC\t1\n\nN\t2\n", "line 3: empty line"),
        ("s.tsv", "SMILES\tx\n \t1\n", "line 2: 'SMILES' is empty"),
        ("s.pdf", "x", r"suffix '\.pdf'"),
    ],
)
def test_unusable_files(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        _prompts(_file(tmp_path, name, text), "vicuna")


def test_a_line_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"a\n\xff\n")
    with pytest.raises(InputError, match="line 2: not UTF-8"):
        _prompts(str(tmp_path / "p.txt"), "plain")


@pytest.mark.parametrize("data, message", [([], "no prompt"), ("", "is empty"), ("none.txt", "'none.txt' not found")])
def test_unusable_arguments(data: list[str] | str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _prompts(data, "vicuna")


def test_the_tokenizer_finds_wrong_sequences_with_their_line(tmp_path: Path, tokenizer: LlamaTokenizer) -> None:
    file = _file(tmp_path, "s.tsv", "SMILES\nCCO\nCJ\n")
    with pytest.raises(InputError, match=r"s\.tsv line 3: molecule at character \d+: 'J' is not in the alphabet"):
        [prompt.ids(tokenizer) for prompt in Prompts(file, "vicuna")]
    assert len(_prompts(file, "vicuna")) == 2


def test_prompts_can_be_gone_through_again_and_are_read_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("a\nb\n" + "c" * 10**6 + "\n\nbroken behind an empty line\n", encoding="utf-8")
    prompts = Prompts([str(path), "d"], "plain")
    for _ in range(2):
        taken = iter(prompts)
        assert [next(taken).text, next(taken).text] == ["a", "b"]
