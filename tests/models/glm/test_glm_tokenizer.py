"""Line breaks, tabs, blanks and bytes; what stands behind a prompt; limits; the wrong file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindformers.models.glm.glm_tokenizer import ChatGLMTokenizer
from mindformers.models.glm.ice_pieces import is_ice_model
from mindformers.tools.errors import InputError
from tests.conftest import NUM_ICE_PIECES

FIRST = NUM_ICE_PIECES  # [MASK], where the published model has 130000


TEXTS = ["a b", "line\nline", "a\tb", "a  b", f"a{80 * ' '}b", f"a{83 * ' '}b", "  a", "你好，\n\n𝄞 é", '{"a": [1]}']


@pytest.mark.parametrize("text", TEXTS)
def test_text_comes_back(ice: ChatGLMTokenizer, text: str) -> None:
    assert ice.decode(ice.encode(text, add_special_tokens=False)) == text


def test_ids_stand_where_they_do_in_the_published_model(ice: ChatGLMTokenizer) -> None:
    ids = [ice.mask_token_id, ice.gmask_token_id, ice.bos_token_id, ice.eos_token_id, ice.pad_token_id]
    assert ids == [FIRST, FIRST + 1, FIRST + 4, FIRST + 5, 3]
    plain = ice.encode("x", False)
    assert ice.encode("x\n", False) == [*plain, 4]
    assert ice.encode("x\t", False) == [*plain, FIRST + 8]
    assert ice.encode("x  ", False) == [*plain, FIRST + 7 + 2] and ice.encode("x" + " " * 80, False)[-1] == FIRST + 87
    assert ice.encode("x𝄞", False) == [*plain, *(FIRST + 88 + value for value in "𝄞".encode())]
    assert len(ice) == FIRST + 344


def test_a_prompt_ends_with_gmask_and_sop_and_an_answer_with_eop(ice: ChatGLMTokenizer) -> None:
    text = ice.encode("x y", False)
    assert ice.encode("x y") == [*text, ice.gmask_token_id, ice.bos_token_id]
    ids, first, _ = ice.encode_pair("x y", "z")
    assert ids == [*ice.encode("x y"), *ice.encode("z", False), ice.eos_token_id] and ids[first] == ice.bos_token_id
    assert ice.decode(ids, skip_special_tokens=True) == "x y z"
    assert ice.decode(ids) == "x y[gMASK]<sop>z<eop>"


def test_prompt_and_answer_are_cut_to_their_limits_alike_in_training_and_inference(ice_file: Path) -> None:
    limited = ChatGLMTokenizer(ice_file, max_source_seq_len=6, max_target_seq_len=7)
    ids, first, whole = limited.encode_pair("q" * 40, "w" * 40)
    assert first == 6 and len(ids) == 6 + 7 and whole > 13
    assert limited.encode("q" * 40) == ids[: first + 1]
    assert ids[-1] == limited.eos_token_id


def test_the_early_vocabulary_is_the_same_20000_further_up(ice: ChatGLMTokenizer, ice_file: Path) -> None:
    early = ChatGLMTokenizer(ice_file, num_image_tokens=20000)
    ids = ice.encode("a  b\n")
    assert early.encode("a  b\n") == [index + 20000 for index in ids]
    assert early.decode([7, *early.encode("a  b\n", False)]) == "a  b\n"


def test_several_texts_are_padded_on_the_left(ice: ChatGLMTokenizer) -> None:
    batch = ice(["x", "x y z"], padding=True, return_tensors="np")
    assert batch["input_ids"][0, 0] == ice.pad_token_id and batch["attention_mask"][0, 0] == 0
    assert batch["input_ids"][:, -1].tolist() == [ice.bos_token_id] * 2


def test_ids_that_mean_nothing_are_left_out(ice: ChatGLMTokenizer) -> None:
    assert ice.decode([*ice.encode("x", False), len(ice) + 5]) == "x"


def test_another_models_file_is_refused(tokenizer_file: Path, ice_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no piece <n>, so it is not ChatGLM's; expected ice_text.model"):
        ChatGLMTokenizer(tokenizer_file)
    broken = tmp_path / "broken.model"
    broken.write_bytes(b"\x00\x01nothing")
    with pytest.raises(InputError, match="cannot be read"):
        ChatGLMTokenizer(broken)
    assert is_ice_model(ice_file) and not is_ice_model(tokenizer_file)


@pytest.mark.parametrize(("rows", "said"), [(130528, "130344"), (300, "at least 544")])
def test_a_table_for_other_ids_is_refused(ice: ChatGLMTokenizer, rows: int, said: str) -> None:
    with pytest.raises(InputError, match=f"tokenizer has 544 tokens.*{said}"):
        ice.check_rows(rows)


def test_what_is_saved_is_the_users_own_file(ice: ChatGLMTokenizer, ice_file: Path, tmp_path: Path) -> None:
    ice.save_pretrained(tmp_path)
    assert (tmp_path / "ice_text.model").read_bytes() == ice_file.read_bytes()
