"""The tokenizer: ids, the way back, spans, padding, files."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.errors import InputError
from tests.conftest import NUM_PIECES, shared_data

MIXED = "The molecule <molecule>C[C@@H](Cl)O</molecule> binds <protein>MKV</protein> and <dna>ACGT</dna>."


@pytest.fixture(scope="module")
def llama2() -> LlamaTokenizer:
    return LlamaTokenizer(shared_data("scimind", "llama2_tokenizer.model"))


def test_published_ids_behind_32000_pieces(llama2: LlamaTokenizer) -> None:
    assert len(llama2) == 32098
    published = shared_data("scimind", "smiles_alphabet_32098.txt").read_text(encoding="utf-8").split("\n")[:98]
    assert llama2.convert_tokens_to_ids(published) == list(range(32000, 32098))
    assert llama2.encode("Describe <molecule>CCl</molecule>.") == [1, 20355, 915, 29871, 32000, 32000, 32012, 29889]


def test_a_mixed_text_of_llama2_comes_back(llama2: LlamaTokenizer) -> None:
    text = MIXED + " 乙醇 🧪"
    assert llama2.decode(llama2.encode(text), skip_special_tokens=True, with_tags=True) == text


def test_only_molecules_give_the_vocabulary_of_the_finetuning_recipe(llama2: LlamaTokenizer) -> None:
    assert len(LlamaTokenizer(llama2.vocab_file, modalities=["molecule"])) == 32066


def test_modality_ids_follow_the_last_piece(tokenizer: LlamaTokenizer) -> None:
    assert tokenizer.num_text_tokens == NUM_PIECES and len(tokenizer) == tokenizer.vocab_size == NUM_PIECES + 98
    assert tokenizer.encode("<molecule>C1</molecule>") == [1, NUM_PIECES, NUM_PIECES + 1]
    assert tokenizer.encode("<rna>GU</rna>", add_special_tokens=False) == [NUM_PIECES + 66, NUM_PIECES + 70]
    assert tokenizer.encode("<|L|><|-|>")[1:] == [NUM_PIECES + 71, NUM_PIECES + 97]


def test_special_ids(tokenizer: LlamaTokenizer) -> None:
    ids = tokenizer.unk_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    assert ids == (0, 1, 2, 0)


def test_tagged_and_written_tokens_are_the_same_ids(tokenizer: LlamaTokenizer) -> None:
    assert tokenizer.encode("x {|C|}{|l|} y") == tokenizer.encode("x <molecule>Cl</molecule> y")


def test_decoding_prints_plain_sequences(tokenizer: LlamaTokenizer) -> None:
    ids = tokenizer.encode(MIXED)
    plain = "The molecule C[C@@H](Cl)O binds MKV and ACGT."
    assert tokenizer.decode(ids, skip_special_tokens=True) == plain
    assert tokenizer.decode(ids) == "<s>" + plain
    assert tokenizer.decode(ids, skip_special_tokens=True, with_tags=True) == MIXED
    assert tokenizer.batch_decode([ids, ids], skip_special_tokens=True) == [plain] * 2


@pytest.mark.parametrize("text", ["乙醇", "🧪 ok", "naïve Ångström", "tab\there\nand  two blanks ", " leading", "~^|`"])
def test_every_character_comes_back_through_bytes(tokenizer: LlamaTokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("seed", range(60))
def test_encode_and_decode_are_inverse(tokenizer: LlamaTokenizer, seed: int) -> None:
    text = _random_mix(random.Random(seed))
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True, with_tags=True) == text


def _random_mix(source: random.Random) -> str:
    alphabets = {"molecule": "CNO()=#[]@Hcl1", "protein": "MKLAGV", "dna": "ACGT"}
    parts, last = [], ""
    for _ in range(source.randrange(1, 8)):
        kind = source.choice([kind for kind in ("text", *alphabets) if kind != last])
        if kind == "text":
            parts.append("".join(source.choices("abc XYZ,.<>{}|*/ 乙é🧪\n", k=source.randrange(1, 12))))
        else:
            parts.append(f"<{kind}>{''.join(source.choices(alphabets[kind], k=source.randrange(1, 20)))}</{kind}>")
        last = kind
    return "".join(parts)


def test_a_written_end_token_is_the_token_and_begins_anew(tokenizer: LlamaTokenizer) -> None:
    first, second = tokenizer.encode("USER: a"), tokenizer.encode("USER: b", add_special_tokens=False)
    ids = tokenizer.encode("USER: a</s>USER: b")
    assert ids == [*first, tokenizer.eos_token_id, *second]
    assert tokenizer.decode(ids) == "<s>USER: a</s>USER: b"
    assert tokenizer.encode("</s>", add_special_tokens=False) == [2]
    assert tokenizer.decode(tokenizer.encode("a</s> b</s><dna>A</dna></s>c")) == "<s>a</s> b</s>A</s>c"


def test_texts_of_one_record_are_printed_as_each_alone(tokenizer: LlamaTokenizer) -> None:
    ids = [*tokenizer.encode("cell"), 2, *tokenizer.encode("ion"), 2]
    assert tokenizer.decode(ids) == "<s>cell</s><s>ion</s>"


def test_a_continuation_has_neither_begin_token_nor_blank(tokenizer: LlamaTokenizer) -> None:
    whole = tokenizer.encode("The molecule is toxic")
    assert tokenizer.encode("The molecule") + tokenizer.encode(" is toxic", is_continuation=True) == whole
    tail = tokenizer.encode(" is", is_continuation=True)
    assert tokenizer.decode(tail) == "is" and tokenizer.decode(tail, is_continuation=True) == " is"


def test_begin_and_end_tokens(tokenizer_file: Path) -> None:
    tokenizer = LlamaTokenizer(tokenizer_file, add_bos_token=False, add_eos_token=True)
    ids = tokenizer.encode("cell")
    assert ids[0] != 1 and ids[-1] == 2
    assert tokenizer.encode("cell", add_special_tokens=False) == ids[:-1]


def test_spans_say_where_sequences_stand(tokenizer: LlamaTokenizer) -> None:
    ids, spans = tokenizer.encode_with_spans(MIXED)
    assert [span.modality for span in spans] == ["text", "molecule", "text", "protein", "text", "nucleotide", "text"]
    molecule = spans[1]
    assert MIXED[molecule.start : molecule.end] == "<molecule>C[C@@H](Cl)O</molecule>"
    assert tokenizer.decode(ids[molecule.token_start : molecule.token_end]) == "C[C@@H](Cl)O"
    assert spans[0].token_start == 1 and spans[-1].token_end == len(ids)


def test_the_modality_table_marks_every_id(tokenizer: LlamaTokenizer) -> None:
    table = tokenizer.modality_table()
    ids = tokenizer.encode("a<molecule>CO</molecule><dna>A</dna><protein>M</protein>")
    assert table.shape == (len(tokenizer),) and table[ids[-4:]].tolist() == [1, 1, 2, 3] and not table[ids[:-4]].any()


def test_a_wrong_character_names_its_position(tokenizer: LlamaTokenizer) -> None:
    with pytest.raises(InputError, match=r"molecule at character 13: 'J'"):
        tokenizer.encode("a: <molecule>JC</molecule>")


def test_a_sequence_of_a_missing_modality_is_an_error(tokenizer_file: Path) -> None:
    with pytest.raises(InputError, match="has no tokens for protein"):
        LlamaTokenizer(tokenizer_file, modalities=["molecule"]).encode("<protein>MK</protein>")


@pytest.mark.parametrize("index", [-1, NUM_PIECES + 98])
def test_an_unknown_id_is_an_error(tokenizer: LlamaTokenizer, index: int) -> None:
    with pytest.raises(InputError, match=f"token id: {index}"):
        tokenizer.decode([1, index])


def test_padding(tokenizer: LlamaTokenizer) -> None:
    batch = tokenizer(["cell", "<dna>ACGT</dna> cell"], padding=True, return_tensors="np")
    assert batch["input_ids"].dtype == np.int32 and batch["input_ids"].shape == batch["attention_mask"].shape
    lengths = batch["attention_mask"].sum(1)
    assert lengths[1] > lengths[0] and (batch["input_ids"][0, lengths[0] :] == tokenizer.pad_token_id).all()
    fixed = tokenizer("cell", padding="max_length", max_length=9)
    assert len(fixed["input_ids"]) == 9 and sum(fixed["attention_mask"]) == lengths[0]


def test_padding_on_the_left_and_truncation(tokenizer_file: Path) -> None:
    tokenizer = LlamaTokenizer(tokenizer_file, padding_side="left")
    batch = tokenizer(["a", "<dna>ACGTACGT</dna>"], padding=True, truncation=True, max_length=4)
    assert [len(row) for row in batch["input_ids"]] == [4, 4]
    assert batch["attention_mask"][0][0] == 0 and batch["attention_mask"][0][-1] == 1


def test_padding_errors(tokenizer: LlamaTokenizer) -> None:
    with pytest.raises(InputError, match="max_length: missing"):
        tokenizer("a", padding="max_length")
    with pytest.raises(InputError, match="rows of different length"):
        tokenizer(["a", "<dna>ACGT</dna>"], return_tensors="np")


def test_mindspore_tensors(tokenizer: LlamaTokenizer) -> None:
    assert tokenizer(["cell"], return_tensors="ms")["input_ids"].shape[0] == 1


def test_tokens_and_ids(tokenizer: LlamaTokenizer) -> None:
    assert tokenizer.convert_tokens_to_ids("{|C|}") == NUM_PIECES
    assert tokenizer.convert_tokens_to_ids("no such token") == tokenizer.unk_token_id
    assert tokenizer.convert_ids_to_tokens([1, NUM_PIECES]) == ["<s>", "{|C|}"]
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) == len(tokenizer) and vocabulary["*|G|*"] == NUM_PIECES + 66


def test_save_and_load(tokenizer_file: Path, tmp_path: Path) -> None:
    saved = LlamaTokenizer(tokenizer_file, padding_side="left", modalities=["molecule"], add_eos_token=True)
    saved.save_pretrained(tmp_path)
    loaded = LlamaTokenizer.from_pretrained(tmp_path)
    assert loaded.encode("a <molecule>CO</molecule>") == saved.encode("a <molecule>CO</molecule>")
    assert (loaded.padding_side, loaded.modalities) == ("left", ["molecule"])
    assert LlamaTokenizer.from_pretrained(tmp_path, add_eos_token=False).encode("a")[-1] != 2


def test_a_folder_with_only_the_model_gives_the_defaults(tokenizer_file: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(tokenizer_file.read_bytes())
    assert len(LlamaTokenizer.from_pretrained(tmp_path)) == NUM_PIECES + 98


def test_unusable_files(tokenizer_file: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.model"
    junk.write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot be read"):
        LlamaTokenizer(junk)
    with pytest.raises(InputError, match="not found"):
        LlamaTokenizer(tmp_path / "none.model")
    with pytest.raises(InputError, match="'<nope>' is not a piece"):
        LlamaTokenizer(tokenizer_file, bos_token="<nope>")
