"""The tokenizer that is written for `AutoTokenizer` gives our ids and our text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from mindformers.modalities import MODALITIES
from mindformers.models.llama.hf_tokenizer import write_tokenizer
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.errors import InputError
from tests.conftest import NUM_PIECES, REPOSITORY, shared_data
from tests.models.hugging_face import convert, save_llama, write_recipe

TEXTS = (
    "Describe {|C|}{|C|}{|O|} to me.",
    "{|C|}{|l|}",
    " {|C|}",
    "*|A|**|C|* binds <|M|><|K|>",
    "two  blanks,   three, " + 40 * " " + "forty",
    " leading and trailing ",
    "line\nline\n\n\ttab\r\n",
    "in 2024, 3.14159 and 1000000",
    "乙醇 🧪 naïve Ångström 👩‍🔬 e\u0301 \u00a0 \u200b",
    "USER: hi ASSISTANT: {|N|}</s>USER: and</s>{|O|}</s> then </s></s>",
    "{|{|C|}|} *| <|  |> {|  |} {} <0x0A> ▁ ▁▁",
    "aaaaaaaaaaaaaaa ======= -----",
    "",
    "</s>",
)


def opened(folder: Path, tokenizer: LlamaTokenizer) -> Any:
    """The tokenizer that transformers sees in a folder."""
    transformers = pytest.importorskip("transformers")
    write_tokenizer(folder, tokenizer, 64)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module", params=["small", "llama2"])
def pair(request: pytest.FixtureRequest, tokenizer_file: Path, tmp_path_factory: Any) -> tuple[LlamaTokenizer, Any]:
    is_small = request.param == "small"
    ours = LlamaTokenizer(tokenizer_file if is_small else shared_data("scimind", "llama2_tokenizer.model"))
    return ours, opened(tmp_path_factory.mktemp(request.param), ours)


def random_text(source: random.Random) -> str:
    """Words, blanks, signs, any characters and sequences in token form."""
    words = (REPOSITORY / "tests" / "data" / "tokenizer_sentences.txt").read_text(encoding="utf-8").split()
    words = [word for word in words if "<" not in word]
    tokens = [row.token(character) for row in MODALITIES for character in row.alphabet]
    parts = []
    for _ in range(source.randrange(1, 12)):
        kind = source.randrange(5)
        any_character = chr(source.choice([source.randrange(1, 127), source.randrange(160, 0x2FFF)]))
        choices = (
            source.choice(["", " "]) + source.choice(words),
            source.choice(["  ", 9 * " ", "\n", "</s>", "12345", "🧪", "{|", "|}", "<|", "*|", "▁"]),
            any_character * source.randrange(1, 4),
            "".join(source.choices(tokens, k=source.randrange(1, 6))),
            source.choice(words)[::-1],
        )
        parts.append(choices[kind])
    return "".join(parts)


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_ids_and_text(pair: tuple[LlamaTokenizer, Any], text: str) -> None:
    ours, theirs = pair
    ids = ours.encode(text)
    assert theirs(text)["input_ids"] == ids
    assert theirs(text, add_special_tokens=False)["input_ids"] == ids[1:]
    assert theirs.decode(ids, skip_special_tokens=True) == ours.decode(ids, skip_special_tokens=True)


def test_random_texts(pair: tuple[LlamaTokenizer, Any]) -> None:
    ours, theirs = pair
    source = random.Random(0)
    for text in [random_text(source) for _ in range(1500)]:
        try:
            ids = ours.encode(text)
        except InputError:  # by chance a sign that is not in the alphabet stands between marks
            continue
        assert theirs(text)["input_ids"] == ids, text
        assert theirs.decode(ids, skip_special_tokens=True) == ours.decode(ids, skip_special_tokens=True), text


def test_special_tokens_written_out_are_tokens_there(pair: tuple[LlamaTokenizer, Any]) -> None:
    """The one known difference for text in token form: transformers always looks for its special tokens."""
    ours, theirs = pair
    assert theirs("a<s>")["input_ids"][-1] == 1 != ours.encode("a<s>")[-1]


def test_settings_are_kept(tokenizer_file: Path, tmp_path: Path) -> None:
    ours = LlamaTokenizer(tokenizer_file, add_bos_token=False, add_eos_token=True, padding_side="left")
    theirs = opened(tmp_path, ours)
    assert len(theirs) == len(ours) and theirs.padding_side == "left" and theirs.model_max_length == 64
    assert theirs("cell {|C|}")["input_ids"] == ours.encode("cell {|C|}")
    names = ("unk_token_id", "bos_token_id", "eos_token_id", "pad_token_id")
    assert [getattr(theirs, name) for name in names] == [getattr(ours, name) for name in names]
    batch = theirs(["a", "{|C|}{|C|}{|C|}"], padding=True)
    assert batch["input_ids"] == ours(["a", "{|C|}{|C|}{|C|}"], padding=True)["input_ids"]
    assert (tmp_path / "tokenizer.model").read_bytes() == tokenizer_file.read_bytes()


def test_fewer_modalities(tokenizer_file: Path, tmp_path: Path) -> None:
    ours = LlamaTokenizer(tokenizer_file, modalities=["molecule"])
    theirs = opened(tmp_path, ours)
    assert len(theirs) == NUM_PIECES + 66
    assert theirs("{|C|} x")["input_ids"] == ours.encode("{|C|} x")
    assert theirs.decode([NUM_PIECES], skip_special_tokens=True) == "C"


def test_an_exported_folder_opens_as_a_whole(tokenizer_file: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_llama(tmp_path / "theirs")
    (tmp_path / "theirs" / "tokenizer.model").write_bytes(tokenizer_file.read_bytes())
    recipe, made = write_recipe(tmp_path / "r.yaml"), tmp_path / "made" / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", made)
    assert (made.parent / "tokenizer.model").read_bytes() == tokenizer_file.read_bytes()
    convert("--checkpoint", made.parent / "o.safetensors", "--config", recipe, "--hf_dir", tmp_path / "back")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "back")
    net = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back")
    assert tokenizer.is_fast and net.config.vocab_size == len(tokenizer) == NUM_PIECES + 98
    ids = tokenizer("The {|C|}{|O|} is", return_tensors="pt")
    answer = net.generate(**ids, max_new_tokens=4, min_new_tokens=4)
    assert answer.shape[1] == ids["input_ids"].shape[1] + 4


def test_a_unigram_model_gets_no_fast_tokenizer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from sentencepiece import SentencePieceTrainer

    source = REPOSITORY / "tests" / "data" / "tokenizer_sentences.txt"
    SentencePieceTrainer.train(
        input=str(source), model_prefix=str(tmp_path / "u"), model_type="unigram", vocab_size=100, minloglevel=2
    )
    write_tokenizer(tmp_path / "out", LlamaTokenizer(tmp_path / "u.model"), 64)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tokenizer.model", "tokenizer_config.json"]
    assert "is not a byte-pair model" in caplog.text
