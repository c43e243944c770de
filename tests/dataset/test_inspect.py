"""A record as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindformers.dataset.inspect import describe_record, main, render_record
from mindformers.dataset.mindrecord_writer import write_records
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.errors import InputError


@pytest.fixture
def record(tokenizer: LlamaTokenizer, tmp_path: Path) -> Path:
    prompt = tokenizer.encode("cell <molecule>CO</molecule>?")
    answer = [*tokenizer.encode(" yes <dna>AC</dna>", is_continuation=True), 2]
    ids = np.array([*prompt, *answer, 0, 0], np.int32)
    labels = np.array([-100] * len(prompt) + answer + [-100, -100], np.int32)
    write_records(tmp_path / "a.mindrecord", [(ids, labels)])
    return tmp_path / "a.mindrecord"


def test_marks(record: Path, tokenizer: LlamaTokenizer) -> None:
    head, text = describe_record(str(record), 0, tokenizer).split("\n")
    assert text == "<s>cell <molecule>CO</molecule>?[[ yes <dna>AC</dna></s>]]"
    assert head.startswith("record 0 of 1: ") and head.endswith("2 molecule, 2 nucleotide")


def test_colours(record: Path, tokenizer: LlamaTokenizer) -> None:
    text = describe_record(str(record), 0, tokenizer, is_coloured=True)
    assert "\033[32mCO\033[0m" in text and "\033[1;34mAC\033[0m" in text and "\033[1m yes \033[0m" in text


def test_unusable_index_and_ids(record: Path, tokenizer: LlamaTokenizer) -> None:
    with pytest.raises(InputError, match="index: 1; expected 0 to 0"):
        describe_record(str(record), 1, tokenizer)
    with pytest.raises(InputError, match="token id: 9999"):
        render_record(np.array([1, 9999]), np.array([1, 1]), tokenizer, False)


def test_the_command_reports_a_missing_file(tokenizer_file: Path, tmp_path: Path, capsys: Any) -> None:
    assert main([str(tmp_path / "none.mindrecord"), "--model_file", str(tokenizer_file)]) == 2
    assert capsys.readouterr().err.startswith("error: MindRecord: ")


def test_the_documents_of_a_packed_record_stand_apart(tokenizer: LlamaTokenizer, tmp_path: Path) -> None:
    documents = [[*tokenizer.encode(text), 2] for text in ("cell", "<molecule>CO</molecule>")]
    ids = np.array([*documents[0], *documents[1], 0], np.int32)
    write_records(tmp_path / "p.mindrecord", [(ids, np.where(ids > 0, ids, -100).astype(np.int32))])
    _, *lines = describe_record(str(tmp_path / "p.mindrecord"), 0, tokenizer).split("\n")
    first = len(documents[0])
    assert lines == [
        f"-- document 1 of 2: places 0 to {first - 1} --",
        "[[<s>cell</s>]]",
        f"-- document 2 of 2: places {first} to {len(ids) - 2} --",
        "[[<s><molecule>CO</molecule></s>]]",
    ]


def test_a_row_of_a_file_is_shown_as_chatglm_will_see_it(
    tmp_path: Path, ice_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_text('{"context": "say a", "target": "[1]"}\n{"context": "b"}\n', encoding="utf-8")
    words = [str(tmp_path / "a.jsonl"), "--dataset_type", "context_target", "--model_file", str(ice_file)]
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("\nsay a[gMASK][[<sop>[1]<eop>]]\n")
    assert main([*words, "--index", "1"]) == 2
    assert "line 2: item 1: no 'target'" in capsys.readouterr().err
    assert main([*words, "--index", "2"]) == 2
