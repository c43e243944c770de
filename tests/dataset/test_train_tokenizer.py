"""A SentencePiece model of one's own: LLaMA's conventions, text only, the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindformers.dataset.train_tokenizer import main, texts_of
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer

WORDS = ["ethanol is a small alcohol", "benzene is an aromatic ring", "glycine is an amino acid of proteins"]


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    rows = [
        {
            "id": str(number),
            "conversation": [
                {"from": "human", "value": f"Describe <molecule>CCXO</molecule> {number}."},
                {"from": "gpt", "value": words},
            ],
        }
        for number, words in enumerate(WORDS * 4)
    ]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_sequences_are_left_out(conversations: Path) -> None:
    texts = list(texts_of(str(conversations), "qa", "plain"))
    assert texts[:3] == ["Describe ", " 0.", WORDS[0]]
    assert not any("CCXO" in text for text in texts)


def test_the_model_is_a_base_for_the_tokenizer(conversations: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "a.model", tmp_path / "b.model"]
    for output in outputs:
        given = ["--input_glob", str(conversations), "--vocab_size", "330", "--output_file", str(output)]
        assert main(given) == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    tokenizer = LlamaTokenizer(outputs[0])
    assert (tokenizer.unk_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert (tokenizer.num_text_tokens, len(tokenizer)) == (330, 330 + 98)
    assert tokenizer.decode(tokenizer.encode("aromatic  乙醇\n7"), skip_special_tokens=True) == "aromatic  乙醇\n7"
    assert len(tokenizer.encode("ethanol is a small alcohol")) < 26


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--input_glob": "nothing*.json"}, "no file matches"),
        ({"--vocab_size": "90000"}, "--vocab_size"),
        ({"--dataset_type": "alpaca"}, "line"),
    ],
)
def test_bad_input_ends_in_one_line_and_no_file(
    conversations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], message: str
) -> None:
    output = tmp_path / "c.model"
    given = {"--input_glob": str(conversations), "--vocab_size": "330", "--output_file": str(output)} | change
    assert main([word for pair in given.items() for word in pair]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert not output.exists()
