"""The two vocabularies, told apart by rows, and never mixed."""

from __future__ import annotations

import pytest

from mindformers import GLMConfig
from mindformers.models.glm.vocabulary import check_rows
from mindformers.tools.errors import InputError


@pytest.mark.parametrize(("rows", "moved"), [(130528, 0), (150528, 20000)])
def test_the_ids_follow_from_the_rows(rows: int, moved: int) -> None:
    config = GLMConfig(vocab_size=rows)
    found = [getattr(config, f"{name}_token_id") for name in ("mask", "gmask", "bos", "eos", "pad")]
    assert found == [130000 + moved, 130001 + moved, 130004 + moved, 130005 + moved, 3 + moved]


@pytest.mark.parametrize(("rows", "sop"), [(130528, 150004), (150528, 130004)])
def test_ids_of_the_one_beside_rows_of_the_other_are_refused_with_the_reason(rows: int, sop: int) -> None:
    with pytest.raises(InputError, match=rf"bos_token_id: {sop} with {rows} rows.*20000 apart"):
        GLMConfig(vocab_size=rows, bos_token_id=sop)


def test_weights_of_the_one_beside_a_recipe_of_the_other_are_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match=r"150528 rows, the early vocabulary, with 130528 rows.*one of the two"):
        check_rows("load_checkpoint", 150528, 130528)


def test_other_rows_need_their_ids() -> None:
    with pytest.raises(InputError, match="bos_token_id: is missing"):
        GLMConfig(vocab_size=300)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("num_heads", 5, "divides by 4"), ("position_encoding_2d", False, "True"), ("num_layers", 0, "1 or more")],
)
def test_what_the_model_cannot_be_is_refused(key: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=f"{key}.*{said}"):
        GLMConfig(**{key: value})
